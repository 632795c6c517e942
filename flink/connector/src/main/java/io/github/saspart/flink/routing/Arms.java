package io.github.saspart.flink.routing;

import java.util.Arrays;

/** What {@link DaltonRouter} has learned of a hot key. */
final class Arms {
    final double[] q; // by worker
    final int[] updates; // of q, by worker, unsigned: how far it has moved since it was shared
    final BestTree best = new BestTree(); // of q
    long hash; // of the key
    long term; // of the hot key that it belongs to
    int capped = -1; // the stage in which the key reached maxSplit, -1 none

    Arms(int workers) {
        q = new double[workers];
        updates = new int[workers];
    }

    /** Starts over for a key that has become hot; of equal Q its home comes first. */
    void begin(KnownKey k, double initial) {
        hash = k.hash;
        term = k.term;
        Arrays.fill(q, initial);
        Arrays.fill(updates, 0);
        best.reset(q, q.length, k.home);
    }

    /** Moves Q towards a reward. */
    void learn(int worker, double reward, double rate) {
        q[worker] = (1 - rate) * q[worker] + rate * reward;
        updates[worker]++;
        best.update(q, worker);
    }
}
