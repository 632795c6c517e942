package io.github.saspart.flink.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** {@link HeavyKeys} against counting all keys. */
class HeavyKeysTest {
    private static byte[] name(long hash) {
        return Long.toHexString(hash).repeat(1 + (int) (hash & 3)).getBytes(StandardCharsets.UTF_8);
    }

    @Test
    void keepsItsPromisesWhateverTheStream() {
        Random random = new Random(1);
        int dropped = 0;
        for (int tried = 0; tried < 300; tried++) {
            int counters = 2 << random.nextInt(6);
            HeavyKeys keys = new HeavyKeys(counters);
            for (int round = 0; round < 2; round++) { // the second after a reset
                Map<Long, Long> truth = new HashMap<>();
                double skew = 0.3 + 3 * random.nextDouble();
                int records = random.nextInt(2000);
                for (int i = 1; i <= records; i++) {
                    long rank = (long) Math.pow(random.nextDouble() * 10, skew);
                    long hash = rank << (random.nextBoolean() ? 0 : 48); // many agree in one half
                    keys.see(hash, name(hash), name(hash).length);
                    truth.merge(hash, 1L, Long::sum);
                    if (i % 97 == 0 || i == records) {
                        check(keys, truth, i, counters);
                    }
                }
                dropped += keys.floor() > 0 ? 1 : 0;
                keys.reset();
                assertEquals(0, keys.size());
                assertEquals(0, keys.floor());
            }
        }
        assertTrue(dropped > 100, "streams that need more counters than there are: " + dropped);
    }

    private static void check(HeavyKeys keys, Map<Long, Long> truth, int records, int counters) {
        assertTrue(keys.floor() <= 2 * records / counters, keys.floor() + " after " + records + " of " + counters);
        int[] top = keys.top(Integer.MAX_VALUE);
        assertEquals(keys.size(), top.length);
        Set<Long> counted = new HashSet<>();
        for (int i = 0; i < top.length; i++) {
            int k = top[i];
            long hash = keys.hash(k);
            long count = truth.get(hash);
            assertTrue(counted.add(hash), "a key has one counter");
            assertTrue(count <= keys.count(k) && count >= keys.count(k) - keys.error(k), "key " + hash);
            assertArrayEquals(name(hash), keys.name(k));
            assertTrue(i == 0 || keys.count(top[i - 1]) >= keys.count(k), "the heaviest come first");
        }
        truth.forEach((hash, count) ->
                assertTrue(counted.contains(hash) || count <= keys.floor(), "key " + hash + " has no counter"));
        assertArrayEquals(Arrays.copyOf(top, Math.min(3, top.length)), keys.top(3));
    }

    @Test
    void countsExactlyWhatFits() {
        HeavyKeys keys = new HeavyKeys(64);
        for (int i = 0; i < 64 * 10; i++) {
            keys.see(i % 64, name(i % 64), name(i % 64).length);
        }
        for (int k : keys.top(64)) {
            assertEquals(10, keys.count(k));
            assertEquals(0, keys.error(k));
        }
        assertEquals(0, keys.floor());
    }
}
