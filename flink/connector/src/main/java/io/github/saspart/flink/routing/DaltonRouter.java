package io.github.saspart.flink.routing;

import java.util.Arrays;
import java.util.List;

/**
 * {@code dalton-original}: a contextual bandit per hot key (Zapridou, Mytilinis, Ailamaki: Dalton:
 * Learned partitioning for distributed data streams, PVLDB 2023), as in the Go module, where rule,
 * constants and deviations are written down.
 *
 * <p>Each hot key has a value Q[w] for every worker. A hot record goes to the worker with the
 * greatest Q, of equals to the key's home, else the first. With probability epsilon it explores a random
 * worker instead, or, once the key has reached maxSplit workers, a random one of its workers. The
 * reward, and with it Q, falls with the worker's load and the number of the key's workers. maxSplit
 * rises whenever enough of the hot keys have reached it. A key that stays cold for a slide forgets
 * its Q. Cold keys go by hash.
 */
class DaltonRouter implements Router, Sharer {
    private final Options.Dalton options;
    private final int workers;
    private final int merge;
    private final int subtask;
    private final boolean published;
    private final Pcg random;
    private final SlideLoads loads;
    private final HotKeys hot;
    private Arms[] arms = new Arms[0]; // by entry of hot

    private int maxSplit;
    private int stage; // counts the rises of maxSplit
    private int reached; // hot keys that have reached maxSplit

    DaltonRouter(Options options, Env env) {
        this.options = options.dalton;
        published = options.published;
        workers = env.workers;
        merge = workers == 1 ? 0 : MERGE;
        subtask = env.subtask;
        random = Pcg.of(env, "dalton");
        loads = new SlideLoads(workers, env.windowSlides);
        maxSplit = options.dalton.splitMin;
        hot = new HotKeys(workers, env.windowSlides, workers, 4 * workers + 64, published);
        if (options.dalton.sketchFrom > 0) {
            double error = options.dalton.sketchEpsilon;
            // Published: from P 20 on the error is above the threshold, so that every key is hot.
            error = published ? error : Math.min(error, 0.1 / workers);
            hot.sketchFrom(options.dalton.sketchFrom, new CountMin(error, options.dalton.sketchConfidence));
        }
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        KnownKey k = hot.see(hash);
        int w = Bits.mod(hash, workers);
        if (k == null) {
            loads.add(w);
            return w;
        }
        if (!hot.isHot(k)) {
            hot.mark(k, w);
            loads.add(w);
            return w | merge;
        }
        Arms a = armsOf(k);
        w = choose(a, k.at);
        hot.mark(k, w);
        loads.add(w);
        a.learn(w, reward(a, k, w), options.learningRate);
        return w | merge;
    }

    /** Picks a worker for a record of a hot key that has been at these workers. */
    private int choose(Arms a, WorkerSet at) {
        if (random.nextDouble() < 1 - options.epsilon) {
            return a.best.best();
        }
        if (a.capped == stage && at.size() > 0) {
            return at.pick(random.nextInt(at.size()));
        }
        return random.nextInt(workers);
    }

    /** Rates the worker that a record of the key was just sent to. */
    double reward(Arms a, KnownKey k, int w) {
        split(a, k.at.size());
        double load = loads.load[w];
        double mean = loads.total() / workers;
        double fragmentation = (double) k.at.size() / workers;
        double balance = options.balance;
        return -(balance * (load - mean) / Math.max(load, mean) + (1 - balance) * fragmentation);
    }

    /** Notes that a hot key is at n workers, and raises maxSplit if it is time. */
    private void split(Arms a, int n) {
        if (a.capped != stage && (n == maxSplit || n > maxSplit && !published)) {
            a.capped = stage;
            reached++;
        }
        if (maxSplit < options.splitMax && reached >= options.splitShare * hot.hot()) {
            maxSplit++;
            stage++;
            reached = 0;
        }
    }

    /** What is known of an entry, nothing yet if its key has become hot since. */
    private Arms armsOf(KnownKey k) {
        if (k.number >= arms.length) {
            grow();
        }
        Arms a = arms[k.number];
        if (a.term != k.term) {
            if (a.hash != k.hash || !published) {
                a.capped = -1;
            }
            a.begin(k, options.initial);
        }
        return a;
    }

    private void grow() {
        int from = arms.length;
        arms = Arrays.copyOf(arms, hot.entries());
        for (int i = from; i < arms.length; i++) {
            arms[i] = new Arms(workers);
        }
    }

    @Override
    public void endSlide(long slide) {
        for (int steps = hot.ahead(slide); steps > 0; steps--) {
            loads.endSlide();
        }
        hot.endSlide(slide);
        if (published) {
            return; // keys that went cold count on
        }
        reached = 0;
        for (int i = 0; i < arms.length; i++) {
            if (learning(i) && arms[i].capped == stage) {
                reached++;
            }
        }
    }

    /** Whether the entry's key is hot and has arms. */
    private boolean learning(int entry) {
        KnownKey k = hot.entry(entry);
        return k.live && hot.isHot(k) && arms[entry].term == k.term;
    }

    /** The P hot keys with the most records. */
    @Override
    public byte[] share() {
        DaltonShare share = new DaltonShare(options.initial);
        for (int i = 0; i < arms.length; i++) {
            KnownKey k = hot.entry(i);
            if (learning(i) && k.last + k.count > 0) {
                share.add(k, arms[i]);
            }
        }
        return share.encode(workers);
    }

    /**
     * The Q of every key shared becomes the average over the subtasks that share it, weighted with
     * their records of it, and a key that is hot for one is hot for all. Rewards that came in since
     * the share was taken are applied on top, in closed form: n updates of an arm since then have
     * turned a difference in Q into (1-a)^n of it.
     */
    @Override
    public void absorb(List<byte[]> shares) {
        DaltonShare own = new DaltonShare(options.initial);
        DaltonShare.Pool pool = new DaltonShare.Pool(workers);
        for (int i = 0; i < shares.size(); i++) {
            DaltonShare share = DaltonShare.decode(shares.get(i), workers);
            pool.add(share, hot.now());
            own = i == subtask ? share : own;
        }
        for (DaltonShare.Key key : pool.keys()) {
            absorb(key, own);
        }
    }

    /** Takes over the pooled values of one key; own is this subtask's part. */
    private void absorb(DaltonShare.Key pooled, DaltonShare own) {
        KnownKey k = hot.find(pooled.hash);
        if (k == null) {
            k = hot.admit(pooled.hash);
        }
        if (k == null) {
            return;
        }
        hot.heat(k, pooled.until);
        Arms a = armsOf(k);
        DaltonShare.Key mine = own.find(k.hash, k.term);
        for (int w = 0; w < workers; w++) {
            double mean = pooled.q[w] / pooled.weight;
            if (mine == null) {
                a.q[w] = mean;
            } else {
                long since = Integer.toUnsignedLong(a.updates[w] - mine.updates[w]);
                a.q[w] += power(1 - options.learningRate, since) * (mean - mine.q[w]);
            }
        }
        a.best.reset(a.q, workers, k.home);
    }

    /**
     * x^n by squaring, from the lowest bit of n on, as in Go's math.Pow. For x from 0 to 1 the results
     * are bit for bit the same, except for subnormal ones.
     */
    static double power(double x, long n) {
        double result = 1;
        for (double square = x; n != 0; n >>= 1, square *= square) {
            if ((n & 1) != 0) {
                result *= square;
            }
        }
        return result;
    }
}
