package io.github.saspart.flink.routing;

import java.util.Collection;
import java.util.Locale;
import java.util.TreeSet;

/** Finds the known name that a mistyped one was probably meant to be. */
public final class Names {
    private Names() {}

    /**
     * The remedy half of an error about an unknown name: the nearest one, the first of equals, and
     * all that there are, sorted.
     */
    public static String explain(String name, Collection<String> known) {
        if (known.isEmpty()) {
            return "none is known";
        }
        String best = null;
        int least = Integer.MAX_VALUE;
        for (String k : new TreeSet<>(known)) {
            int d = distance(name.toLowerCase(Locale.ROOT), k.toLowerCase(Locale.ROOT));
            if (d < least) {
                best = k;
                least = d;
            }
        }
        return "did you mean \"" + best + "\"? known are " + String.join(", ", new TreeSet<>(known));
    }

    /** The Levenshtein distance: how many characters to insert, delete or replace. */
    private static int distance(String a, String b) {
        int[] row = new int[b.length() + 1];
        for (int j = 0; j < row.length; j++) {
            row[j] = j;
        }
        for (int i = 1; i <= a.length(); i++) {
            int diagonal = row[0];
            row[0] = i;
            for (int j = 1; j < row.length; j++) {
                int replaced = diagonal + (a.charAt(i - 1) == b.charAt(j - 1) ? 0 : 1);
                diagonal = row[j];
                row[j] = Math.min(replaced, 1 + Math.min(diagonal, row[j - 1]));
            }
        }
        return row[b.length()];
    }
}
