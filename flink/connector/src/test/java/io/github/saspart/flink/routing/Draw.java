package io.github.saspart.flink.routing;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/** Draws what property tests try; the same each time. */
final class Draw {
    /** How often a property is tried. */
    static final int TRIES = 200;

    private Draw() {}

    /** A hash out of some dozens that tables find hard: equal low, high or all but a few bits. */
    static long hash(Random random) {
        switch (random.nextInt(4)) {
            case 0:
                return random.nextInt(16);
            case 1:
                return (long) random.nextInt(16) << 60;
            case 2:
                return -1L - random.nextInt(16);
            default:
                return (random.nextInt(32) + 1) * 0x9ddfea08eb382d69L;
        }
    }

    /** {@code n} distinct workers of P, ascending. */
    static int[] workers(Random random, int n, int workers) {
        return random.ints(0, workers).distinct().limit(n).sorted().toArray();
    }

    /** {@code n} shares, some of them far apart. */
    static double[] shares(Random random, int n) {
        double[] shares = new double[n];
        Arrays.setAll(shares, i -> random.nextInt(4) == 0 ? 1e-3 : 0.1 + random.nextDouble());
        double sum = Arrays.stream(shares).sum();
        Arrays.setAll(shares, i -> shares[i] / sum);
        return shares;
    }

    /** A route with up to 20 keys of {@link #hash}. */
    static Route route(Random random, long version, int workers) {
        Map<Long, Route.Key> keys = new LinkedHashMap<>();
        for (int n = random.nextInt(20); n > 0; n--) {
            int size = 1 + (random.nextBoolean() ? random.nextInt(workers) : 0);
            long hash = hash(random);
            keys.put(hash, new Route.Key(hash, workers(random, size, workers), shares(random, size)));
        }
        int[] slots = new int[1 << 1 + random.nextInt(13)];
        Arrays.setAll(slots, i -> random.nextInt(workers));
        return new Route(version, workers, List.copyOf(keys.values()), slots);
    }

    /** {@code n} hashes of {@code keys} keys that are as heavy as their rank to the -exponent. */
    static long[] zipf(Random random, int n, int keys, double exponent) {
        double[] cumulated = new double[keys];
        double sum = 0;
        for (int i = 0; i < keys; i++) {
            sum += Math.pow(i + 1, -exponent);
            cumulated[i] = sum;
        }
        double all = sum;
        long[] hashes = new long[n];
        Arrays.setAll(hashes, i -> {
            int at = Arrays.binarySearch(cumulated, random.nextDouble() * all);
            return Hashing.mix(1 + Math.min(at < 0 ? -at - 1 : at, keys - 1));
        });
        return hashes;
    }

    /** A route that splits the two heaviest keys of {@link #zipf} and places the next sixty. */
    static Route threeTiers(Random random, int workers) {
        List<Route.Key> keys = new ArrayList<>();
        for (int rank = 0; rank < 62; rank++) {
            int size = rank < 2 ? Math.min(workers, 8) : 1;
            keys.add(new Route.Key(Hashing.mix(1 + rank), workers(random, size, workers), shares(random, size)));
        }
        int[] slots = new int[Route.slotCount(workers)];
        Arrays.setAll(slots, i -> i % workers);
        return new Route(1, workers, keys, slots);
    }
}
