package io.github.saspart.flink.internal.report;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** {@link HeavyKeys} against counting all keys, and against its rule written plainly. */
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
        List<HeavyKeys.Key> top = keys.top(Integer.MAX_VALUE);
        assertEquals(keys.size(), top.size());
        Set<Long> counted = new HashSet<>();
        long before = Long.MAX_VALUE;
        for (HeavyKeys.Key k : top) {
            long count = truth.get(k.hash);
            assertTrue(counted.add(k.hash), "a key has one counter");
            assertTrue(count <= k.count && count >= k.count - k.error, "key " + k.hash);
            assertArrayEquals(name(k.hash), k.name);
            assertTrue(k.count <= before, "the heaviest come first");
            before = k.count;
        }
        truth.forEach((hash, count) ->
                assertTrue(counted.contains(hash) || count <= keys.floor(), "key " + hash + " has no counter"));
        assertEquals(
                top.stream().limit(3).map(k -> k.hash).collect(Collectors.toList()),
                keys.top(3).stream().map(k -> k.hash).collect(Collectors.toList()));
    }

    @Test
    void countsExactlyWhatFits() {
        HeavyKeys keys = new HeavyKeys(64);
        for (int i = 0; i < 64 * 10; i++) {
            keys.see(i % 64, name(i % 64), name(i % 64).length);
        }
        assertEquals(64, keys.size());
        for (HeavyKeys.Key k : keys.top(64)) {
            assertEquals(10, k.count);
            assertEquals(0, k.error);
        }
        assertEquals(0, keys.floor());
    }

    /** A key that comes late, after a flood of others, is found with the error that it must be given at most. */
    @Test
    void findsWhatComesLate() {
        HeavyKeys keys = new HeavyKeys(64);
        Random random = new Random(2);
        for (int i = 0; i < 20_000; i++) {
            long hash = random.nextLong();
            keys.see(hash, name(hash), name(hash).length);
        }
        int heavy = 2_000;
        for (int i = 0; i < heavy; i++) {
            keys.see(7, name(7), name(7).length);
        }
        HeavyKeys.Key first = keys.top(1).get(0);
        assertEquals(7, first.hash);
        assertArrayEquals(name(7), first.name);
        assertTrue(first.count >= heavy && first.count - first.error <= heavy, first.count + " - " + first.error);
        assertTrue(first.error <= 2 * (20_000 + heavy) / 64, "its error is " + first.error);
    }

    @Test
    void equalsItsPlainTwin() {
        Random random = new Random(3);
        int filtered = 0;
        for (int tried = 0; tried < 200; tried++) {
            int counters = 2 << random.nextInt(7);
            HeavyKeys keys = new HeavyKeys(counters);
            int distinct = 1 + random.nextInt(8 * counters);
            double skew = 1 + 4 * random.nextDouble();
            for (int round = 0; round < 2; round++) { // the second after a reset
                Twin twin = new Twin(counters, keys);
                long seed = random.nextLong();
                for (int i = random.nextInt(4000); i > 0; i--) {
                    long rank = (long) (Math.pow(random.nextDouble(), skew) * distinct);
                    long hash = (rank ^ seed) * 0x9ddfea08eb382d69L;
                    keys.see(hash, name(hash), name(hash).length);
                    twin.see(hash);
                    assertEquals(twin.floor, keys.floor());
                }
                Map<Long, List<Long>> counted = keys.top(Integer.MAX_VALUE).stream()
                        .collect(Collectors.toMap(k -> k.hash, k -> List.of(k.count, k.error)));
                assertEquals(twin.counted(), counted);
                filtered += twin.filtered;
                keys.reset();
            }
        }
        assertTrue(filtered > 10_000, "records of keys that were given no counter: " + filtered);
    }

    /** The rule, in maps. */
    private static final class Twin {
        private final int most;
        private final HeavyKeys keys; // says only which hashes begin alike
        private final Map<Long, Long> counts = new HashMap<>();
        private final Map<Long, Long> errors = new HashMap<>();
        private final Map<Integer, Long> passed = new HashMap<>();
        private long floor;
        private int filtered;

        Twin(int most, HeavyKeys keys) {
            this.most = most;
            this.keys = keys;
        }

        void see(long hash) {
            if (counts.containsKey(hash)) {
                counts.merge(hash, 1L, Long::sum);
                return;
            }
            if (passed.getOrDefault(keys.home(hash), 0L) >= floor && counts.size() == most) {
                makeRoom();
            }
            if (passed.getOrDefault(keys.home(hash), 0L) < floor) {
                passed.merge(keys.home(hash), 1L, Long::sum);
                filtered++;
                return;
            }
            counts.put(hash, floor + 1);
            errors.put(hash, floor);
        }

        private void makeRoom() {
            long[] sorted = counts.values().stream().mapToLong(n -> n).sorted().toArray();
            floor = sorted[(sorted.length - 1) / 2];
            counts.entrySet().removeIf(e -> {
                if (e.getValue() > floor) {
                    return false;
                }
                passed.merge(keys.home(e.getKey()), e.getValue(), Math::max);
                return true;
            });
        }

        Map<Long, List<Long>> counted() {
            return counts.keySet().stream()
                    .collect(Collectors.toMap(hash -> hash, hash -> List.of(counts.get(hash), errors.get(hash))));
        }
    }
}
