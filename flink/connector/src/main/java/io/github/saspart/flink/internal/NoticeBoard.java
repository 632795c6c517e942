package io.github.saspart.flink.internal;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Where a worker learns which keys it may finish alone, without a reducer: those of which no other
 * worker can have a record in the same window.
 *
 * <p>Every partitioner subtask tells, before it lets a watermark pass that ends a slide, by which map
 * of keys to workers it routed the slide, which keys it may have sent elsewhere, and which ones a
 * change of maps moved ({@link Ledger}). A key is finished alone if all subtasks have told of all
 * slides of the window, went by the same map in each, and none of them named the key. If any of this
 * is missing, as it is after a restore for the slides that had begun before, all keys are merged. So
 * results rest neither on what routers promise nor on all subtasks taking up a route at once.
 */
final class NoticeBoard {
    private final long incarnation;
    private final Map<Integer, Source> sources = new HashMap<>();
    private int subtasks = Integer.MAX_VALUE;
    private final TreeMap<Long, Told> told = new TreeMap<>();

    /** Makes a board that takes notices of this incarnation alone. */
    NoticeBoard(long incarnation) {
        this.incarnation = incarnation;
    }

    /** Up to where a subtask has told all. */
    private static final class Source {
        long from;
        long through;
        boolean idle;
        final TreeMap<Long, Long> maps = new TreeMap<>(); // by the slide they hold from
    }

    /** What all subtasks told of a slide. */
    private static final class Told {
        boolean all;
        final List<Moves> moves = new ArrayList<>();
        final LongSet split = new LongSet(Integer.MAX_VALUE);

        boolean has(long hash) {
            if (all || split.contains(hash)) {
                return true;
            }
            for (int i = 0; i < moves.size(); i++) {
                if (moves.get(i).hasSlot(hash)) {
                    return true;
                }
            }
            return false;
        }
    }

    /** Takes in what a partitioner subtask tells. */
    void take(Notice notice) {
        if (notice.incarnation != incarnation) {
            return; // it was on its way when the job was restored
        }
        subtasks = notice.subtasks;
        Source source = sources.computeIfAbsent(notice.subtask, s -> new Source());
        source.from = notice.from;
        source.through = notice.through;
        source.idle = notice.idle;
        source.maps.put(notice.since, notice.map);
        for (Notice.Slide s : notice.slides) {
            source.maps.put(s.slide, s.map);
            Told t = told.computeIfAbsent(s.slide, n -> new Told());
            t.all |= s.all;
            t.moves.addAll(s.moves);
            for (long hash : s.split) {
                t.split.add(hash);
            }
        }
    }

    /** Decides which keys of the window of slides from {@code first} to {@code last} are merged. */
    Verdict verdict(long first, long last) {
        Verdict verdict = new Verdict();
        for (long slide = first; slide <= last && !verdict.all; slide++) {
            verdict.all = !agreed(slide);
        }
        for (Told t : told.subMap(first, true, last, true).values()) {
            verdict.told.add(t);
            verdict.all |= t.all;
        }
        return verdict;
    }

    /** Whether all subtasks told of the slide, and routed it by one map. */
    private boolean agreed(long slide) {
        Long map = null;
        for (int i = 0; i < subtasks; i++) {
            Source source = sources.get(i);
            if (source == null || slide < source.from || slide > source.through && !source.idle) {
                return false;
            }
            Map.Entry<Long, Long> by = source.maps.floorEntry(slide);
            if (slide > source.through || by == null) {
                continue; // it has no records there
            }
            if (map != null && !map.equals(by.getValue())) {
                return false;
            }
            map = by.getValue();
        }
        return true;
    }

    /** Drops what windows of slides from {@code before} on do not need. */
    void forget(long before) {
        told.headMap(before).clear();
        for (Source source : sources.values()) {
            Long last = source.maps.floorKey(before);
            if (last != null) {
                source.maps.headMap(last).clear();
            }
        }
    }

    /** Which keys of a window are merged. */
    static final class Verdict {
        private boolean all;
        private final List<Told> told = new ArrayList<>();

        /** Whether partial results of the key have to pass a reducer. */
        boolean merges(long hash) {
            if (all) {
                return true;
            }
            for (int i = 0; i < told.size(); i++) {
                if (told.get(i).has(hash)) {
                    return true;
                }
            }
            return false;
        }
    }
}
