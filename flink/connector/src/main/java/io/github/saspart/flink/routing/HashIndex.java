package io.github.saspart.flink.routing;

/**
 * Maps key hashes to small non-negative numbers; open addressing, deletion by shifting back, so that
 * look-ups stay short for ever.
 */
final class HashIndex {
    private long[] hashes = new long[64];
    private int[] refs = new int[64]; // number + 1; 0 is empty
    private int used;

    /** The key's number, -1 if it has none. */
    int get(long hash) {
        int mask = refs.length - 1;
        for (int i = home(hash); ; i = i + 1 & mask) {
            if (refs[i] == 0 || hashes[i] == hash) {
                return refs[i] - 1;
            }
        }
    }

    /** Gives a key that has none the number. */
    void put(long hash, int number) {
        if (2 * used >= refs.length) {
            grow();
        }
        int mask = refs.length - 1;
        int i = home(hash);
        while (refs[i] != 0) {
            i = i + 1 & mask;
        }
        hashes[i] = hash;
        refs[i] = number + 1;
        used++;
    }

    /** Takes the key's number away, if it has one. */
    void remove(long hash) {
        int mask = refs.length - 1;
        int i = home(hash);
        while (refs[i] == 0 || hashes[i] != hash) {
            if (refs[i] == 0) {
                return;
            }
            i = i + 1 & mask;
        }
        used--;
        // Pull later members of the run into the gap unless that would put them before their own
        // first slot.
        for (int j = i + 1 & mask; refs[j] != 0; j = j + 1 & mask) {
            if ((j - home(hashes[j]) & mask) >= (j - i & mask)) {
                hashes[i] = hashes[j];
                refs[i] = refs[j];
                i = j;
            }
        }
        refs[i] = 0;
    }

    /** How many keys have a number. */
    int size() {
        return used;
    }

    private int home(long hash) {
        return (int) (hash * Bits.MIX >>> Bits.shiftFor(refs.length));
    }

    private void grow() {
        long[] oldHashes = hashes;
        int[] oldRefs = refs;
        hashes = new long[2 * oldRefs.length];
        refs = new int[2 * oldRefs.length];
        used = 0;
        for (int i = 0; i < oldRefs.length; i++) {
            if (oldRefs[i] != 0) {
                put(oldHashes[i], oldRefs[i] - 1);
            }
        }
    }
}
