package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class CountMinTest {
    @Test
    void isNeverTooLowAndSeldomFarTooHigh() {
        CountMin sketch = new CountMin(0.05, 0.9);
        Random random = new Random(3);
        Map<Long, Integer> naive = new HashMap<>();
        int records = 20_000;
        for (int i = 0; i < records; i++) {
            long hash = (long) (-Math.log(1 - random.nextDouble()) * 30);
            int count = naive.merge(hash, 1, Integer::sum);
            assertTrue(sketch.inc(hash) >= count, "key " + hash + " is counted too low");
        }
        long over = naive.entrySet().stream()
                .filter(e -> sketch.inc(e.getKey()) > e.getValue() + 1 + records / 20)
                .count();
        assertTrue(over <= naive.size() / 10, over + " of " + naive.size() + " are over by more than epsilon");
        sketch.clear();
        assertEquals(1, sketch.inc(1), "after clearing and one record");
    }

    @Test
    void hasAsManyRowsAsTheConfidenceNeeds() {
        double[][] cases = {
            {0, 1}, // no confidence at all is still a row
            {0.5, 1}, // a half: 2^-1
            {0.6, 2}, // 0.4 is above 2^-2
            {0.75, 2}, // exactly 2^-2
            {0.9, 4}, // 0.1 is above 2^-4
            {0.999999, 20}, // 1e-6 is above 2^-20
        };
        for (double[] c : cases) {
            assertEquals((int) c[1], CountMin.rows(c[0]), "confidence " + c[0]);
        }
    }
}
