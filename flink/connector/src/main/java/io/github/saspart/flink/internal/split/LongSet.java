package io.github.saspart.flink.internal.split;

/** A set of 64-bit hashes in open addressing, of bounded size. */
final class LongSet {
    private static final long MIX = 0x9e3779b97f4a7c15L;

    private final int limit;
    private long[] cells = new long[16]; // 0 is free
    private boolean zero; // whether 0 is in the set
    private int size; // zero included

    /** Makes a set of at most {@code limit} hashes. */
    LongSet(int limit) {
        this.limit = limit;
    }

    /** Adds a hash, and returns whether the set has it now: false says that there was no room. */
    boolean add(long hash) {
        if (contains(hash)) {
            return true;
        }
        if (size == limit) {
            return false;
        }
        size++;
        if (hash == 0) {
            zero = true;
            return true;
        }
        if (2 * size > cells.length) {
            long[] old = cells;
            cells = new long[2 * old.length];
            for (long h : old) {
                if (h != 0) {
                    cells[cell(h)] = h;
                }
            }
        }
        cells[cell(hash)] = hash;
        return true;
    }

    boolean contains(long hash) {
        return hash == 0 ? zero : cells[cell(hash)] == hash;
    }

    int size() {
        return size;
    }

    /** All hashes, in no particular order. */
    long[] toArray() {
        long[] all = new long[size];
        int n = 0;
        for (long h : cells) {
            if (h != 0) {
                all[n++] = h;
            }
        }
        return all; // a 0 that is in the set is the last
    }

    /** Where the hash is, or could be put. */
    private int cell(long hash) {
        int mask = cells.length - 1;
        int at = (int) (hash * MIX >>> 32) & mask;
        while (cells[at] != 0 && cells[at] != hash) {
            at = at + 1 & mask;
        }
        return at;
    }
}
