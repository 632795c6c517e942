package io.github.saspart.flink.routing;

/**
 * A tournament over the values of n arms: the best arm is known at once, and a changed value costs
 * O(log n) instead of a scan. It gives what the scan gives that starts at arm {@code first} (-1:
 * none) and then goes through all arms in order, moving on only for something greater: of equals
 * {@code first}, if it is one of them, else the one with the lowest index.
 */
final class BestTree {
    private int[] win = {}; // a heap-shaped tree; the leaves are base..base+n-1; -1 is nobody
    private int base;
    private int first;

    /** Builds the tournament anew for the first {@code arms} of these values. */
    void reset(double[] values, int arms, int first) {
        this.first = first;
        base = 1;
        while (base < arms) {
            base *= 2;
        }
        if (win.length < 2 * base) {
            win = new int[2 * base];
        }
        for (int i = 0; i < base; i++) {
            win[base + i] = i < arms ? i : -1;
        }
        for (int at = base - 1; at > 0; at--) {
            win[at] = play(values, at);
        }
    }

    /** Takes note of a new value of the arm. */
    void update(double[] values, int arm) {
        for (int at = (base + arm) / 2; at > 0; at /= 2) {
            int was = win[at];
            win[at] = play(values, at);
            if (win[at] == was && was != arm) {
                return; // nothing changes further up
            }
        }
    }

    /** The winner. */
    int best() {
        return win[1];
    }

    /** The winner of the two below. Every arm on the left has a lower index than any on the right. */
    private int play(double[] values, int at) {
        int left = win[2 * at];
        int right = win[2 * at + 1];
        if (right < 0) {
            return left;
        }
        boolean stays = left >= 0
                && (values[left] > values[right] || values[left] == values[right] && right != first);
        return stays ? left : right;
    }
}
