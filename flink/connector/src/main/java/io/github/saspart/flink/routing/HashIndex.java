package io.github.saspart.flink.routing;

/**
 * Maps key hashes to small non-negative numbers; open addressing, deletion by shifting back, so that
 * lookups stay short for ever.
 */
final class HashIndex {
    private long[] hashes;
    private int[] refs; // number + 1; 0 is empty
    private int shift;
    private int size;

    HashIndex() {
        resize(64);
    }

    /** Where a hash's run of slots begins in a table of 2^(64-shift) slots. */
    static int first(long hash, int shift) {
        return (int) (hash * Bits.MIX >>> shift);
    }

    private void resize(int slots) {
        long[] oldHashes = hashes;
        int[] oldRefs = refs;
        hashes = new long[slots];
        refs = new int[slots];
        shift = Bits.shiftFor(slots);
        size = 0;
        for (int i = 0; oldRefs != null && i < oldRefs.length; i++) {
            if (oldRefs[i] != 0) {
                put(oldHashes[i], oldRefs[i] - 1);
            }
        }
    }

    /** The number of keys that have a number. */
    int size() {
        return size;
    }

    /** The key's number, -1 if it has none. */
    int get(long hash) {
        int mask = refs.length - 1;
        for (int i = first(hash, shift); ; i = (i + 1) & mask) {
            if (refs[i] == 0 || hashes[i] == hash) {
                return refs[i] - 1;
            }
        }
    }

    /** Gives a key that has none the number ref. */
    void put(long hash, int ref) {
        if (2 * size >= refs.length) {
            resize(2 * refs.length);
        }
        int mask = refs.length - 1;
        int i = first(hash, shift);
        while (refs[i] != 0) {
            i = (i + 1) & mask;
        }
        hashes[i] = hash;
        refs[i] = ref + 1;
        size++;
    }

    /** Takes the key's number away, if it has one. */
    void remove(long hash) {
        int mask = refs.length - 1;
        int gap = first(hash, shift);
        while (hashes[gap] != hash || refs[gap] == 0) {
            if (refs[gap] == 0) {
                return;
            }
            gap = (gap + 1) & mask;
        }
        size--;
        // Pull later members of the run into the gap unless that would put them before their own
        // first slot.
        for (int i = (gap + 1) & mask; refs[i] != 0; i = (i + 1) & mask) {
            if (((i - first(hashes[i], shift)) & mask) >= ((i - gap) & mask)) {
                hashes[gap] = hashes[i];
                refs[gap] = refs[i];
                gap = i;
            }
        }
        refs[gap] = 0;
    }
}
