package io.github.saspart.flink.internal.split;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.flink.routing.Route;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** The small parts, each by itself. */
class SplitTest {
    @Test
    void longSetEqualsASet() {
        Random random = new Random(1);
        LongSet set = new LongSet(300);
        Set<Long> twin = new HashSet<>();
        for (int i = 0; i < 2000; i++) {
            long hash = random.nextInt(500) * (random.nextBoolean() ? 1L : 1L << 40);
            boolean room = twin.size() < 300 || twin.contains(hash);
            assertEquals(room, set.add(hash));
            if (room) {
                twin.add(hash);
            }
            assertEquals(twin.size(), set.size());
        }
        assertTrue(twin.contains(0L), "0, which is no cell, is among them");
        long[] all = set.toArray();
        assertEquals(twin.size(), all.length);
        for (long hash : all) {
            assertTrue(twin.contains(hash) && set.contains(hash));
        }
        assertFalse(set.contains(-1));
    }

    @Test
    void slidesAreNumbered() {
        assertEquals(0, new Slides(100, 0).of(99));
        assertEquals(1, new Slides(100, 0).of(100));
        assertEquals(-1, new Slides(100, 0).of(-1), "before the epoch");
        assertTrue(new Slides(1, 0).of(Long.MIN_VALUE) > Slides.FIRST);
        assertTrue(new Slides(1, 0).of(Long.MAX_VALUE) < Slides.LAST);
        assertEquals(-1, new Slides(100, 0).ended(98), "a record at 99 may come");
        assertEquals(0, new Slides(100, 0).ended(99));
        assertEquals(Slides.LAST, new Slides(100, 0).ended(Long.MAX_VALUE));
        assertTrue(new Slides(100, 0).ended(Long.MIN_VALUE) <= new Slides(100, 0).of(Long.MIN_VALUE));
    }

    /** Beside each key's worker by both routes. */
    @Test
    void movesAreFound() {
        Random random = new Random(3);
        for (int round = 0; round < 50; round++) {
            Route a = route(random, 1 << 4 + random.nextInt(3));
            Route b = route(random, 1 << 4 + random.nextInt(3));
            Spread spread = new Spread();
            spread.change(new Change(1, 5, 5, 7, 1, RouteMap.of(a).to(RouteMap.of(b))), Slides.FIRST);
            int stay = 0;
            for (int i = 0; i < 200; i++) {
                long hash = i < 10 ? Hashing.hash(new byte[] {(byte) i}) : random.nextLong();
                if (worker(a, hash) != worker(b, hash)) {
                    assertTrue(spread.merges(hash, 6), "a key that moves");
                }
                stay += spread.merges(hash, 6) ? 0 : 1;
                assertFalse(spread.merges(hash, 7), "a window that begins later");
            }
            assertTrue(stay > 0, "keys that do not move are none of it");
        }
        assertSame(Moves.ALL, RouteMap.HOME.to(RouteMap.of(Route.hash(3))), "everything may");
        assertSame(Moves.NONE, RouteMap.of(Route.hash(3)).to(RouteMap.of(Route.hash(3))));
    }

    /** Changes of maps of few and of many slots, named keys, and slides of which all is merged. */
    @Test
    void spreadEqualsItsNaiveTwin() {
        Random random = new Random(5);
        for (int round = 0; round < 200; round++) {
            Spread spread = new Spread();
            Map<Long, Long> byKey = new HashMap<>();
            long[] bySlot = new long[1024];
            long all = 0;
            for (long slide = 10; slide < 70; slide++) {
                int what = random.nextInt(20);
                if (what == 0) {
                    all = slide;
                    spread.all(slide);
                } else if (what < 4) {
                    Moves moves = new Moves(1 << 2 + random.nextInt(9));
                    for (int n = random.nextInt(4); n > 0; n--) {
                        int slot = random.nextInt(moves.slots());
                        moves.addSlot(slot);
                        int each = bySlot.length / moves.slots();
                        Arrays.fill(bySlot, slot * each, (slot + 1) * each, slide);
                    }
                    moves.addKey(slide % 3);
                    byKey.put(slide % 3, slide);
                    spread.change(new Change(slide, slide, slide, slide, slide, moves), slide - 5);
                }
                for (int n = random.nextInt(30); n > 0; n--) {
                    long hash = random.nextInt(200) * (random.nextBoolean() ? 1L : 1L << 54);
                    byKey.put(hash, slide);
                    spread.key(hash, slide, slide - 5);
                }
                for (int i = 0; i < 50; i++) {
                    long hash = i % 2 == 0 ? random.nextInt(200) : (long) random.nextInt(200) << 54;
                    long first = slide - random.nextInt(5);
                    long slot = bySlot[Route.slotOf(hash, bySlot.length)];
                    boolean want = all > first || slot > first || byKey.getOrDefault(hash, 0L) > first;
                    assertEquals(want, spread.merges(hash, first), hash + " from " + first);
                }
            }
        }
    }

    /** A map whose old entries are dropped stays small. */
    @Test
    void longMapForgetsWhatIsOld() {
        LongMap map = new LongMap();
        for (long hash = 0; hash < 100_000; hash++) {
            map.raise(hash, hash, hash - 100);
            assertTrue(map.size() <= 512, map.size() + " entries of which 100 matter");
            assertEquals(Math.max(0, hash - 99), map.get(Math.max(0, hash - 99)));
        }
        map.raise(99_999, 5, 0);
        assertEquals(99_999, map.get(99_999), "slides only rise");
        assertEquals(Slides.FIRST, map.get(-1));
    }

    private static Route route(Random random, int slots) {
        int[] to = random.ints(slots, 0, 3).toArray();
        Route.Key[] keys = new Route.Key[10];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = new Route.Key(Hashing.hash(new byte[] {(byte) i}), new int[] {random.nextInt(3)}, new double[] {1});
        }
        return new Route(1, 3, Arrays.asList(keys).subList(0, random.nextInt(10)), to);
    }

    private static int worker(Route route, long hash) {
        for (Route.Key k : route.keys()) {
            if (k.hash() == hash) {
                return k.worker(0);
            }
        }
        return route.slot(Route.slotOf(hash, route.slots()));
    }
}
