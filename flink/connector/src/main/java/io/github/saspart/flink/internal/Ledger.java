package io.github.saspart.flink.internal;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * Keeps what a partitioner subtask has to tell the workers (see {@link NoticeBoard}): by slide, which
 * keys may have been at several workers.
 */
final class Ledger {
    private final long incarnation;
    private final int subtask;
    private final int subtasks;
    private final int slides; // in an aggregation window
    private final long from; // the first slide told of

    private final List<SlideLog> open = new ArrayList<>(); // by slide, ascending
    private final TreeMap<Long, RouteMap> maps = new TreeMap<>(); // by the slide they hold from
    private final TreeMap<Long, Moves> moves = new TreeMap<>();
    private RouteMap newest;
    private long closed = Slides.FIRST; // the first slide that has not ended
    private boolean idle;

    /**
     * Makes a ledger.
     *
     * @param slides in an aggregation window
     * @param from the first slide that is told of: of earlier ones others may have had records
     * @param map in force
     */
    Ledger(long incarnation, int subtask, int subtasks, int slides, long from, RouteMap map) {
        this.incarnation = incarnation;
        this.subtask = subtask;
        this.subtasks = subtasks;
        this.slides = slides;
        this.from = from;
        newest = map;
        maps.put(Slides.FIRST, map);
    }

    /** The first slide that has not ended; records of earlier ones are late. */
    long closed() {
        return closed;
    }

    /** Tells that records are routed by another map from now on, the first of them in this slide. */
    void change(RouteMap map, long slide) {
        if (map.id() == newest.id()) {
            return;
        }
        Moves moved = newest.to(map);
        newest = map;
        maps.put(slide, map);
        Moves before = moves.put(slide, moved);
        if (before != null) { // two changes at once are rare enough not to be worked out
            moves.put(slide, Moves.ALL);
        }
    }

    /** The log of a slide that has not ended. */
    SlideLog log(long slide) {
        int at = find(slide);
        if (at < open.size() && open.get(at).slide == slide) {
            return open.get(at);
        }
        long first = Math.min(slide - slides + 2, slide); // a change before it is in no window with the slide
        SlideLog log = new SlideLog(
                slide, maps.floorEntry(slide).getValue(), List.copyOf(moves.subMap(first, true, slide, true).values()));
        open.add(at, log);
        return log;
    }

    /** Whether a record routed now, in a slide with this log, went by the slide's map. */
    boolean current(SlideLog log) {
        return log.map == newest;
    }

    /** Ends the slides up to {@code through}, and returns what is to be told of them. */
    Notice close(long through) {
        List<SlideLog> ended = open.subList(0, find(through + 1));
        Notice notice = tell(through, ended);
        ended.clear();
        closed = through + 1;
        forget();
        return notice;
    }

    /** What is to be told when the subtask has no more records for now. */
    Notice idle() {
        idle = true;
        return tell(open.isEmpty() ? closed - 1 : open.get(open.size() - 1).slide, open);
    }

    /** What is to be told when the subtask has records again: that slides told of as idle have not ended. */
    Notice active() {
        idle = false;
        return tell(closed - 1, List.of());
    }

    private Notice tell(long through, List<SlideLog> logs) {
        List<Notice.Slide> told = new ArrayList<>();
        for (SlideLog log : logs) {
            told.add(Notice.Slide.of(log));
        }
        long map = maps.floorEntry(closed).getValue().id();
        return new Notice(incarnation, subtask, subtasks, from, through, idle, closed, map, told);
    }

    /** Drops maps that no open slide can have. */
    private void forget() {
        Map.Entry<Long, RouteMap> last = maps.floorEntry(closed);
        maps.headMap(closed, true).clear();
        maps.put(Slides.FIRST, last.getValue());
        moves.headMap(closed - slides, true).clear();
    }

    /** The index of the first log of the slide or a later one. */
    private int find(long slide) {
        int low = 0;
        int high = open.size();
        while (low < high) {
            int middle = low + high >>> 1;
            if (open.get(middle).slide < slide) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
}
