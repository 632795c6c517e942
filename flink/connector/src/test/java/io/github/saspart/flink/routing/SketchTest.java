package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@link SpaceSaving} and {@link Least} against the obvious way to do what they do. */
class SketchTest {
    /** A counter of the obvious SpaceSaving, in a list that is searched from the front. */
    private static final class Counter {
        long hash;
        long count;
        long error;

        Counter(long hash) {
            this.hash = hash;
        }
    }

    private static void observe(List<Counter> counters, int m, long hash) {
        for (Counter c : counters) {
            if (c.hash == hash) {
                c.count++;
                return;
            }
        }
        if (counters.size() < m) {
            counters.add(new Counter(hash));
        } else {
            Counter least = counters.stream().min(Comparator.comparingLong(c -> c.count)).get();
            least.hash = hash;
            least.error = least.count;
        }
        counters.stream().filter(c -> c.hash == hash).forEach(c -> c.count++);
    }

    @Test
    void sketchEqualsItsNaiveTwinAndKeepsItsPromises() {
        Random random = new Random(1);
        for (int tried = 0; tried < Draw.TRIES; tried++) {
            int m = 1 + random.nextInt(30);
            SpaceSaving sketch = new SpaceSaving(m);
            for (int round = 0; round < 2; round++) { // the second after a reset
                List<Counter> naive = new ArrayList<>();
                Map<Long, Long> truth = new HashMap<>();
                int records = random.nextInt(400);
                for (int i = 0; i < records; i++) {
                    long hash = Draw.hash(random);
                    truth.merge(hash, 1L, Long::sum);
                    observe(naive, m, hash);
                    sketch.count(hash);
                }
                check(sketch, naive, truth, records);
                sketch.reset();
                assertEquals(0, sketch.total() + sketch.size() + sketch.top(9).length);
            }
        }
    }

    private static void check(SpaceSaving sketch, List<Counter> naive, Map<Long, Long> truth, int records) {
        assertEquals(records, sketch.total());
        assertEquals(naive.size(), sketch.size());
        naive.sort((a, b) -> a.count != b.count
                ? Long.compare(b.count, a.count) : Long.compareUnsigned(a.hash, b.hash));
        SpaceSaving.HotKey[] top = sketch.top(naive.size() + 1);
        assertEquals(naive.size(), top.length);
        for (int i = 0; i < top.length; i++) {
            Counter want = naive.get(i);
            assertEquals(want.hash, top[i].hash);
            assertEquals(want.count, top[i].count);
            assertEquals(want.error, top[i].error);
            assertEquals(want.count, sketch.estimate(want.hash));
            long exact = truth.get(want.hash);
            assertTrue(top[i].count >= exact && exact >= top[i].count - top[i].error);
        }
        for (Map.Entry<Long, Long> key : truth.entrySet()) {
            assertTrue(sketch.estimate(key.getKey()) > 0 || key.getValue() <= sketch.floor());
        }
        assertEquals(Math.min(2, top.length), sketch.top(2).length);
        assertEquals(0, sketch.top(-1).length);
    }

    @Test
    void leastFindsWhatAScanFinds() {
        Random random = new Random(2);
        for (int tried = 0; tried < Draw.TRIES; tried++) {
            long[] counts = new long[1 + random.nextInt(20)];
            Least least = new Least();
            for (int i = 0; i < 300; i++) {
                int scanned = 0;
                for (int j = 1; j < counts.length; j++) {
                    scanned = counts[j] < counts[scanned] ? j : scanned;
                }
                assertEquals(scanned, least.find(counts));
                counts[random.nextBoolean() ? scanned : random.nextInt(counts.length)] += 1 + random.nextInt(3);
            }
        }
    }
}
