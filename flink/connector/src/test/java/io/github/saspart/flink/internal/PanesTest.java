package io.github.saspart.flink.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.saspart.flink.Fixtures;
import io.github.saspart.flink.internal.split.Slides;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.apache.flink.api.common.typeutils.base.array.LongPrimitiveArraySerializer;
import org.junit.jupiter.api.Test;

class PanesTest {
    /** Random records, slides and moves to another worker, beside maps of lists of records. */
    @Test
    void equalsItsNaiveTwin() throws Exception {
        for (int seed = 0; seed < 200; seed++) {
            Random random = new Random(seed);
            int slides = 1 + random.nextInt(4);
            Panes<Long, String, long[]> panes = panes(slides);
            Map<String, TreeMap<Long, long[]>> twin = new HashMap<>(); // key, slide: sum and count
            long next = 10;
            for (int step = 0; step < 60; step++) {
                for (int n = random.nextInt(30); n > 0; n--) {
                    String key = "k" + random.nextInt(1 + random.nextInt(200));
                    long slide = next + random.nextInt(3);
                    long value = random.nextInt(1000);
                    panes.add(key, hash(key), value, slide);
                    long[] sum = twin.computeIfAbsent(key, k -> new TreeMap<>()).computeIfAbsent(slide, s -> new long[2]);
                    sum[0] += value;
                    sum[1]++;
                }
                if (random.nextInt(10) == 0) {
                    panes = moved(panes, slides, next);
                }
                long ended = next;
                Map<String, String> got = new HashMap<>();
                long earliest = panes.emit(ended, (entry, sum) ->
                        assertEquals(null, got.put(entry.key, sum[0] + "/" + sum[1]), "a key has two results"));
                Map<String, String> want = new HashMap<>();
                twin.forEach((key, of) -> {
                    long[] whole = new long[2];
                    of.subMap(ended - slides + 1, true, ended, true).values().forEach(s -> {
                        whole[0] += s[0];
                        whole[1] += s[1];
                    });
                    if (whole[1] > 0) {
                        want.put(key, whole[0] + "/" + whole[1]);
                    }
                    of.headMap(ended - slides + 1, true).clear();
                });
                twin.values().removeIf(TreeMap::isEmpty);
                assertEquals(want, got, "seed " + seed + ", slide " + ended);
                assertEquals(twin.values().stream().mapToLong(TreeMap::firstKey).min().orElse(Slides.LAST), earliest);
                assertEquals(twin.size(), panes.size());
                next++;
            }
        }
    }

    /** What another worker restores. */
    private static Panes<Long, String, long[]> moved(Panes<Long, String, long[]> from, int slides, long next) throws Exception {
        Panes<Long, String, long[]> to = panes(slides);
        from.each((key, hash, slide, had, sum) -> to.restore(key, hash, slide, Math.max(had, next - 1), sum.clone()));
        return to;
    }

    /** A pane that comes from a worker which was further is in no window that it was in there. */
    @Test
    void restoredPanesAreNotCountedTwice() throws Exception {
        Panes<Long, String, long[]> panes = panes(3);
        panes.restore("k", 1, 5, 6, new long[] {100, 1}); // has been in the windows that end with 5 and 6
        panes.restore("k", 1, 5, 4, new long[] {20, 1});
        panes.add("k", 1, 3L, 7);
        List<Long> sums = new ArrayList<>();
        for (long slide = 5; slide <= 9; slide++) {
            sums.add(0L);
            panes.emit(slide, (entry, sum) -> sums.set(sums.size() - 1, sum[0]));
        }
        assertEquals(List.of(20L, 20L, 123L, 3L, 3L), sums);
        assertEquals(0, panes.size());
    }

    @Test
    void heaviestSplitKeysAreReported() {
        Panes<Long, String, long[]> panes = panes(1);
        panes.add("a", 1, 1L, 5).split = 3;
        panes.add("b", 2, 1L, 5).split = 9;
        panes.add("c", 3, 1L, 5);
        panes.add("d", 4, 1L, 5).split = 5;
        assertArrayEquals(new long[] {2, 9, 4, 5}, panes.takeSplit(2));
        assertEquals(0, panes.takeSplit(2).length, "they are counted anew");
    }

    private static Panes<Long, String, long[]> panes(int slides) {
        return new Panes<>(new Fixtures.SumAndCount(), LongPrimitiveArraySerializer.INSTANCE, slides, null, 0);
    }

    /** Collides now and then. */
    private static long hash(String key) {
        return key.hashCode() % 50;
    }
}
