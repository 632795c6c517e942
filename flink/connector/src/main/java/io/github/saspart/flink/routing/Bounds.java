package io.github.saspart.flink.routing;

import java.util.Arrays;
import java.util.function.LongPredicate;

/**
 * Keeps every worker within its capacity, record by record, however well the route fits. The Go package
 * partition/table has the same rule, with its reasons and sources; docs/algorithms.md describes it.
 *
 * <p>Each worker has a virtual clock, which a record sent to it moves forward by a unit over the worker's
 * capacity. The subtask's own clock moves by a unit with every record. The difference is how far the worker
 * is ahead. A record that puts its worker beyond the bound is late, and overflows to a worker that is not:
 * at once if its key is split, else when the worker is further ahead than the key has patience. It goes to
 * the least ahead of some candidates, which are drawn from the key's hash. Has one owner, and allocates
 * nothing per record.
 */
final class Bounds {
    private static final int UNIT = 1 << 12; // how far a record moves the subtask's clock
    private static final double SLOWEST = 1.0 / 1024; // the least capacity that makes a difference, as a part of the mean
    private static final int FLOOR = 2; // records that a worker may be ahead by, besides the bound
    private static final long FAR = 1L << 45; // how far a worker can be ahead or behind

    private static final int SUSPECTS = 1 << 8; // counters
    private static final int SUSPECT_SHIFT = 64 - 8; // from a mixed hash to its counter
    private static final int SUSPECT_FROM = 3; // late records from which on a key is suspect
    private static final int SUSPECT_MOST = 128; // late records that count at most, so that former suspects are forgotten
    private static final int FIRST_TARGETS = 2; // candidates of a key at first
    private static final int TRIES = 4; // workers that are compared for a record, at most

    private static final long CANDIDATE_MIX = 0xd6e8feb86659fd93L;

    private final Options.Table config;
    private final Env env;
    private final LongPredicate splits; // whether the route splits the key of a hash

    private long[] next; // by worker: its clock, FLOOR records too little; null: nothing is bounded
    private long[] step; // by worker: of a record
    private long now; // the subtask's clock
    private long sent; // records sent in this slide
    private long perSlide; // records sent in a slide, smoothed; 0: unknown

    private long bound; // how far a worker may be ahead
    private long credit; // how far it may be behind
    private final long[] patience = new long[SUSPECT_MOST + 1]; // by a suspect's count: how far its worker may be ahead

    // Counters of keys that put workers beyond the bound, as Misra and Gries count.
    private final long[] suspects = new long[SUSPECTS]; // their hashes
    private final short[] counts = new short[SUSPECTS];
    private final short[] candidates = new short[SUSPECTS];
    private final short[] failed = new short[SUSPECTS]; // times that all candidates were ahead
    private final int[] last = new int[SUSPECTS]; // the best worker when the most candidates were ahead

    private long random;

    Bounds(Options.Table config, Env env, LongPredicate splits) {
        this.config = config;
        this.env = env;
        this.splits = splits;
        random = env.seed * Bits.MIX + env.subtask;
        measure();
    }

    /** Computes the bound from the records of a slide. */
    private void measure() {
        bound = (long) (config.bound * UNIT * perSlide);
        credit = (long) (config.credit * bound);
        for (int n = 0; n < patience.length; n++) {
            patience[n] = Math.max(
                    bound, (long) (config.patience * bound * SUSPECT_FROM / Math.max(n, SUSPECT_FROM)));
        }
    }

    /** Adopts capacities. Those of another number of workers are ignored. */
    void within(Capacities capacities) {
        if (config.bound == 0 || env.workers == 1 || capacities.workers() != env.workers) {
            return;
        }
        if (next == null) {
            next = new long[env.workers];
            step = new long[env.workers];
        }
        double least = SLOWEST / env.workers;
        for (int w = 0; w < next.length; w++) {
            long ahead = next[w] + FLOOR * step[w] - now;
            step[w] = (long) (UNIT / Math.max(capacities.of(w), least));
            if (capacities.hasWaiting()) {
                ahead = (long) (capacities.waiting(w) / env.subtasks * step[w]);
            }
            next[w] = now + Math.min(Math.max(ahead, -FAR), FAR) - FLOOR * step[w];
        }
    }

    /** Bounds nothing until capacities come again. */
    void release() {
        next = null;
        step = null;
    }

