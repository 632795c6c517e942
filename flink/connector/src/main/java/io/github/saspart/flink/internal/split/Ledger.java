package io.github.saspart.flink.internal.split;

import java.util.ArrayList;
import java.util.List;

/**
 * Keeps the notices of a partitioner subtask for the workers ({@link NoticeBoard}): for each slide, the
 * keys that may have been at several workers, and the changes of the map.
 */
public final class Ledger {
    private final long incarnation;
    private final int subtask;
    private final int subtasks;
    private final int slides; // in an aggregation window
    private final long from; // the first slide told of
    private final long first; // the map that was in force first

    private final List<SlideLog> open = new ArrayList<>(); // by slide, ascending
    private final List<Change> changes = new ArrayList<>(); // that some open slide was before
    private final Spread moved = new Spread();
    private RouteMap newest;
    private long number; // of the last change
    private long closed = Slides.FIRST; // the first slide that has not ended
    private boolean idle;

    /**
     * Makes a ledger.
     *
     * @param slides in an aggregation window
     * @param from the first slide with a notice; others may have had records of earlier slides
     * @param map in force
     */
    public Ledger(long incarnation, int subtask, int subtasks, int slides, long from, RouteMap map) {
        this.incarnation = incarnation;
        this.subtask = subtask;
        this.subtasks = subtasks;
        this.slides = slides;
        this.from = from;
        newest = map;
        first = map.id();
    }

    /** The first slide that has not ended; records of earlier ones are late. */
    public long closed() {
        return closed;
    }

    /** Whether records are routed by this map now. */
    public boolean goesBy(RouteMap map) {
        return newest.id() == map.id();
    }

    /**
     * Tells that records are routed by another map from now on.
     *
     * @param slide the first one without records that went by the map before, as far as is known
     */
    public void change(RouteMap map, long slide) {
        if (goesBy(map)) {
            return;
        }
        long from = Math.max(slide, closed);
        Change change = new Change(++number, from, from, from + slides - 1, map.id(), newest.to(map));
        newest = map;
        changes.add(change);
        moved.change(change, closed);
        for (SlideLog log : open.subList(find(from), open.size())) {
            log.markAll(); // records that were ahead of their time went by the map before
        }
    }

    /** The log of a slide that has not ended, of which the next records are. */
    public SlideLog log(long slide) {
        for (int i = changes.size() - 1; i >= 0 && changes.get(i).from > slide; i--) {
            changes.set(i, changes.get(i).with(slide));
        }
        int at = find(slide);
        if (at < open.size() && open.get(at).slide == slide) {
            return open.get(at);
        }
        SlideLog log = new SlideLog(slide, moved);
        open.add(at, log);
        return log;
    }

    /** Open slides with records that are later than this one. */
    public List<Long> ahead(long slide) {
        List<Long> ahead = new ArrayList<>();
        for (SlideLog log : open.subList(find(slide + 1), open.size())) {
            ahead.add(log.slide);
        }
        return ahead;
    }

    /** Tells that any key may have been anywhere in a slide. */
    public void scattered(long slide) {
        log(slide).markAll();
    }

    /** Ends the slides up to {@code through}, and returns what is to be told of them. */
    public Notice close(long through) {
        List<SlideLog> ended = open.subList(0, find(through + 1));
        Notice notice = tell(through, ended);
        ended.clear();
        closed = through + 1;
        changes.removeIf(change -> change.from <= through); // told by now
        return notice;
    }

    /** What is to be told when the subtask has no more records for now. */
    public Notice idle() {
        idle = true;
        return tell(open.isEmpty() ? closed - 1 : open.get(open.size() - 1).slide, open);
    }

    /** What is to be told when the subtask has records again: that slides told of as idle have not ended. */
    public Notice active() {
        idle = false;
        return tell(closed - 1, List.of());
    }

    private Notice tell(long through, List<SlideLog> logs) {
        List<Notice.Slide> marked = new ArrayList<>();
        for (SlideLog log : logs) {
            if (log.all() || log.split().size() > 0) {
                marked.add(Notice.Slide.of(log));
            }
        }
        List<Change> begun = new ArrayList<>(changes);
        begun.removeIf(change -> change.earliest > through);
        return new Notice(incarnation, subtask, subtasks, from, through, idle, first, begun, marked);
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
