package io.github.saspart.flink.routing;

/**
 * A tournament over the values of n arms: the best arm is known at once, and a changed value costs
 * O(log n) instead of a scan. Of equal arms it returns {@code first} (-1: none) if it is among them,
 * else the lowest index.
 */
final class BestTree {
    private static final int NONE = -1;

    private int[] winners = new int[2]; // heap-shaped; the leaves are base..base+n-1
    private int base = 1;
    private int first = NONE;

    /** Builds the tournament anew for the first n values, n at least 1. */
    void reset(double[] values, int n, int first) {
        this.first = first;
        base = leaves(n);
        if (winners.length < 2 * base) {
            winners = new int[2 * base];
        }
        for (int i = 0; i < base; i++) {
            winners[base + i] = i < n ? i : NONE;
        }
        for (int at = base - 1; at > 0; at--) {
            winners[at] = play(values, at);
        }
    }

    /** Takes note of a new value of the arm. */
    void update(double[] values, int arm) {
        for (int at = (base + arm) / 2; at > 0; at /= 2) {
            int was = winners[at];
            winners[at] = play(values, at);
            if (winners[at] == was && was != arm) {
                return; // nothing changes further up
            }
        }
    }

    /** The winner. */
    int best() {
        return winners[1];
    }

    /** The winner of the two below. Every arm on the left has a lower index than any on the right. */
    private int play(double[] values, int at) {
        int left = winners[2 * at];
        int right = winners[2 * at + 1];
        if (right < 0) {
            return left;
        }
        boolean leftWins =
                values[left] > values[right] || values[left] == values[right] && right != first;
        return leftWins ? left : right;
    }

    /** The smallest power of two that is at least n. */
    static int leaves(int n) {
        return n <= 1 ? 1 : Integer.highestOneBit(n - 1) << 1;
    }
}
