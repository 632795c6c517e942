package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Names;
import io.github.saspart.flink.routing.Settings;
import java.io.Serializable;
import java.util.List;

/**
 * Where records are read from and which columns matter: CSV, also gzipped. The file
 * has to be at the same path on every TaskManager that has a source.
 */
public final class FileConfig implements Serializable {
    private static final long serialVersionUID = 1;

    /** The file. */
    public final String path;
    /** Column of the key. */
    public final String key;
    /** Every key is a whole number, 007 and 7 the same; false: any bytes, as they stand. */
    public final boolean integerKeys;
    /** Word counts: the column with the sentence; t-digests: columns with numbers; counts: none needed. */
    public final List<String> payload;
    /**
     * A record per word of the key column, whose key, and sentence unless there is a payload column, is
     * the word; false: a record per row.
     */
    public final boolean splitsWords;
    /** Start again at the end. */
    public final boolean loop;
    /** Leave bad rows out; false: stop. */
    public final boolean skipsBadRows;
    /** Between the fields. */
    public final char delimiter;
    /** The first line names the columns; false: their names are 1, 2, ... */
    public final boolean header;
    /** Lines that start with it are left out; 0: none. */
    public final char comment;

    FileConfig(Settings s, Payload reads) {
        path = s.text("path", "");
        if (path.isEmpty()) {
            s.problem("path", "is empty; name the file to read");
        }
        key = s.text("key", "");
        if (key.isEmpty()) {
            s.problem("key", "is empty; name the column of the key");
        }
        integerKeys = isSecond(s, "key_type", "bytes", "integer");
        splitsWords = isSecond(s, "split", "none", "words");
        if (splitsWords && integerKeys) {
            s.problem("key_type", "is integer, but split makes words the keys; set key_type: bytes");
        }
        payload = List.copyOf(s.texts("payload"));
        if (reads == Payload.TEXT && payload.size() != 1 && !(payload.isEmpty() && splitsWords)) {
            s.problem("payload", "names " + payload.size() + " columns; wordcount reads one with sentences: [sentence]");
        }
        if (reads == Payload.VALUES && payload.isEmpty()) {
            s.problem("payload", "is empty; tdigest reads one or more columns with numbers: [delay]");
        }
        loop = s.flag("loop", false);
        skipsBadRows = isSecond(s, "on_bad_row", "error", "skip");
        delimiter = character(s, "delimiter", s.text("delimiter", ","));
        header = s.flag("header", true);
        String mark = s.text("comment", "");
        comment = mark.isEmpty() ? 0 : character(s, "comment", mark);
    }

    private static char character(Settings s, String name, String value) {
        if (value.length() != 1 || value.charAt(0) >= 128 || "\"\n\r".contains(value)) {
            s.problem(name, "is \"" + value + "\"; it must be one ASCII character other than a quote or a line break");
        }
        return value.isEmpty() ? 0 : value.charAt(0);
    }

    /** Whether a setting has the second of two values; the first is the default. */
    private static boolean isSecond(Settings s, String name, String first, String second) {
        String value = s.text(name, first);
        if (!value.equals(first) && !value.equals(second)) {
            s.problem(name, "is \"" + value + "\"; " + Names.explain(value, List.of(first, second)));
        }
        return value.equals(second);
    }
}
