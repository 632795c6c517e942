package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** {@link TableRouter} and what it is made of. */
class TableRouterTest {
    private static final Options TABLE = Options.of("table");

    /** Remembers where every route sends keys: where a record may go and what has to be marked. */
    private static final class Naive {
        private final int window;
        private final List<Route> routes = new ArrayList<>();
        private final List<Long> began = new ArrayList<>();

        Naive(int window, Route first) {
            this.window = window;
            routes.add(first);
            began.add(0L);
        }

        void follow(Route route, long slide) {
            if (slide <= 0) {
                routes.clear();
                began.clear();
            }
            routes.add(route);
            began.add(slide);
        }

        /** Where the n-th latest route may send a key. */
        int[] workers(int n, long hash) {
            Route route = routes.get(routes.size() - 1 - n);
            for (Route.Key k : route.keys()) {
                if (k.hash() == hash) {
                    int[] workers = new int[k.size()];
                    Arrays.setAll(workers, k::worker);
                    return workers;
                }
            }
            return new int[] {route.slot(Route.slotOf(hash, route.slots()))};
        }

        /** Whether some window over that slide and an earlier one would see the key on two workers. */
        boolean marked(long hash, long slide) {
            int[] later = workers(0, hash);
            if (later.length > 1) {
                return true;
            }
            for (int n = 1; n < routes.size() && slide - began.get(routes.size() - n) < window - 1; n++) {
                int[] before = workers(n, hash);
                if (!Arrays.equals(before, later)) {
                    return true;
                }
                later = before;
            }
            return false;
        }
    }

    @Test
    void tableEqualsItsNaiveTwin() {
        Random random = new Random(1);
        for (int tried = 0; tried < Draw.TRIES; tried++) {
            int workers = 1 + random.nextInt(20);
            int window = 1 + random.nextInt(5);
            TableRouter r = new TableRouter(TABLE, Feed.env(workers, 0, 1, window));
            Naive naive = new Naive(window, Route.hash(workers));
            for (long slide = 0; slide < 10; slide++) {
                if (random.nextInt(3) == 0) {
                    Route route = Draw.route(random, slide + 1, workers);
                    r.follow(route, slide);
                    naive.follow(route, slide);
                }
                for (int i = 0; i < 60; i++) {
                    long hash = Draw.hash(random);
                    int to = Feed.send(r, hash);
                    int[] allowed = naive.workers(0, hash);
                    assertTrue(Arrays.binarySearch(allowed, Router.worker(to)) >= 0, "a worker of the route");
                    assertEquals(naive.marked(hash, slide), Router.merged(to), "mark in slide " + slide);
                }
                r.endSlide(slide);
            }
        }
    }

    @Test
    void sharesAreKeptWithinTwoRecordsAtEveryMoment() {
        Random random = new Random(2);
        for (int tried = 0; tried < Draw.TRIES; tried++) {
            int workers = 2 + random.nextInt(40);
            double[] shares = Draw.shares(random, workers);
            int[] all = new int[workers];
            Arrays.setAll(all, w -> w);
            Route route = new Route(1, workers, List.of(new Route.Key(1, all, shares)), new int[2]);
            TableRouter r = new TableRouter(TABLE, Feed.env(workers, random.nextInt(3), 3, 4));
            double[] counts = new double[workers];
            double total = 0;
            for (long slide = 0; slide < 6; slide++) {
                if (slide == 0 || random.nextBoolean()) {
                    r.follow(route, slide); // the same route again continues where it was
                }
                for (int i = random.nextInt(300); i > 0; i--) {
                    int to = Feed.send(r, 1);
                    assertTrue(Router.merged(to), "a split key is marked");
                    counts[Router.worker(to)]++;
                    total++;
                    double bound = 2 + total / 128 / workers;
                    for (int w = 0; w < workers; w++) {
                        double off = Math.abs(counts[w] - shares[w] * total);
                        assertTrue(off <= bound, "worker " + w + " is off by " + off + " after " + total);
                    }
                }
                r.endSlide(slide);
            }
        }
    }

