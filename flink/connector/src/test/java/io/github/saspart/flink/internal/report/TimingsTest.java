package io.github.saspart.flink.internal.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.KeyTime;
import io.github.saspart.v1.Times;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TimingsTest {
    private static final int SLOTS = 256;

    /** A message has the sums over all records, by slot and of the keys that took longest, one after the other. */
    @Test
    void sumsAreThoseOfTheRecords() {
        Random random = new Random(1);
        Timings timings = new Timings(SLOTS, 1);
        long[] hashes = random.longs(300).toArray();
        hashes[0] = 0;
        for (int window = 0; window < 20; window++) {
            Map<Long, long[]> keys = new HashMap<>();
            TreeMap<Integer, long[]> slots = new TreeMap<>();
            long total = 0;
            int n = random.nextInt(3) == 0 ? random.nextInt(20) : random.nextInt(2000);
            for (int i = 0; i < n; i++) {
                long hash = hashes[random.nextInt(1 + random.nextInt(hashes.length))];
                long took = 1 + random.nextInt(1000);
                timings.add(hash, took);
                total += took;
                add(keys.computeIfAbsent(hash, h -> new long[2]), took);
                add(slots.computeIfAbsent(Route.slotOf(hash, SLOTS), s -> new long[2]), took);
            }
            Times got = timings.take();
            if (n == 0) {
                assertNull(got);
                continue;
            }
            assertEquals(n, got.getRecords());
            assertEquals(total, got.getTotalNs());
            int at = 0;
            for (int i = 0; i < got.getSlotsCount(); i++, at++) {
                at += got.getSlots(i);
                long[] want = slots.remove(at);
                assertEquals(want[0], got.getSlotRecords(i));
                assertEquals(want[1], got.getSlotTotalNs(i));
            }
            assertTrue(slots.isEmpty(), "slots are missing");
            assertEquals(Math.min(32, keys.size()), got.getKeysCount());
            long least = Long.MAX_VALUE;
            for (int i = 0; i < got.getKeysCount(); i++) {
                KeyTime k = got.getKeys(i);
                assertTrue(i == 0 || Long.compareUnsigned(got.getKeys(i - 1).getHash(), k.getHash()) < 0, "out of order");
                long[] want = keys.remove(k.getHash());
                assertEquals(want[0], k.getRecords());
                assertEquals(want[1], k.getTotalNs());
                least = Math.min(least, want[1]);
            }
            long most = keys.values().stream().mapToLong(k -> k[1]).max().orElse(0);
            assertTrue(most <= least, "a key that took " + most + " ns is not listed, one of " + least + " is");
        }
        assertNull(timings.take());
    }

    private static void add(long[] sum, long took) {
        sum[0]++;
        sum[1] += took;
    }

    /** The scatter is of the records of a key, not of the keys. */
    @ParameterizedTest
    @ValueSource(doubles = {0, 0.1, 0.5, 1})
    void scatter(double deviation) {
        Random random = new Random(2);
        Timings timings = new Timings(SLOTS, 1);
        long[] hashes = random.longs(200).toArray();
        for (int i = 0; i < 100_000; i++) {
            int key = (int) (hashes.length * Math.pow(random.nextDouble(), 3));
            // Gamma distributed, as the mean of as many exponential times as make the deviation.
            int n = deviation == 0 ? 0 : (int) Math.round(1 / (deviation * deviation));
            double factor = n == 0 ? 1 : 0;
            for (int j = 0; j < n; j++) {
                factor -= Math.log(1 - random.nextDouble()) / n;
            }
            timings.add(hashes[key], 100 * (1 + key % 7) * factor);
        }
        // Slots with several keys of different cost add some scatter, as in Go.
        double scatter = timings.take().getScatter();
        assertTrue(
                scatter >= 0.9 * deviation * deviation && scatter < deviation * deviation * 1.2 + 0.1,
                "scatter " + scatter + " of deviation " + deviation);
    }

    /** About one record in 32 is timed, at irregular distances. */
    @Test
    void recordsAreSampled() {
        Timings timings = new Timings(SLOTS, 3);
        Map<Integer, Integer> gaps = new HashMap<>();
        int timed = 0;
        int last = 0;
        for (int i = 0; i < 320_000; i++) {
            if (timings.due()) {
                timings.end(7, timings.begin());
                gaps.merge(i - last, 1, Integer::sum);
                last = i;
                timed++;
            }
        }
        assertTrue(timed > 9_500 && timed < 10_500, timed + " are timed");
        assertTrue(gaps.size() > 50 && Collections.max(gaps.values()) < 400, "gaps " + gaps);
        Times times = timings.take();
        assertEquals(timed, times.getRecords());
        assertEquals(1, times.getKeysCount());
    }

    /** A time that is much longer than the others counts as a few of them. */
    @Test
    void outliersAreCut() {
        Timings timings = new Timings(SLOTS, 4);
        for (int i = 0; i < 1000; i++) {
            timings.end(1, System.nanoTime() - 10_000);
        }
        timings.end(2, System.nanoTime() - 1_000_000_000L);
        Times times = timings.take();
        long cut = times.getKeysList().stream().filter(k -> k.getHash() == 2).mapToLong(KeyTime::getTotalNs).sum();
        assertTrue(cut < 64 * 50_000L, cut + " ns");
    }
}
