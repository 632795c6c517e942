package io.github.saspart.flink.routing;

/** A key that {@link Ranks} tracks, and the arms that {@link DaltonOfflineRouter} has for it. */
final class RankedKey {
    static final int[] NONE = {};

    final long hash;
    final int number; // in Ranks
    double share; // smoothed, of the records
    double stretch; // of the line of P workers, when the mask was made

    boolean hot;
    long mixed = -1; // its workers changed: to be merged up to this slide
    int[] allowed = NONE; // its workers, none if it is hot but not truly

    private double[] q; // by worker; what is learned outlives a change of workers
    private double[] arms; // q of the allowed workers
    private final BestTree best = new BestTree(); // of arms
    private final double temperature; // 0 for argmax
    private final WeightTree soft; // exp((arm-shift)/temperature); null for argmax
    private double shift;

    RankedKey(long hash, int number, double share, double temperature) {
        this.hash = hash;
        this.number = number;
        this.share = share;
        this.temperature = temperature;
        soft = temperature > 0 ? new WeightTree() : null;
    }

    /** Lets the key use these of all workers. */
    void allow(int[] allowed, int workers) {
        this.allowed = allowed;
        if (allowed.length == 0) {
            return;
        }
        if (q == null) {
            q = new double[workers];
        }
        arms = new double[allowed.length];
        for (int i = 0; i < allowed.length; i++) {
            arms[i] = q[allowed[i]];
        }
        best.reset(arms, arms.length, -1);
        if (soft != null) {
            weigh();
        }
    }

    /** The arm to exploit: drawn from the softmax, or at temperature 0 the arm with the greatest Q. */
    int exploit(Pcg random) {
        return soft == null ? best.best() : soft.draw(random.nextDouble());
    }

    /** Moves the Q of an arm towards a reward. */
    void learn(int arm, double reward, double rate) {
        int w = allowed[arm];
        double value = (1 - rate) * q[w] + rate * reward;
        q[w] = value;
        arms[arm] = value;
        best.update(arms, arm);
        if (soft == null) {
            return;
        }
        // The weights are relative to a shift that trails the best Q, lest they all leave the range
        // of a double.
        if (Math.abs(arms[best.best()] - shift) > 200 * temperature) {
            weigh();
        } else {
            soft.set(arm, weight(value));
        }
    }

    /** Sets the softmax weights of all arms. */
    private void weigh() {
        shift = arms[best.best()];
        soft.reset(arms.length);
        for (int i = 0; i < arms.length; i++) {
            soft.set(i, weight(arms[i]));
        }
    }

    // StrictMath gives the same on every machine. Go's math.Exp on amd64 differs from it by a unit or
    // two in the last place for every sixth argument. A draw then differs about once in 10^14 records.
    private double weight(double value) {
        return StrictMath.exp((value - shift) / temperature);
    }
}
