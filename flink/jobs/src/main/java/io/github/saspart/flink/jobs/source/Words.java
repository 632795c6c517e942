package io.github.saspart.flink.jobs.source;

/**
 * Cuts a text into its words: the longest runs of Unicode letters, digits and the marks that belong to
 * them, in lower case. Everything else separates.
 */
public final class Words {
    private static final int MARKS = 1 << Character.NON_SPACING_MARK | 1 << Character.ENCLOSING_MARK
            | 1 << Character.COMBINING_SPACING_MARK;

    private final String text;
    private int at;

    /** Begins with the first word. */
    public Words(String text) {
        this.text = text;
    }

    /** The next word; null after the last. */
    public String next() {
        while (at < text.length() && !isInWord(text.codePointAt(at))) {
            at += Character.charCount(text.codePointAt(at));
        }
        int start = at;
        boolean isLower = true;
        while (at < text.length()) {
            int c = text.codePointAt(at);
            if (!isInWord(c)) {
                break;
            }
            isLower &= c < 128 && !(c >= 'A' && c <= 'Z');
            at += Character.charCount(c);
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
        for (int i = 0; i < text.length();) {
            int c = text.codePointAt(i);
            boolean is = isInWord(c);
            if (is && !inside) {
                n++;
            }
            inside = is;
            i += Character.charCount(c);
        }
        return n;
    }

    /** Letter by letter: a word's case does not depend on its place or on a language. */
    private static String lower(String word) {
        StringBuilder out = new StringBuilder(word.length());
        word.codePoints().forEach(c -> out.appendCodePoint(Character.toLowerCase(c)));
        return out.toString();
    }

    private static boolean isInWord(int c) {
        if (c < 128) {
            return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c >= 'A' && c <= 'Z';
        }
        return Character.isLetter(c) || Character.isDigit(c) || (MARKS >> Character.getType(c) & 1) != 0;
    }
}
