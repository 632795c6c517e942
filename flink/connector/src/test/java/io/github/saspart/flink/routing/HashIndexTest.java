package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

class HashIndexTest {
    @Test
    void equalsAMap() {
        for (int seed = 0; seed < 50; seed++) {
            Random random = new Random(seed);
            HashIndex index = new HashIndex();
            Map<Long, Integer> naive = new HashMap<>();
            for (int step = 0; step < 300; step++) {
                long hash = alike(random.nextInt(80));
                if (naive.remove(hash) != null || random.nextInt(4) == 0) {
                    index.remove(hash);
                } else {
                    index.put(hash, step);
                    naive.put(hash, step);
                }
                assertEquals(naive.size(), index.size());
                for (int i = 0; i < 80; i++) {
                    assertEquals(naive.getOrDefault(alike(i), -1), index.get(alike(i)), "key " + i + " of seed " + seed);
                }
            }
        }
    }

    /** Few hashes, some of which agree in many bits. */
    private static long alike(long i) {
        return i << i % 3 * 24;
    }
}
