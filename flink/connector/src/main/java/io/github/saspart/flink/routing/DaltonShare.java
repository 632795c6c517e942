package io.github.saspart.flink.routing;

import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The gossip of a subtask of {@link DaltonRouter}: its heaviest hot keys.
 *
 * <p>As bytes, big-endian: the format's number (a byte), the number of workers (an int), the Q of an arm
 * that was never tried (a double), then the keys, heaviest first. A key has hash, term and until (longs),
 * weight (a double) and the number of its arms (an unsigned short). An arm has the worker (a short), Q (a
 * double) and the number of its updates (an int).
 */
final class DaltonShare {
    /** The most bytes of a share that the policy server passes on. */
    static final int MOST_BYTES = 1 << 20;

    private static final byte FORMAT = 1;
    private static final int HEAD_BYTES = 1 + 4 + 8;
    private static final int KEY_BYTES = 4 * 8 + 2;
    private static final int ARM_BYTES = 2 + 8 + 4;

    private static final Comparator<Key> HEAVIEST_FIRST =
            Comparator.<Key>comparingDouble(k -> -k.weight)
                    .thenComparing((a, b) -> Long.compareUnsigned(a.hash, b.hash));

    private final double initial; // Q of an arm that was never tried
    private final List<Key> keys = new ArrayList<>();

    /** A hot key. */
    static final class Key {
        long hash;
        long term; // means something to the sender alone, like updates
        long until; // the last slide in which it is hot
        double weight; // records in the last slide and the current one
        double[] q;
        int[] updates;
    }

    /** An empty share. */
    DaltonShare(double initial) {
        this.initial = initial;
    }

    /** Adds a key. Its arms are not copied: encode before they change. */
    void add(KnownKey k, Arms a) {
        Key key = new Key();
        key.hash = k.hash;
        key.term = k.term;
        key.until = k.until;
        key.weight = k.last + k.count;
        key.q = a.q;
        key.updates = a.updates;
        keys.add(key);
    }

    /** The key of that hash and term, null if there is none. */
    Key find(long hash, long term) {
        for (Key k : keys) {
            if (k.hash == hash && k.term == term) {
                return k;
            }
        }
        return null;
    }

    /** The heaviest keys, one for each worker or as many as there are and have room. */
    byte[] encode(int workers) {
        keys.sort(HEAVIEST_FIRST);
        long most = HEAD_BYTES + Math.min(keys.size(), workers) * (KEY_BYTES + (long) workers * ARM_BYTES);
        ByteBuffer out = ByteBuffer.allocate((int) Math.min(MOST_BYTES, most));
        out.put(FORMAT).putInt(workers).putDouble(initial);
        for (Key k : keys.subList(0, Math.min(keys.size(), workers))) {
            int arms = tried(k);
            if (out.remaining() < KEY_BYTES + arms * ARM_BYTES) {
                break;
            }
            out.putLong(k.hash).putLong(k.term).putLong(k.until).putDouble(k.weight).putShort((short) arms);
            for (int w = 0; w < workers; w++) {
                if (tried(k, w)) {
                    out.putShort((short) w).putDouble(k.q[w]).putInt(k.updates[w]);
                }
            }
        }
        return Arrays.copyOf(out.array(), out.position());
    }

    private int tried(Key k) {
        int n = 0;
        for (int w = 0; w < k.q.length; w++) {
            if (tried(k, w)) {
                n++;
            }
        }
        return n;
    }

    private boolean tried(Key k, int w) {
        return k.updates[w] != 0 || k.q[w] != initial;
    }

    /** Reads a share of a job with the given number of workers; an empty one if it is none, or of another job. */
    static DaltonShare decode(byte[] bytes, int workers) {
        DaltonShare none = new DaltonShare(0);
        if (bytes == null || bytes.length < HEAD_BYTES) {
            return none;
        }
        ByteBuffer in = ByteBuffer.wrap(bytes);
        if (in.get() != FORMAT || in.getInt() != workers) {
            return none;
        }
        DaltonShare share = new DaltonShare(in.getDouble());
        try {
            while (in.hasRemaining()) {
                share.keys.add(share.decodeKey(in, workers));
            }
        } catch (BufferUnderflowException | IllegalArgumentException e) {
            return none;
        }
        return share;
    }

    private Key decodeKey(ByteBuffer in, int workers) {
        Key k = new Key();
        k.hash = in.getLong();
        k.term = in.getLong();
        k.until = in.getLong();
        k.weight = in.getDouble();
        check(k.weight > 0 && k.weight < Double.POSITIVE_INFINITY);
        k.q = new double[workers];
        Arrays.fill(k.q, initial);
        k.updates = new int[workers];
        for (int arms = in.getShort() & 0xffff; arms > 0; arms--) {
            int w = in.getShort();
            check(w >= 0 && w < workers);
            k.q[w] = in.getDouble();
            check(Double.isFinite(k.q[w]));
            k.updates[w] = in.getInt();
        }
        return k;
    }

    private static void check(boolean valid) {
        if (!valid) {
            throw new IllegalArgumentException("the share holds an impossible value");
        }
    }

    /** Adds up what several subtasks share of the same keys. */
    static final class Pool {
        private final int workers;
        private final Map<Long, Key> keys = new LinkedHashMap<>(); // by hash

        Pool(int workers) {
            this.workers = workers;
        }

        /** Adds the keys of a share that are still hot in slide now. */
        void add(DaltonShare share, long now) {
            for (Key k : share.keys) {
                if (k.until >= now) {
                    add(k);
                }
            }
        }

        private void add(Key k) {
            Key sum = keys.computeIfAbsent(k.hash, hash -> new Key());
            if (sum.q == null) {
                sum.hash = k.hash;
                sum.q = new double[workers];
            }
            sum.until = Math.max(sum.until, k.until);
            sum.weight += k.weight;
            for (int w = 0; w < workers; w++) {
                sum.q[w] += k.weight * k.q[w];
            }
        }

        /** The keys in the order of their first mention, Q being the sum of weight times Q. */
        Collection<Key> keys() {
            return keys.values();
        }
    }
}
