package io.github.saspart.flink.routing;

import java.util.Arrays;
import java.util.function.LongPredicate;

/**
 * Keeps every worker within its capacity, record by record, however well the route fits. The Go package
 * partition/table has the same rule, with its reasons and sources; docs/algorithms.md describes it.
 *
 * <p>Each worker has a virtual clock, which a record sent to it moves forward by a unit over the worker's
 * capacity. The subtask's own clock moves with every record by what workers that are never idle would do
 * meanwhile. The difference is how far the worker is ahead. A record that puts its worker beyond the bound is
 * late. It overflows to another worker: at once if its key is split, else when the worker is further ahead than
 * the key has patience. It goes to the least ahead of some candidates, which are drawn from the key's hash. Has
 * one owner, and allocates nothing per record.
 */
final class Bounds {
    private static final int UNIT = 1 << 12; // how far a record moves the subtask's clock
    private static final double SLOWEST = 1.0 / 1024; // the least capacity that makes a difference, as a part of the mean
    private static final int FLOOR = 2; // records that a worker may be ahead by, besides the bound
    private static final long FAR = 1L << 45; // how far a worker can be ahead or behind
    private static final long FURTHEST = 1 << 30; // how far a record moves a worker's clock, at most

    private static final double HEADROOM = 1.1; // by how much busier workers are taken to be than they were
    private static final double IDLEST = 0.5; // the least that they are taken to be busy
    private static final double RELAPSE = 8; // windows in which a higher load is forgotten
    private static final double LEISURE = 0.125; // the part of time for which workers are idle, from which on the bound is tightest
    private static final double TIGHTEST = 0.2; // the tightest bound, as a part of the one that is set
    private static final double LEAST_AWAY = 1.4; // the least bound, in records of the mean worker

    private static final int SUSPECTS = 1 << 8; // counters
    private static final int SUSPECT_SHIFT = 64 - 16; // from a mixed hash to its two counters
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
    private long pace; // how far a record moves it
    private double load; // the part of time for which workers are busy, of the busiest of the latest windows
    private long sent; // records sent in this slide
    private long perSlide; // records sent in a slide, smoothed; 0: unknown, and nothing is bounded

    private long bound; // how far a worker may be ahead
    private long credit; // how far it may be behind when a record overflows to it
    private long lag; // how far it may be behind when a record is sent where the route says: the more, the less time workers have
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

    /** Computes the pace from the load, and the bound from the load and the records of a slide. */
    private void measure() {
        double busy = load > 0 ? Math.min(Math.max(load * HEADROOM, IDLEST), 1) : 1;
        pace = (long) (UNIT / busy);
        double idle = Math.min((1 - busy) / LEISURE, 1);
        bound = within(
                Math.max(config.bound * Math.max(TIGHTEST, 1 - idle) * perSlide, LEAST_AWAY * env.workers) * UNIT);
        credit = within(config.credit * bound);
        lag = within(Math.max(credit, 1) / idle);
        for (int n = 0; n < patience.length; n++) {
            patience[n] = Math.max(
                    bound, within(config.patience * bound * SUSPECT_FROM / Math.max(n, SUSPECT_FROM)));
        }
    }

    /** Rounds towards 0, and keeps how far a worker is ahead or behind within FAR. */
    private static long within(double v) {
        return (long) Math.min(Math.max(v, -FAR), FAR);
    }

    /**
     * Learns the part of time for which workers were busy. A higher load counts at once, a lower one by and by,
     * so that a job that is idle for a moment stays protected.
     */
    private void follow(double now) {
        double told = now > 0 && now < 1 ? now : 1;
        load = Math.max(told, load - (load - told) / RELAPSE);
        measure();
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
        follow(capacities.load());
        double least = SLOWEST / env.workers;
        for (int w = 0; w < next.length; w++) {
            long ahead = next[w] + FLOOR * step[w] - now;
            long before = step[w];
            step[w] = Math.min(within(UNIT / Math.max(capacities.of(w), least)), FURTHEST);
            if (capacities.hasWaiting()) {
                ahead = within(capacities.waiting(w) / env.subtasks * step[w]);
            } else if (before > 0) { // by as many records as before
                ahead = within((double) ahead * step[w] / before);
            }
            next[w] = now + ahead - FLOOR * step[w];
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
        sent++;
        if (next == null || perSlide == 0) {
            return destination;
        }
        now += pace;
        int worker = Router.worker(destination);
        next[worker] = Math.max(next[worker], now - lag) + step[worker];
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

    /** Counts a late record of a key; the key's counter, which may be another key's if both it could have are. */
    private int suspect(long hash) {
        int at = (int) (hash * Bits.MIX >>> SUSPECT_SHIFT);
        int s = at % SUSPECTS;
        int second = at / SUSPECTS;
        if (suspects[s] != hash && (suspects[second] == hash || counts[second] < counts[s])) {
            s = second;
        }
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
