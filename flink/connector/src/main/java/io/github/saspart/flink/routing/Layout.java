package io.github.saspart.flink.routing;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * A route laid out so that two multiplications find the only entry that a hash can be in: a perfect
 * hash of the kind called hash and displace (Belazzougui, Botelho, Dietzfelbinger: ESA 2009). A slot
 * holds a seed. A hash multiplied by its slot's seed has its entry in the upper bits. The seed is chosen
 * so that the slot's named keys collide neither with each other nor with any other named key.
 */
final class Layout {
    /**
     * How many seeds are tried for a slot. At most two thirds of the entries are taken, so a slot
     * with g named keys takes about 3^g tries.
     */
    private static final int MAX_SEEDS = 1 << 12;

    private static final long LOW = 0xffffffffL;

    private final long[] slots; // by the hash's top bits: seed << 32 | destination of keys not named
    private final int slotShift;
    // An entry has two elements: the hash, and start << 32 | (length - 1) << 16 | position of its sequence
    // in choices. The length is a power of two. Routing changes the position alone.
    private final long[] entries;
    private final int entryShift;
    private final int[] choices; // the sequences of all keys, end to end

    /**
     * Lays out keys, no two of which have the same hash.
     *
     * @param slotWorkers by slot, a power of two of them from 2
     */
    Layout(int[] slotWorkers, List<Route.Key> keys) {
        slots = new long[slotWorkers.length];
        slotShift = Bits.shiftFor(slots.length);
        long[] hashes = sortedHashes(keys);
        int size = tableSize(keys.size());
        while (!place(hashes, size)) {
            size *= 2;
        }
        for (int i = 0; i < slots.length; i++) {
            slots[i] |= slotWorkers[i];
        }
        entryShift = Bits.shiftFor(size);
        entries = new long[2 * size];
        // A free entry has a hash that no record there can have: 0, which belongs to entry 0 alone, and
        // for entry 0 a hash that belongs elsewhere.
        while (home(entries[0]) == 0) {
            entries[0]++;
        }
        choices = enter(keys);
    }

    /** The size of a table for n keys: a power of two from 2, half as many again as there are keys. */
    static int tableSize(int n) {
        return 2 << 31 - Integer.numberOfLeadingZeros(n + n / 2 | 1);
    }

    /** Routes a record. */
    int route(long hash) {
        long slot = slots[(int) (hash >>> slotShift)];
        int e = (int) (hash * Bits.MIX * (slot >>> 32) >>> entryShift) << 1;
        if (entries[e] != hash) {
            return (int) slot;
        }
        long s = entries[e + 1];
        int at = (int) s & 0xffff;
        entries[e + 1] = s - at + (at + 1 & s >>> 16 & 0xffff);
        return choices[(int) (s >>> 32) + at];
    }

    /** The entry of a key, or -1. */
    int find(long hash) {
        int e = home(hash);
        return entries[2 * e] == hash ? e : -1;
    }

    /** How many entries there are, anybody's or not. */
    int size() {
        return entries.length / 2;
    }

    /** How many slots there are. */
    int slots() {
        return slots.length;
    }

    /** The slot of a hash. */
    int slotOf(long hash) {
        return (int) (hash >>> slotShift);
    }

    /** The worker of a slot. */
    int slotWorker(int slot) {
        return Router.worker((int) slots[slot]);
    }

    /** Sets or takes off the {@link Router#MERGE} flag of a slot. */
    void markSlot(int slot, boolean merge) {
        slots[slot] = slots[slot] & ~(Router.MERGE & LOW) | (merge ? Router.MERGE & LOW : 0);
    }

    /** Sets or takes off the {@link Router#MERGE} flag of an entry whose key has one worker. */
    void markEntry(int entry, boolean merge) {
        int base = (int) (entries[2 * entry + 1] >>> 32);
        choices[base] = Router.worker(choices[base]) | (merge ? Router.MERGE : 0);
    }

    /** The length of the sequence of an entry. */
    int turns(int entry) {
        return ((int) entries[2 * entry + 1] >>> 16) + 1;
    }

    /** How far an entry has got in its sequence. */
    int position(int entry) {
        return (int) entries[2 * entry + 1] & 0xffff;
    }

    /** Sets how far an entry has got in its sequence, less than {@link #turns}. */
    void setPosition(int entry, int position) {
        entries[2 * entry + 1] = entries[2 * entry + 1] & ~0xffffL | position;
    }

    private int home(long hash) {
        return (int) (hash * Bits.MIX * (slots[slotOf(hash)] >>> 32) >>> entryShift);
    }

    /** Fills in the keys' entries and returns their sequences. */
    private int[] enter(List<Route.Key> keys) {
        int[][] sequences = new int[keys.size()][];
        int total = 1; // a free entry still has a choice to read
        for (int i = 0; i < sequences.length; i++) {
            Route.Key k = keys.get(i);
            sequences[i] = Sequence.of(k);
            entries[2 * home(k.hash())] = k.hash();
            entries[2 * home(k.hash()) + 1] = (long) total << 32 | sequences[i].length - 1 << 16 & LOW;
            total += sequences[i].length;
        }
        int[] all = new int[total];
        int at = 1;
        for (int i = 0; i < sequences.length; i++) {
            Route.Key k = keys.get(i);
            int merge = k.size() > 1 ? Router.MERGE : 0;
            for (int turn : sequences[i]) {
                all[at++] = k.worker(turn) | merge;
            }
        }
        return all;
    }

    /** The keys' hashes in unsigned order. */
    private static long[] sortedHashes(List<Route.Key> keys) {
        long[] hashes = keys.stream().mapToLong(k -> k.hash() + Long.MIN_VALUE).sorted().toArray();
        Arrays.setAll(hashes, i -> hashes[i] + Long.MIN_VALUE);
        return hashes;
    }

    /** Finds seeds by which no two of the hashes share one of size entries; false if it can't. */
    private boolean place(long[] hashes, int size) {
        Arrays.fill(slots, 1L << 32);
        List<long[]> groups = new ArrayList<>(); // the hashes of each slot that has any
        for (int from = 0, to = 0; from < hashes.length; from = to) {
            while (to < hashes.length && slotOf(hashes[to]) == slotOf(hashes[from])) {
                to++;
            }
            groups.add(Arrays.copyOfRange(hashes, from, to));
        }
        groups.sort(Comparator.comparingInt(g -> -g.length)); // the largest first, while there is room
        boolean[] taken = new boolean[size];
        return groups.stream().allMatch(g -> placeGroup(g, taken));
    }

    /** Finds a seed for the hashes of one slot and takes their entries; false if it can't. */
    private boolean placeGroup(long[] group, boolean[] taken) {
        int shift = Bits.shiftFor(taken.length);
        for (int tried = 0; tried < MAX_SEEDS; tried++) {
            long seed = tried * 0x9e3779b9L & LOW | 1;
            int placed = 0;
            while (placed < group.length && !taken[entryOf(group[placed], seed, shift)]) {
                taken[entryOf(group[placed++], seed, shift)] = true;
            }
            if (placed == group.length) {
                slots[slotOf(group[0])] = seed << 32;
                return true;
            }
            while (placed > 0) {
                taken[entryOf(group[--placed], seed, shift)] = false;
            }
        }
        return false;
    }

    private static int entryOf(long hash, long seed, int shift) {
        return (int) (hash * Bits.MIX * seed >>> shift);
    }
}
