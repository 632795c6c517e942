package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

class HotMaskTest {
    /** The ten heaviest of 10,000 keys with Zipf exponent 1.5. */
    private static double[] zipf() {
        double[] weights = new double[10];
        for (int i = 0; i < weights.length; i++) {
            weights[i] = Math.pow(i + 1, -1.5);
        }
        return weights;
    }

    @Test
    void isTheReferencesMaskFor64Workers() {
        int[][] ends = {
            {0, 32}, {32, 43}, {43, 49}, {49, 53}, {53, 56}, {56, 58}, {58, 60}, {60, 61}, {61, 62}, {62, 63},
        };
        int[][] mask = HotMask.allowed(zipf(), 64, 0, 0, false);
        assertEquals(ends.length, mask.length);
        for (int i = 0; i < ends.length; i++) {
            int[] got = {mask[i][0], mask[i][mask[i].length - 1]};
            assertArrayEquals(ends[i], got, "key " + i);
        }
    }

    @Test
    void findsTheTrueHotKeys() {
        check("4*0.1 is the first at or below its cumulative sum", 2, new double[] {0.5, 0.4, 0.1}, 4, false);
        check("the scale does not matter", 2, new double[] {5, 4, 1}, 4, false);
        check("one worker, nothing to split", 0, new double[] {0.5, 0.5}, 1, false);
        check("every key is heavy: all of them", 10, zipf(), 64, false);
        check("the published code answers 0 there", 0, zipf(), 64, true);
        check("no keys", 0, new double[] {}, 8, false);
    }

    private static void check(String why, int want, double[] weights, int workers, boolean published) {
        assertEquals(want, HotMask.trueHot(weights, workers, published), why);
    }

    @Test
    void followsItsOptions() {
        check("two equal keys halve the line", new int[][] {{0, 1}, {2, 3}}, new double[] {1, 1}, 4, 0, 2);
        check("the boundary at 1.5 makes them share", new int[][] {{0, 1}, {1, 2}}, new double[] {1, 1}, 3, 0, 2);
        check("a spread key has every worker", new int[][] {{0, 1}, {0}, {1}}, new double[] {8, 1, 1}, 2, 1, 3);
        check("a key without weight has a worker", new int[][] {{0, 1}, {1}}, new double[] {1, 0}, 2, 0, 2);
        check("no more true hot keys than keys", new int[][] {{0, 1}}, new double[] {1}, 2, 0, 5);
    }

    private static void check(String why, int[][] want, double[] weights, int workers, int spread, int trueHot) {
        int[][] got = HotMask.allowed(weights, workers, spread, trueHot, false);
        assertTrue(Arrays.deepEquals(want, got), why + ": " + Arrays.deepToString(got));
    }

    @Test
    void coversAllWorkersInOrder() {
        for (int seed = 0; seed < 500; seed++) {
            Random random = new Random(seed);
            int workers = 1 + random.nextInt(40);
            double[] weights = new double[1 + random.nextInt(20)];
            for (int i = 0; i < weights.length; i++) {
                weights[weights.length - 1 - i] = (i == 0 ? 0 : weights[weights.length - i]) + random.nextDouble();
            }
            int[][] mask = HotMask.allowed(weights, workers, 0, weights.length, false);
            int pairs = 0;
            int last = 0;
            for (int[] allowed : mask) {
                assertTrue(allowed.length > 0 && allowed[0] >= last - 1, "seed " + seed);
                last = allowed[allowed.length - 1] + 1;
                pairs += allowed.length;
            }
            assertEquals(workers, last, "seed " + seed);
            assertTrue(pairs <= workers + weights.length, "seed " + seed + ": " + pairs + " pairs");
        }
    }
}
