package io.github.saspart.flink.internal.split;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.routing.Route;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class NoticeBoardTest {
    private static final int WORKERS = 4;
    private static final int SLOTS = 64;

    /** A key that is finished alone has had all of its records in the window at one worker, whatever subtasks do. */
    @Test
    void whatIsFinishedAloneIsWhole() {
        int alone = 0;
        for (int seed = 0; seed < 400; seed++) {
            alone += new Run(new Random(seed)).play();
        }
        assertTrue(alone > 1000, "only " + alone + " keys were finished alone; the test shows nothing");
    }

    /** Several subtasks, their maps and their records, as far as the board is concerned. */
    private static final class Run {
        private final Random random;
        private final int subtasks;
        private final int slides;
        private final List<Route> routes = new ArrayList<>();
        private final NoticeBoard board = new NoticeBoard(7);
        private final Ledger[] ledgers;
        private final Route[] by;
        private final Map<Long, Map<Long, Set<Integer>>> went = new HashMap<>(); // slide, key, workers
        private final long[] keys = new long[30];

        Run(Random random) {
            this.random = random;
            subtasks = 1 + random.nextInt(3);
            slides = 1 + random.nextInt(4);
            for (int i = 0; i < keys.length; i++) {
                keys[i] = i == 0 ? 0 : random.nextLong();
            }
            Route route = Route.hash(WORKERS);
            ledgers = new Ledger[subtasks];
            by = new Route[subtasks];
            for (int i = 0; i < subtasks; i++) {
                ledgers[i] = new Ledger(7, i, subtasks, slides, Slides.FIRST, RouteMap.of(route));
                by[i] = route;
            }
            routes.add(route);
            for (int i = 0; i < 6; i++) {
                routes.add(vary(routes.get(i), i + 1));
            }
        }

        /** Moves some slots and names some keys. */
        private Route vary(Route route, int version) {
            int[] slots = new int[SLOTS];
            for (int i = 0; i < SLOTS; i++) {
                int was = route.slot(i * route.slots() / SLOTS);
                slots[i] = random.nextInt(8) == 0 ? random.nextInt(WORKERS) : was;
            }
            List<Route.Key> named = new ArrayList<>();
            for (long key : keys) {
                int kind = random.nextInt(6);
                if (kind == 0) {
                    named.add(new Route.Key(key, new int[] {random.nextInt(WORKERS)}, new double[] {1}));
                } else if (kind == 1) {
                    named.add(new Route.Key(key, new int[] {0, 3}, new double[] {0.5, 0.5}));
                }
            }
            return new Route(version, WORKERS, named, slots);
        }

        int play() {
            int alone = 0;
            int[] version = new int[subtasks];
            boolean together = random.nextBoolean();
            long mark = 0;
            for (long slide = 1; slide < 30; slide++) {
                boolean turn = random.nextInt(5) == 0;
                for (int i = 0; i < subtasks; i++) {
                    if ((together ? turn : random.nextInt(5) == 0) && version[i] + 1 < routes.size()) {
                        by[i] = routes.get(++version[i]);
                        ledgers[i].change(RouteMap.of(by[i]), slide);
                    }
                    send(i, slide);
                    if (random.nextInt(8) == 0 && version[i] + 1 < routes.size()) { // inside the slide
                        by[i] = routes.get(++version[i]);
                        ledgers[i].change(RouteMap.of(by[i]), slide + 1);
                        send(i, slide);
                    }
                }
                long ended = slide - 2 - random.nextInt(2);
                if (ended > mark) {
                    for (Ledger ledger : ledgers) {
                        if (random.nextInt(20) == 0) {
                            board.take(Notice.decode(ledger.idle().encode()));
                            board.take(Notice.decode(ledger.active().encode()));
                        }
                        board.take(Notice.decode(ledger.close(ended).encode()));
                    }
                    for (long s = mark + 1; s <= ended; s++) {
                        alone += check(s);
                    }
                    board.forget(ended + 2 - slides);
                    mark = ended;
                }
            }
            return alone;
        }

        /** Records of a slide, of those before it, and some ahead of their time. */
        private void send(int subtask, long slide) {
            for (int n = random.nextInt(12); n > 0; n--) {
                long of = random.nextInt(30) == 0 ? slide + random.nextInt(6) : slide - random.nextInt(3);
                if (of >= ledgers[subtask].closed()) {
                    send(subtask, of, keys[random.nextInt(keys.length)]);
                }
            }
        }

        /** As a partitioner does. */
        private void send(int subtask, long slide, long key) {
            Route route = by[subtask];
            int worker = route.slot(Route.slotOf(key, route.slots()));
            boolean split = random.nextInt(20) == 0;
            for (Route.Key named : route.keys()) {
                if (named.hash() == key) {
                    split |= named.size() > 1;
                    worker = named.worker(0);
                }
            }
            SlideLog log = ledgers[subtask].log(slide);
            if (split) {
                worker = random.nextInt(WORKERS);
            }
            if (split) {
                log.mark(key);
            }
            went.computeIfAbsent(slide, s -> new HashMap<>()).computeIfAbsent(key, k -> new HashSet<>()).add(worker);
        }

        private int check(long end) {
            int alone = 0;
            NoticeBoard.Verdict verdict = board.verdict(end - slides + 1, end);
            for (long key : keys) {
                Set<Integer> at = new HashSet<>();
                for (long s = end - slides + 1; s <= end; s++) {
                    at.addAll(went.getOrDefault(s, Map.of()).getOrDefault(key, Set.of()));
                }
                if (!at.isEmpty() && !verdict.merges(key)) {
                    alone++;
                    assertEquals(1, at.size(), "a key at workers " + at + " in the window up to slide " + end + " is finished alone");
                }
            }
            return alone;
        }
    }

    /** Two subtasks that change maps inside different slides go by one map in each, but for what moves. */
    @Test
    void changesInsideASlideMergeOnlyWhatMoves() {
        NoticeBoard board = new NoticeBoard(7);
        Route before = Route.hash(WORKERS);
        int[] slots = new int[before.slots()];
        for (int i = 0; i < slots.length; i++) {
            slots[i] = i == 0 ? (before.slot(0) + 1) % WORKERS : before.slot(i);
        }
        RouteMap after = RouteMap.of(new Route(1, WORKERS, List.of(), slots));
        long moves = 0; // a hash in slot 0
        long stays = -1;
        for (int i = 0; i < 2; i++) {
            Ledger ledger = new Ledger(7, i, 2, 2, Slides.FIRST, RouteMap.of(before));
            for (long slide = 4; slide < 11; slide++) {
                ledger.log(slide);
                if (slide == 5 + i) {
                    ledger.change(after, slide + 1);
                    ledger.log(slide);
                }
            }
            take(board, ledger.close(10));
        }
        assertFalse(merges(board, moves, 4), "before the change");
        for (long slide = 5; slide < 11; slide++) {
            assertEquals(slide < 9, merges(board, moves, slide), "a key that moves, in the window up to " + slide);
            assertFalse(merges(board, stays, slide), "one that stays");
        }
    }

    /** Records ahead of their time went by the map before the change, which says that later slides go by its own. */
    @Test
    void recordsAheadOfAChangeAreMerged() {
        NoticeBoard board = new NoticeBoard(7);
        Ledger ledger = ledger(0, 1, Slides.FIRST);
        ledger.log(50);
        ledger.change(RouteMap.of(Route.hash(WORKERS)), 5);
        assertEquals(List.of(50L), ledger.ahead(5));
        take(board, ledger.close(60));
        assertFalse(merges(board, 1, 48));
        assertTrue(merges(board, 1, 50));
        assertTrue(merges(board, 1, 51));
        assertFalse(merges(board, 1, 52));
    }

    private static Ledger ledger(int subtask, int subtasks, long from) {
        return new Ledger(7, subtask, subtasks, 2, from, RouteMap.HOME);
    }

    private static void take(NoticeBoard board, Notice notice) {
        board.take(Notice.decode(notice.encode()));
    }

    private static boolean merges(NoticeBoard board, long hash, long slide) {
        return board.verdict(slide - 1, slide).merges(hash);
    }

    @Test
    void nothingIsAloneUntilAllHaveTold() {
        NoticeBoard board = new NoticeBoard(7);
        assertTrue(merges(board, 1, 5), "no announcement has arrived");
        take(board, ledger(0, 2, Slides.FIRST).close(5));
        assertTrue(merges(board, 1, 5), "one of two has told");
        take(board, ledger(1, 2, Slides.FIRST).close(4));
        assertTrue(merges(board, 1, 5), "one has told of slides up to 4");
        take(board, ledger(1, 2, Slides.FIRST).close(5));
        assertFalse(merges(board, 1, 5), "all have told, and nothing was marked");
    }

    @Test
    void slidesBeforeARestoreAreMerged() {
        NoticeBoard board = new NoticeBoard(7);
        take(board, ledger(0, 1, 6).close(8));
        assertTrue(merges(board, 1, 5), "both slides before");
        assertTrue(merges(board, 1, 6), "one slide before");
        assertFalse(merges(board, 1, 7), "both after");
    }

    @Test
    void noticesOfAnotherIncarnationAreNone() {
        NoticeBoard board = new NoticeBoard(8);
        take(board, ledger(0, 1, Slides.FIRST).close(5));
        assertTrue(merges(board, 1, 5));
    }

    @Test
    void markedKeysAreMergedInEveryWindowOfTheirSlide() {
        NoticeBoard board = new NoticeBoard(7);
        Ledger ledger = ledger(0, 1, Slides.FIRST);
        ledger.log(5).mark(0);
        take(board, ledger.close(7));
        assertFalse(merges(board, 0, 4));
        assertTrue(merges(board, 0, 5));
        assertTrue(merges(board, 0, 6));
        assertFalse(merges(board, 0, 7));
        assertFalse(merges(board, 1, 5), "another key");
    }

    @Test
    void beyondTheLimitAllAreMerged() {
        NoticeBoard board = new NoticeBoard(7);
        Ledger ledger = ledger(0, 1, Slides.FIRST);
        for (long key = 1; key <= SlideLog.MOST_SPLIT + 1; key++) {
            ledger.log(5).mark(key);
        }
        take(board, ledger.close(7));
        assertTrue(merges(board, -1, 5), "a key that was never marked");
        assertFalse(merges(board, -1, 7));
    }

    @Test
    void anIdleSubtaskIsNotWaitedFor() {
        NoticeBoard board = new NoticeBoard(7);
        Ledger idle = ledger(1, 2, Slides.FIRST);
        idle.log(5).mark(1);
        take(board, ledger(0, 2, Slides.FIRST).close(9));
        take(board, idle.idle());
        assertTrue(merges(board, 1, 5), "it was marked before");
        assertFalse(merges(board, 2, 5));
        assertFalse(merges(board, 1, 9));
        take(board, idle.active());
        assertTrue(merges(board, 2, 9), "it may have records again");
    }
}
