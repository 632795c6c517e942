package io.github.saspart.flink.internal.split;

/** A map of 64-bit hashes to slides, each of which only rises, in open addressing. */
final class LongMap {
    private static final long MIX = 0x9e3779b97f4a7c15L;

    private long[] hashes = new long[16]; // 0 is free
    private long[] slides = new long[16];
    private long ofZero = Slides.FIRST; // what 0 maps to
    private int size; // without 0

    /** Raises a hash's slide to at least this one; to make room, hashes at {@code old} and below are dropped. */
    void raise(long hash, long slide, long old) {
        if (hash == 0) {
            ofZero = Math.max(ofZero, slide);
            return;
        }
        int at = cell(hash);
        if (hashes[at] == hash) {
            slides[at] = Math.max(slides[at], slide);
            return;
        }
        if (2 * (size + 1) > hashes.length) {
            makeRoom(old);
            at = cell(hash);
        }
        hashes[at] = hash;
        slides[at] = slide;
        size++;
    }

    /** A hash's slide; {@link Slides#FIRST} if it has none. */
    long get(long hash) {
        if (hash == 0) {
            return ofZero;
        }
        int at = cell(hash);
        return hashes[at] == hash ? slides[at] : Slides.FIRST;
    }

    /** How many hashes have a slide, beside 0. */
    int size() {
        return size;
    }

    private void makeRoom(long old) {
        int live = 0;
        for (int i = 0; i < hashes.length; i++) {
            live += hashes[i] != 0 && slides[i] > old ? 1 : 0;
        }
        long[] before = hashes;
        long[] of = slides;
        int cells = 4 * (live + 1) > before.length ? 2 * before.length : before.length;
        hashes = new long[cells];
        slides = new long[cells];
        size = live;
        for (int i = 0; i < before.length; i++) {
            if (before[i] != 0 && of[i] > old) {
                int at = cell(before[i]);
                hashes[at] = before[i];
                slides[at] = of[i];
            }
        }
    }

    /** Where the hash is, or could be put. */
    private int cell(long hash) {
        int mask = hashes.length - 1;
        int at = (int) (hash * MIX >>> 32) & mask;
        while (hashes[at] != 0 && hashes[at] != hash) {
            at = at + 1 & mask;
        }
        return at;
    }
}
