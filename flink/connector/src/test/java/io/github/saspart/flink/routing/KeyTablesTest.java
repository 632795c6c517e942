package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** {@link KeyCounts} and {@link SeenKeys} against maps. */
class KeyTablesTest {
    /** Of hard hashes, or enough of them for tables to grow. */
    private static long hash(Random random, int tried) {
        return tried % 2 == 0 ? Draw.hash(random) : Hashing.mix(random.nextInt(1500));
    }

    @Test
    void countsAreExactBelowTheLimit() {
        Random random = new Random(1);
        for (int tried = 0; tried < 20; tried++) {
            KeyCounts counts = new KeyCounts(1 << 12);
            for (int slide = 0; slide < 3; slide++) {
                Map<Long, Long> exact = new HashMap<>();
                for (int i = 0; i < 3000; i++) {
                    long hash = hash(random, tried);
                    assertEquals(exact.merge(hash, 1L, Long::sum), counts.inc(hash));
                }
                assertEquals(exact.size(), counts.size());
                counts.clear();
                assertEquals(0, counts.size());
            }
        }
    }

    @Test
    void atTheLimitCountsAreNeverTooHighAndHeavyKeysKeepTheirs() {
        Random random = new Random(2);
        KeyCounts counts = new KeyCounts(64);
        Map<Long, Long> exact = new HashMap<>();
        for (int i = 0; i < 20_000; i++) {
            boolean heavy = i % 2 == 0;
            long hash = Hashing.mix(heavy ? i % 6 : 100 + random.nextInt(2000));
            long want = exact.merge(hash, 1L, Long::sum);
            long got = counts.inc(hash);
            assertTrue(got <= want && got >= 1, got + " of " + want);
            if (heavy && i > 100) {
                assertTrue(got >= want - 2, got + " of " + want);
            }
            assertTrue(counts.size() <= 40, "at most 5/8 of 64 slots, got " + counts.size());
        }
    }

    @Test
    void sightingsAreRememberedForTheWindow() {
        Random random = new Random(3);
        for (int tried = 0; tried < 20; tried++) {
            int window = 1 + random.nextInt(4);
            SeenKeys seen = new SeenKeys(1 << 12);
            Map<Long, int[]> last = new HashMap<>(); // the slides of the two choices, 0 never
            int start = tried % 4 == 0 ? Integer.MAX_VALUE - 5 : 1; // they are unsigned
            for (int now = start; now - start < 12; now++) {
                for (int i = 0; i < 400; i++) {
                    long hash = hash(random, tried);
                    int[] at = last.computeIfAbsent(hash, h -> new int[2]);
                    int place = seen.find(hash, now, window);
                    for (int choice = 0; choice < 2; choice++) {
                        boolean alive = at[choice] != 0 && now - at[choice] < window;
                        assertEquals(alive, seen.alive(place, choice, now, window));
                    }
                    int choice = random.nextInt(2);
                    at[choice] = now;
                    seen.sight(place, choice, now);
                }
            }
        }
    }

    @Test
    void keysThatLeftTheWindowMakeRoomForOthers() {
        SeenKeys seen = new SeenKeys(1 << 20);
        for (int now = 1; now <= 100; now++) {
            for (int key = 0; key < 200; key++) {
                seen.sight(seen.find(Hashing.mix(1000L * now + key), now, 1), 0, now);
            }
            assertTrue(seen.size() <= 640, "no more than before the table first grows, got " + seen.size());
        }
    }

    @Test
    void atTheLimitKeysSeenLongestAgoAreForgotten() {
        SeenKeys seen = new SeenKeys(64);
        for (int now = 1; now <= 100; now++) {
            for (int key = 0; key < 15; key++) {
                seen.sight(seen.find(Hashing.mix(100L * now + key), now, 50), 0, now);
            }
            int place = seen.find(Hashing.mix(100L * now + 14), now, 50);
            assertTrue(seen.alive(place, 0, now, 50), "the key seen last, in slide " + now);
            assertTrue(seen.size() <= 40, "at most 5/8 of 64 slots, got " + seen.size());
        }
    }
}
