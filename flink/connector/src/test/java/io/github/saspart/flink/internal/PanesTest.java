package io.github.saspart.flink.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import io.github.saspart.flink.Fixtures;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PanesTest {
    /** A store that owns what it has: what it hands out it forgets, so that a pane at hand exists once. */
    private static final class Owner implements Panes.Store<String, long[]> {
        final Map<String, long[]> panes = new HashMap<>();
        final Set<String> known = new HashSet<>();
        int asked;

        @Override
        public long[] get(String key, long hash, long slide) {
            asked++;
            return panes.remove(key + "@" + slide);
        }

        @Override
        public void put(String key, long hash, long slide, long[] accumulator, boolean isNew) {
            assertEquals(isNew, known.add(key + "@" + slide), "whether the store knew the pane");
            assertNull(panes.put(key + "@" + slide, accumulator), "two panes of one key and slide");
        }
    }

    /** Random records beside a map of sums; more panes than cells, so that they take turns. */
    @Test
    void equalsItsNaiveTwin() throws Exception {
        for (int seed = 0; seed < 20; seed++) {
            Random random = new Random(seed);
            Owner owner = new Owner();
            Panes<Long, String, long[]> panes = new Panes<>(new Fixtures.SumAndCount(), owner);
            Map<String, long[]> twin = new HashMap<>();
            int keys = 1 + random.nextInt(20_000);
            for (int step = 0; step < 5; step++) {
                for (int n = random.nextInt(20_000); n > 0; n--) {
                    String key = "k" + random.nextInt(1 + random.nextInt(keys));
                    long slide = random.nextInt(3);
                    long value = random.nextInt(1000);
                    panes.add(key, hash(key), value, slide, false);
                    long[] sum = twin.computeIfAbsent(key + "@" + slide, k -> new long[2]);
                    sum[0] += value;
                    sum[1]++;
                }
                panes.flush();
                assertEquals(text(twin), text(owner.panes), "seed " + seed);
            }
        }
    }

    private static Map<String, String> text(Map<String, long[]> panes) {
        Map<String, String> of = new HashMap<>();
        panes.forEach((key, sum) -> of.put(key, Arrays.toString(sum)));
        return of;
    }

    /** A heavy key's records do not go to the store. */
    @Test
    void aPaneAtHandIsNotAskedFor() throws Exception {
        Owner owner = new Owner();
        Panes<Long, String, long[]> panes = new Panes<>(new Fixtures.SumAndCount(), owner);
        for (long i = 0; i < 1000; i++) {
            panes.add("heavy", 7, i, 3, false);
        }
        assertEquals(1, owner.asked);
        panes.flush();
        assertArrayEquals(new long[] {499_500, 1000}, owner.panes.get("heavy@3"));
    }

    @Test
    void heaviestSplitKeysAreReported() throws Exception {
        Panes<Long, String, long[]> panes = new Panes<>(new Fixtures.SumAndCount(), new Owner());
        int[] records = {3, 9, 0, 5};
        for (int key = 0; key < records.length; key++) {
            panes.add("k" + key, key + 1, 1L, 5, false);
            for (int i = 0; i < records[key]; i++) {
                panes.add("k" + key, key + 1, 1L, 5 + i % 2, true);
                if (i == 1) {
                    panes.flush(); // what has gone back counts too
                }
            }
        }
        assertArrayEquals(new long[] {2, 9, 4, 5}, panes.takeSplit(2));
        assertEquals(0, panes.takeSplit(2).length, "they are counted anew");
    }

    /** Collides now and then. */
    private static long hash(String key) {
        return key.hashCode() % 5000;
    }
}
