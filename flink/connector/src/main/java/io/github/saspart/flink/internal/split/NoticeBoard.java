package io.github.saspart.flink.internal.split;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Where a worker learns which keys it may finish alone, without a reducer: keys of which no other worker
 * can have a record in the same window.
 *
 * <p>Before it forwards a watermark that ends a slide, every partitioner subtask sends a notice ({@link
 * Ledger}). The notice has the maps of keys to workers by which the slide was routed, the keys that may
 * have been sent elsewhere, and the keys that a change of maps moved. A key is finished alone if all
 * subtasks have sent notices of all slides of the window, routed each by the same map, and none of them
 * named the key. A slide in which a subtask changed maps counts as routed by either, because the moved
 * keys are named. If a notice is missing, as after a restore for slides that had begun before, all keys
 * are merged. So results depend neither on routers' promises nor on all subtasks adopting a route
 * together.
 */
public final class NoticeBoard {
    private final long incarnation;
    private final Map<Integer, Source> sources = new HashMap<>();
    private int subtasks = Integer.MAX_VALUE;

    // What was told of slides that no window has ended with, by slide; changes by their earliest.
    private final TreeMap<Long, List<Notice.Slide>> slides = new TreeMap<>();
    private final TreeMap<Long, List<Change>> changes = new TreeMap<>();
    private final Spread spread = new Spread(); // by what was told of all others
    private long oldest = Slides.FIRST; // slide of windows to come

    /** Makes a board that takes notices of this incarnation alone. */
    public NoticeBoard(long incarnation) {
        this.incarnation = incarnation;
    }

    /** Up to where a subtask has told all. */
    private static final class Source {
        long from;
        long through;
        boolean idle;
        final TreeMap<Long, Long> maps = new TreeMap<>(); // by the slide they hold from
        final TreeMap<Long, Change> changes = new TreeMap<>(); // by number

        /** By which maps the subtask routed a slide, but for the keys that it named. */
        List<Long> maps(long slide) {
            List<Long> ids = new ArrayList<>();
            ids.add(maps.floorEntry(slide).getValue());
            for (Change change : changes.values()) {
                if (change.earliest <= slide && slide < change.from) {
                    ids.add(change.map);
                }
            }
            return ids;
        }
    }

    /** Takes in what a partitioner subtask tells. */
    public void take(Notice notice) {
        if (notice.incarnation != incarnation) {
            return; // it was on its way when the job was restored
        }
        subtasks = notice.subtasks;
        Source source = sources.computeIfAbsent(notice.subtask, s -> new Source());
        source.from = notice.from;
        source.through = notice.through;
        source.idle = notice.idle;
        source.maps.putIfAbsent(Slides.FIRST, notice.first);
        for (Change change : notice.changes) {
            source.maps.put(change.from, change.map);
            source.changes.put(change.number, change);
            changes.computeIfAbsent(change.earliest, s -> new ArrayList<>()).add(change);
        }
        for (Notice.Slide s : notice.slides) {
            slides.computeIfAbsent(s.slide, n -> new ArrayList<>()).add(s);
        }
    }

    /** Decides which keys of the window of slides from {@code first} to {@code last} are merged; later windows follow. */
    public Verdict verdict(long first, long last) {
        reach(last);
        boolean all = false;
        for (long slide = first; slide <= last && !all; slide++) {
            all = !agreed(slide);
        }
        return new Verdict(spread, first, all);
    }

    /** Counts in what was told of slides up to one. */
    private void reach(long last) {
        for (List<Change> told : changes.headMap(last, true).values()) {
            for (Change change : told) {
                spread.change(change, oldest);
            }
        }
        changes.headMap(last, true).clear();
        for (List<Notice.Slide> told : slides.headMap(last, true).values()) {
            for (Notice.Slide s : told) {
                if (s.all) {
                    spread.all(s.slide + 1);
                }
                for (long hash : s.split) {
                    spread.key(hash, s.slide + 1, oldest);
                }
            }
        }
        slides.headMap(last, true).clear();
    }

    /** Whether all subtasks told of the slide, and routed it by one map. */
    private boolean agreed(long slide) {
        List<Long> common = null;
        for (int i = 0; i < subtasks; i++) {
            Source source = sources.get(i);
            if (source == null || slide < source.from || slide > source.through && !source.idle) {
                return false;
            }
            if (slide > source.through) {
                continue; // it has no records there
            }
            List<Long> maps = source.maps(slide);
            if (common != null) {
                maps.retainAll(common);
            }
            if (maps.isEmpty()) {
                return false;
            }
            common = maps;
        }
        return true;
    }

    /** Drops what windows of slides from {@code before} on do not need. */
    public void forget(long before) {
        slides.headMap(before).clear();
        reach(before);
        oldest = before;
        for (Source source : sources.values()) {
            Long last = source.maps.floorKey(before);
            if (last != null && last > Slides.FIRST) {
                source.maps.put(Slides.FIRST, source.maps.get(last));
                source.maps.headMap(last, true).tailMap(Slides.FIRST, false).clear();
            }
            source.changes.values().removeIf(change -> change.from <= before);
        }
    }

    /** Which keys of a window are merged. */
    public static final class Verdict {
        private final Spread spread;
        private final long first;
        private final boolean all;

        private Verdict(Spread spread, long first, boolean all) {
            this.spread = spread;
            this.first = first;
            this.all = all;
        }

        /** Whether partial results of the key have to pass a reducer; to be asked before the next verdict. */
        public boolean merges(long hash) {
            return all || spread.merges(hash, first);
        }
    }
}