    /** Lets the clocks decay, and measures the bound. */
    void endSlide() {
        perSlide = perSlide > 0 ? (perSlide + sent + 1) / 2 : sent;
        sent = 0;
        measure();
        rebase(config.decay);
    }

    /** Sets the subtask's clock to 0, and takes a part of what workers are ahead or behind by off: 1 over decay. */
    private void rebase(long decay) {
        for (int w = 0; next != null && w < next.length; w++) {
            long ahead = Math.max(next[w] + FLOOR * step[w] - now, -FAR);
            next[w] = ahead - ahead / decay - FLOOR * step[w];
        }
        now = 0;
    }

    /** Lets every key begin with the first candidates again. */
    void forget() {
        Arrays.fill(candidates, (short) FIRST_TARGETS);
        Arrays.fill(failed, (short) 0);
    }

    /** Where a record goes that the route sends to a destination. */
    int keep(long hash, int destination) {
        if (next == null) {
            return destination;
        }
        sent++;
        now += UNIT;
        int worker = Router.worker(destination);
        next[worker] += step[worker];
        int to = next[worker] > now + bound ? overflow(hash, destination, worker) : destination;
        if (now > FAR) {
            rebase(FAR); // of clocks that are nowhere near far, nothing is taken off
        }
        return to;
    }

    /** Where a late record goes. */
    private int overflow(long hash, int destination, int home) {
        long limit = now + bound;
        next[home] = Math.min(next[home], now + FAR);
        int s = suspect(hash);
        int count = suspects[s] == hash ? counts[s] : 0;
        if (next[home] <= now + patience[count] && !splits.test(hash)) {
            return destination;
        }
        boolean known = count >= SUSPECT_FROM;
        long best = leastAhead(hash, known ? candidates[s] : FIRST_TARGETS);
        if (best >> 16 > limit) {
            if (known) {
                best = further(s);
            }
            if (best >> 16 > limit && (!known || best >> 16 >= next[home] - step[home])) {
                return destination;
            }
        }
        int to = (int) best & 0xffff;
        next[home] -= step[home];
        next[to] = Math.max(next[to], now - credit) + step[to];
        return to | Router.MERGE;
    }

    /** Counts a late record of a key; the key's counter, which may be another key's. */
    private int suspect(long hash) {
        int s = (int) (hash * Bits.MIX >>> SUSPECT_SHIFT);
        if (counts[s] == 0) {
            suspects[s] = hash;
            counts[s] = 1;
            candidates[s] = FIRST_TARGETS;
            failed[s] = 0;
            last[s] = 0;
        } else if (suspects[s] == hash) {
            counts[s] = (short) Math.min(counts[s] + 1, SUSPECT_MOST);
        } else {
            counts[s]--;
        }
        return s;
    }

    /** A worker for a key all of whose candidates are ahead. */
    private long further(int s) {
        if (candidates[s] < config.candidates) {
            if (++failed[s] >= candidates[s]) {
                candidates[s] *= 2;
                failed[s] = 0;
            }
            return leastAhead(suspects[s], candidates[s]);
        }
        long best = option(last[s]);
        for (int i = 0; i < TRIES - 1; i++) {
            best = Math.min(best, option((int) (draw() * next.length >>> 32)));
        }
        last[s] = (int) best & 0xffff;
        return best;
    }

    /** A worker and its clock in one number. The least of some is the worker that is least ahead, of equals the first. */
    private long option(int worker) {
        return next[worker] << 16 | worker;
    }

    /** The least ahead of a key's n candidates, or of four of them from a random one on. n is a power of two. */
    private long leastAhead(long hash, int n) {
        int from = n > TRIES ? (int) draw() : 0;
        long best = Math.min(candidate(hash, from & n - 1), candidate(hash, from + 1 & n - 1));
        if (n >= TRIES) {
            best = Math.min(best, Math.min(candidate(hash, from + 2 & n - 1), candidate(hash, from + 3 & n - 1)));
        }
        return best;
    }

    /** The j-th worker that a key overflows to. */
    private long candidate(long hash, int j) {
        long z = hash + (j + 1) * Bits.MIX;
        z = (z ^ z >>> 32) * CANDIDATE_MIX;
        return option((int) ((z >>> 32) * next.length >>> 32));
    }

    /** 32 random bits. */
    private long draw() {
        random = random * 6364136223846793005L + 1442695040888963407L;
        return random >>> 32;
    }
}
