package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** BestTree and WeightTree against scans. */
class ArmTreesTest {
    @Test
    void bestTreeEqualsAScan() {
        BestTree tree = new BestTree(); // one for all, as it is reused for other keys
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            double[] values = new double[1 + random.nextInt(20)];
            int first = random.nextInt(values.length + 1) - 1;
            tree.reset(values, values.length, first);
            for (int step = 0; step < 60; step++) {
                int arm = random.nextInt(values.length);
                values[arm] = random.nextInt(5);
                tree.update(values, arm);
                int want = Math.max(first, 0);
                for (int i = 0; i < values.length; i++) {
                    want = values[i] > values[want] ? i : want;
                }
                String of = ", from " + first + " of " + Arrays.toString(values);
                assertEquals(want, tree.best(), "seed " + seed + of);
            }
        }
    }

    @Test
    void weightTreeDrawsByWeight() {
        double[][] cases = {
            {1}, {0, 0, 5}, {1, 2, 3, 4, 5, 6, 7}, {1e-300, 1, 0, 1e-300, 2}, {3, 0, 0, 0},
        };
        WeightTree tree = new WeightTree();
        for (double[] weights : cases) {
            String of = " of " + Arrays.toString(weights);
            tree.reset(weights.length);
            for (int i = 0; i < weights.length; i++) {
                tree.set(i, weights[i]);
            }
            double sum = Arrays.stream(weights).sum();
            double at = 0; // laid end to end, arm i reaches from here to here + its share
            for (int i = 0; i < weights.length; i++) {
                double share = weights[i] / sum;
                if (share < 1e-9) {
                    continue;
                }
                for (double part : new double[] {0.001, 0.5, 0.999}) {
                    assertEquals(i, tree.draw(at + part * share), "at " + (at + part * share) + of);
                }
                at += share;
            }
            assertTrue(weights[tree.draw(Math.nextDown(1.0))] > 0, "the last one drawn has no weight" + of);
        }
    }
}
