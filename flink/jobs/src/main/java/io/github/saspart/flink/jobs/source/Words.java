package io.github.saspart.flink.jobs.source;

/**
 * Cuts a text into its words: the longest runs of Unicode letters, digits and the marks that belong to
 * them, in lower case. Everything else separates.
 */
public final class Words {
    private static final int MARKS = 1 << Character.NON_SPACING_MARK | 1 << Character.ENCLOSING_MARK
            | 1 << Character.COMBINING_SPACING_MARK;
    private static final boolean[] ASCII = new boolean[128]; // whether a character is in a word

    static {
        for (char c = 0; c < 128; c++) {
            ASCII[c] = Character.isLetterOrDigit(c);
        }
    }

    private final String text;
    private int at;

    /** Begins with the first word. */
    public Words(String text) {
        this.text = text;
    }

    /** The next word; null after the last. */
    public String next() {
        while (at < text.length() && !isInWord(text, at)) {
            at += width(text, at);
        }
        int start = at;
        boolean isLower = true;
        while (at < text.length() && isInWord(text, at)) {
            char c = text.charAt(at);
            isLower &= c < 128 && (c < 'A' || c > 'Z');
            at += width(text, at);
        }
        if (at == start) {
            return null;
        }
        String word = text.substring(start, at);
        return isLower ? word : lower(word);
    }

    /** The number of words in a text. */
    public static int count(String text) {
        int n = 0;
        boolean inside = false;
        for (int i = 0; i < text.length(); i += width(text, i)) {
            boolean is = isInWord(text, i);
            if (is && !inside) {
                n++;
            }
            inside = is;
        }
        return n;
    }

    /** Letter by letter: a word's case does not depend on its place or on a language. */
    private static String lower(String word) {
        StringBuilder out = new StringBuilder(word.length());
        word.codePoints().forEach(c -> out.appendCodePoint(Character.toLowerCase(c)));
        return out.toString();
    }

    private static boolean isInWord(String text, int i) {
        char c = text.charAt(i);
        return c < 128 ? ASCII[c] : isInWord(text.codePointAt(i));
    }

    private static boolean isInWord(int c) {
        return Character.isLetter(c) || Character.isDigit(c) || (MARKS >> Character.getType(c) & 1) != 0;
    }

    /** Characters that a code point takes. */
    private static int width(String text, int i) {
        return text.charAt(i) < 128 ? 1 : Character.charCount(text.codePointAt(i));
    }
}
