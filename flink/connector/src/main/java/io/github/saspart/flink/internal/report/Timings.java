package io.github.saspart.flink.internal.report;

import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.KeyTime;
import io.github.saspart.v1.Times;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * How long a worker takes for records, by key and hash slot. It times about one record in 32, or is told the
 * time of each. The gaps between timed records are random, since records of a key can come at regular
 * distances. Has one owner, and allocates nothing per record once its table has grown.
 */
public final class Timings {
    /** The mean number of records from one that is timed to the next. */
    private static final int SAMPLED = 32;

    /** Keys that are listed at most: the others are known by their slots. */
    private static final int LISTED = 32;

    /**
     * No time counts more than this many times the mean, so that a thread that loses its core while it times a
     * record does not make a key look expensive for several windows.
     */
    private static final double LONGEST = 64;

    private static final double MEAN_FADE = 1.0 / 256; // per timed record

    private static final long MIX = 0x9e3779b97f4a7c15L;

    private final int slots;
    private final SplittableRandom random;
    private final long clock; // ns between two readings of the clock with nothing between them
    private int gap;
    private double mean;

    // By key, in open addressing; a cell with no records is free.
    private long[] hashes = new long[64];
    private long[] records = new long[64];
    private double[] nanos = new double[64];
    private int size;
    private double squares; // of all times

    /**
     * Times the records of one worker.
     *
     * @param slots a power of two
     * @param seed of the gaps
     */
    public Timings(int slots, long seed) {
        this.slots = slots;
        random = new SplittableRandom(seed);
        long least = Long.MAX_VALUE;
        for (int i = 0; i < 64; i++) {
            long began = System.nanoTime();
            least = Math.min(least, System.nanoTime() - began);
        }
        clock = least;
    }

    /** Whether the next record is to be timed. */
    public boolean due() {
        return --gap < 0;
    }

    /** Starts timing a record, and returns when. */
    public long begin() {
        gap = random.nextInt(2 * SAMPLED - 1);
        return System.nanoTime();
    }

    /** Ends timing a record of a key. */
    public void end(long hash, long began) {
        double took = Math.max(System.nanoTime() - began - clock, 1);
        if (mean == 0) {
            mean = took;
        }
        took = Math.min(took, LONGEST * mean);
        mean += MEAN_FADE * (took - mean);
        add(hash, took);
    }

    /** Says how long a record of a key took, ns. */
    public void add(long hash, double took) {
        int at = cell(hash);
        if (records[at] == 0) {
            if (2 * (size + 1) > hashes.length) {
                grow();
                at = cell(hash);
            }
            hashes[at] = hash;
            size++;
        }
        records[at]++;
        nanos[at] += took;
        squares += took * took;
    }

    /** The message of what was timed since the last call; null if nothing was. */
    public Times take() {
        if (size == 0) {
            return null;
        }
        List<Integer> cells = IntStream.range(0, hashes.length)
                .filter(at -> records[at] > 0)
                .boxed()
                .sorted((a, b) -> Long.compareUnsigned(hashes[a], hashes[b]))
                .collect(Collectors.toList()); // by hash, and so by slot
        Spread spread = new Spread();
        Times.Builder times = Times.newBuilder();
        boolean[] listed = new boolean[hashes.length];
        cells.stream()
                .sorted(Comparator.comparingDouble(at -> -nanos[at]))
                .limit(LISTED)
                .sorted((a, b) -> Long.compareUnsigned(hashes[a], hashes[b]))
                .forEach(at -> {
                    listed[at] = true;
                    spread.add(records[at], nanos[at]);
                    times.addKeys(KeyTime.newBuilder().setHash(hashes[at]).setRecords(records[at]).setTotalNs(Math.round(nanos[at])));
                });
        long all = 0;
        double total = 0;
        int next = 0;
        for (int i = 0; i < cells.size(); ) {
            int slot = Route.slotOf(hashes[cells.get(i)], slots);
            long n = 0;
            double sum = 0;
            long others = 0; // records of keys that are not listed
            double theirs = 0;
            for (; i < cells.size() && Route.slotOf(hashes[cells.get(i)], slots) == slot; i++) {
                int at = cells.get(i);
                n += records[at];
                sum += nanos[at];
                others += listed[at] ? 0 : records[at];
                theirs += listed[at] ? 0 : nanos[at];
            }
            times.addSlots(slot - next).addSlotRecords(n).addSlotTotalNs(Math.round(sum));
            next = slot + 1;
            spread.add(others, theirs);
            all += n;
            total += sum;
        }
        times.setRecords(all).setTotalNs(Math.round(total)).setScatter(spread.scatter(squares));
        Arrays.fill(records, 0);
        Arrays.fill(nanos, 0);
        size = 0;
        squares = 0;
        return times.build();
    }

    /**
     * Estimates the scatter of times within groups of records. With v the scatter and m the mean time of a group
     * of n records, the expected sum of squared times is (1+v) sum(n m²), and that of total²/n is sum((n+v) m²).
     */
    private static final class Spread {
        private double between;
        private double means;

        void add(long n, double total) {
            if (n > 0) {
                between += total * total / n;
                means += total / n * (total / n);
            }
        }

        double scatter(double squares) {
            double within = squares - between;
            double free = between - means;
            // A difference of rounding errors is no scatter.
            return within < 1e-9 * squares || free <= 0 ? 0 : within / free;
        }
    }

    /** Where a hash is, or could be put. */
    private int cell(long hash) {
        int at = (int) (hash * MIX >>> 32) & hashes.length - 1;
        while (records[at] != 0 && hashes[at] != hash) {
            at = at + 1 & hashes.length - 1;
        }
        return at;
    }

    private void grow() {
        long[] hashesBefore = hashes;
        long[] recordsBefore = records;
        double[] nanosBefore = nanos;
        hashes = new long[2 * hashesBefore.length];
        records = new long[hashes.length];
        nanos = new double[hashes.length];
        for (int i = 0; i < hashesBefore.length; i++) {
            if (recordsBefore[i] > 0) {
                int at = cell(hashesBefore[i]);
                hashes[at] = hashesBefore[i];
                records[at] = recordsBefore[i];
                nanos[at] = nanosBefore[i];
            }
        }
    }
}