    @Test
    void subtasksBeginAtDifferentPlaces() {
        Route route = new Route(
                1, 4, List.of(new Route.Key(1, new int[] {0, 1, 2, 3}, new double[] {.25, .25, .25, .25})), new int[2]);
        Set<Integer> first = new HashSet<>();
        for (int subtask = 0; subtask < 4; subtask++) {
            TableRouter r = new TableRouter(TABLE, Feed.env(4, subtask, 4, 4));
            r.follow(route, 0);
            first.add(Router.worker(Feed.send(r, 1)));
        }
        assertEquals(Set.of(0, 1, 2, 3), first);
    }

    @Test
    void layoutFindsAllOfItsKeysAndNoOther() {
        Random random = new Random(3);
        for (int tried = 0; tried < 40; tried++) {
            Set<Long> named = new HashSet<>();
            for (int n = random.nextInt(300); n > 0; n--) {
                named.add(random.nextInt(3) == 0 ? Draw.hash(random) : random.nextLong());
            }
            List<Route.Key> keys = new ArrayList<>();
            named.forEach(h -> keys.add(new Route.Key(h, new int[] {1}, new double[] {1})));
            Layout layout = new Layout(new int[2 << random.nextInt(8)], keys);
            named.forEach(h -> assertTrue(layout.find(h) >= 0));
            for (int i = 0; i < 100; i++) {
                long hash = i % 2 == 0 ? Draw.hash(random) : random.nextLong();
                assertEquals(named.contains(hash), layout.find(hash) >= 0);
                assertEquals(named.contains(hash) ? 1 : 0, layout.route(hash));
            }
        }
    }

    @Test
    void aRouteForOtherWorkersIsRefused() {
        TableRouter r = new TableRouter(TABLE, Feed.env(4));
        Exception e = assertThrows(IllegalArgumentException.class, () -> r.follow(Route.hash(5), 1));
        assertTrue(e.getMessage().contains("the job has 4 workers"), e.getMessage());
    }

    @Test
    void unattendedKeepsTheRouteAndBalancesTheRest() {
        int workers = 8;
        TableRouter r = new TableRouter(TABLE, Feed.env(workers));
        r.follow(new Route(1, workers, List.of(new Route.Key(1, new int[] {3}, new double[] {1})), new int[2]), 0);
        r.unattended(true, 1);
        int[] counts = new int[workers];
        for (int i = 0; i < 80_000; i++) {
            // A key that is named, one that is not, and many.
            long hash = i % 8 == 0 ? 1 : i % 2 == 0 ? 2 : Hashing.mix(i);
            int to = Feed.send(r, hash);
            counts[Router.worker(to)]++;
            if (hash == 1) {
                assertEquals(3, to, "a placed key stays, unmarked");
            } else {
                assertTrue(Router.merged(to), "a key without a place may be anywhere");
            }
        }
        for (int n : counts) { // a few keys have no choice but the worker of the named one
            assertTrue(n > 9_000 && n < 11_000, "records by worker " + Arrays.toString(counts));
        }
    }

    @Test
    void afterItWasUnattendedEveryKeyIsMarkedWhileWindowsReachBack() {
        for (boolean aloneAtFollow : new boolean[] {false, true}) {
            TableRouter r = new TableRouter(TABLE, Feed.env(4));
            r.unattended(true, 10);
            Feed.send(r, 7);
            if (aloneAtFollow) {
                r.follow(new Route(1, 4, List.of(new Route.Key(7, new int[] {2}, new double[] {1})), new int[2]), 20);
            } else {
                r.unattended(false, 20);
            }
            r.endSlide(19);
            for (long slide = 20; slide < 26; slide++) {
                assertEquals(slide < 23, Router.merged(Feed.send(r, 7)), "slide " + slide + " of a window of four");
                r.endSlide(slide);
            }
        }
    }
}
