package io.github.saspart.flink.routing;

import java.io.Serializable;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * A whole assignment of keys to workers in three tiers: split keys and placed keys by name, all
 * others by hash slot. Immutable and valid: the constructors refuse what would make a router
 * misbehave.
 */
public final class Route implements Serializable {
    private static final long serialVersionUID = 1;

    /** Bounds P, so that a worker fits 16 bits. */
    public static final int MAX_WORKERS = 1 << 15;

    private final long version;
    private final int workers;
    private final List<Key> keys;
    private final int[] slots;

    /**
     * Holds a route.
     *
     * @param version grows with every route of a job, from 0 for the initial route
     * @param workers P
     * @param keys split and placed keys, no hash twice
     * @param slots worker of each hash slot; a power of two, 2 to 2^24
     * @throws IllegalArgumentException for the first error in it
     */
    public Route(long version, int workers, List<Key> keys, int[] slots) {
        this.version = version;
        this.workers = workers;
        this.keys = List.copyOf(keys);
        this.slots = slots.clone();
        validate();
    }

    /** The route that names no key and deals the slots out evenly. */
    public static Route hash(int workers) {
        int[] slots = new int[slotCount(workers)];
        for (int i = 0; i < slots.length; i++) {
            slots[i] = i % workers;
        }
        return new Route(0, workers, List.of(), slots);
    }

    /** The number of hash slots for P workers: a power of two, at least 4096 and 16 per worker. */
    public static int slotCount(int workers) {
        int n = 4096;
        while (n < 16 * workers) {
            n *= 2;
        }
        return n;
    }

    /** The slot of a key hash among {@code slots}, a power of two from 2. */
    public static int slotOf(long hash, int slots) {
        return (int) (hash >>> Bits.shiftFor(slots));
    }

    /** Grows with every route of a job; 0 is the route a job starts with. */
    public long version() {
        return version;
    }

    /** P. */
    public int workers() {
        return workers;
    }

    /** The keys that are named, split and placed ones. */
    public List<Key> keys() {
        return keys;
    }

    /** How many slots there are, a power of two. */
    public int slots() {
        return slots.length;
    }

    /** The worker of a slot. */
    public int slot(int i) {
        return slots[i];
    }

    /** Two routes are equal that are equal in everything, their versions too. */
    @Override
    public boolean equals(Object other) {
        if (!(other instanceof Route)) {
            return false;
        }
        Route r = (Route) other;
        return version == r.version
                && workers == r.workers
                && keys.equals(r.keys)
                && Arrays.equals(slots, r.slots);
    }

    @Override
    public int hashCode() {
        return Long.hashCode(version) + 31 * Arrays.hashCode(slots);
    }

    /** For people: version and size. */
    @Override
    public String toString() {
        return "route " + version + " (" + workers + " workers, " + keys.size() + " keys, "
                + slots.length + " slots)";
    }

    private void validate() {
        if (workers < 1 || workers > MAX_WORKERS) {
            throw bad("%d workers; from 1 to %d are possible", workers, MAX_WORKERS);
        }
        if (slots.length < 2 || slots.length > 1 << 24 || Integer.bitCount(slots.length) != 1) {
            throw bad("%d slots; the number must be a power of two from 2 to 2^24", slots.length);
        }
        for (int i = 0; i < slots.length; i++) {
            if (slots[i] < 0 || slots[i] >= workers) {
                throw bad("slot %d goes to worker %d of %d", i, slots[i], workers);
            }
        }
        Set<Long> seen = new HashSet<>();
        for (Key k : keys) {
            if (!seen.add(k.hash)) {
                throw bad("key with hash %#x is named twice", k.hash);
            }
            int last = k.workers[k.workers.length - 1];
            if (last >= workers) {
                throw bad("key with hash %#x goes to worker %d of %d", k.hash, last, workers);
            }
        }
    }

    private static IllegalArgumentException bad(String format, Object... args) {
        return new IllegalArgumentException("route: " + String.format(format, args));
    }

    /** Where one named key goes: placed on one worker, or split over several by share. */
    public static final class Key implements Serializable {
        private static final long serialVersionUID = 1;

        private final long hash;
        private final int[] workers;
        private final double[] shares;

        /**
         * Holds a key's workers and shares. Throws an {@link IllegalArgumentException} if they are invalid.
         *
         * @param hash of the key
         * @param workers distinct, ascending, at least one
         * @param shares of the workers, each above 0, summing to 1
         */
        public Key(long hash, int[] workers, double[] shares) {
            this.hash = hash;
            this.workers = workers.clone();
            this.shares = shares.clone();
            validate();
        }

        /** The key's hash. */
        public long hash() {
            return hash;
        }

        /** How many workers the key has. */
        public int size() {
            return workers.length;
        }

        /** The key's i-th worker, ascending. */
        public int worker(int i) {
            return workers[i];
        }

        /** The part of the key's records that its i-th worker gets. */
        public double share(int i) {
            return shares[i];
        }

        @Override
        public boolean equals(Object other) {
            if (!(other instanceof Key)) {
                return false;
            }
            Key k = (Key) other;
            return hash == k.hash && Arrays.equals(workers, k.workers) && Arrays.equals(shares, k.shares);
        }

        @Override
        public int hashCode() {
            return Long.hashCode(hash);
        }

        private void validate() {
            if (workers.length == 0 || workers.length != shares.length) {
                throw bad("key with hash %#x has %d workers and %d shares", hash, workers.length, shares.length);
            }
            if (workers[0] < 0) {
                throw bad("key with hash %#x goes to worker %d", hash, workers[0]);
            }
            double sum = 0;
            for (int i = 0; i < workers.length; i++) {
                if (i > 0 && workers[i] <= workers[i - 1]) {
                    throw bad("the workers of the key with hash %#x are not ascending", hash);
                }
                if (!(shares[i] > 0) || shares[i] == Double.POSITIVE_INFINITY) {
                    throw bad("key with hash %#x has share %s at worker %d", hash, shares[i], workers[i]);
                }
                sum += shares[i];
            }
            if (Math.abs(sum - 1) > 1e-6) {
                throw bad("the shares of the key with hash %#x sum to %s", hash, sum);
            }
        }
    }
}
