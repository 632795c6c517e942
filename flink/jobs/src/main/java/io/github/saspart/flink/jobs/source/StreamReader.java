package io.github.saspart.flink.jobs.source;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.core.io.InputStatus;

/**
 * A source: it sends what is due of its splits, in the order of the intended arrivals, which are the
 * event times, and a watermark at the end of each slide. One that cannot keep up falls behind its
 * schedule, and catches up as fast as it can.
 */
final class StreamReader implements SourceReader<Event, StreamSplit>, Steering.Steered {
    /** The least sleep, ns: about what a sleep takes anyway. */
    private static final long TICK = 1_000_000;

    private final StreamPlan plan;
    private final Records.Opener opener;
    private final LongSupplier clock;
    private final Steering steering;
    private final int subtask;
    private final List<Cursor> cursors = new ArrayList<>();

    private long now; // as last looked at, ns since the epoch
    private long slideEnd; // of the slide that is being sent
    private boolean complete; // no more splits will come
    private boolean ending;

    private ScheduledExecutorService timer;
    private volatile CompletableFuture<Void> available = new CompletableFuture<>();
    private volatile boolean wantsEnd;
    private volatile double wantedRate = Double.NaN;
    private volatile double offered; // for other threads

    /** @param clock ns since the epoch */
    StreamReader(StreamPlan plan, LongSupplier clock, Steering steering, int subtask) {
        this.plan = plan;
        this.clock = clock;
        this.steering = steering;
        this.subtask = subtask;
        opener = Records.opener(plan.source, plan.payload, plan.seed);
    }

    @Override
    public void start() {
        timer = Executors.newSingleThreadScheduledExecutor(task -> {
            Thread thread = new Thread(task, "saspart source timer");
            thread.setDaemon(true);
            return thread;
        });
        steering.join(subtask, this);
    }

    @Override
    public void addSplits(List<StreamSplit> splits) {
        try {
            for (StreamSplit split : splits) {
                cursors.add(new Cursor(split, plan, opener));
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        now = clock.getAsLong();
        slideEnd = endOfSlide(Math.min(now, earliest().due()));
        takeStock();
        available.complete(null);
    }

    @Override
    public void notifyNoMoreSplits() {
        complete = true;
        available.complete(null);
    }

    @Override
    public InputStatus pollNext(ReaderOutput<Event> output) throws IOException {
        takeOrders();
        if (cursors.isEmpty()) {
            return pollNothing(output);
        }
        Cursor cursor = earliest();
        long due = cursor.due();
        if (due > now) {
            now = clock.getAsLong();
        }
        if (due <= now && due < slideEnd) {
            Event event = cursor.next();
            if (event != null) {
                output.collect(event, Math.floorDiv(due, 1_000_000));
            }
            return InputStatus.MORE_AVAILABLE;
        }
        if (hasEnded()) {
            return InputStatus.END_OF_INPUT;
        }
        if (now >= slideEnd) {
            output.emitWatermark(new Watermark(slideEnd / 1_000_000 - 1));
            slideEnd += plan.slideNanos;
            takeStock();
            return ending ? InputStatus.END_OF_INPUT : InputStatus.MORE_AVAILABLE;
        }
        sleep(Math.min(due, slideEnd) - now);
        return InputStatus.NOTHING_AVAILABLE;
    }

    /** A source without splits ends with the others if they end; otherwise it is idle. */
    private InputStatus pollNothing(ReaderOutput<Event> output) {
        if (complete && (ending || plan.ends())) {
            return InputStatus.END_OF_INPUT;
        }
        if (complete) {
            output.markIdle();
        }
        sleep(plan.slideNanos);
        return InputStatus.NOTHING_AVAILABLE;
    }

    private void takeOrders() {
        ending = wantsEnd;
        double rate = wantedRate;
        if (rate == rate) {
            wantedRate = Double.NaN;
            long from = endOfSlide(clock.getAsLong());
            cursors.forEach(cursor -> cursor.setRate(from, rate));
        }
    }

    /** Notes what is due from now on, for the reports. */
    private void takeStock() {
        double sum = 0;
        for (Cursor cursor : cursors) {
            sum += cursor.rateAt(now);
        }
        offered = sum;
    }

    private Cursor earliest() {
        Cursor first = cursors.get(0);
        for (int i = 1; i < cursors.size(); i++) {
            if (cursors.get(i).due() < first.due()) {
                first = cursors.get(i);
            }
        }
        return first;
    }

    private boolean hasEnded() {
        for (Cursor cursor : cursors) {
            if (!cursor.hasEnded()) {
                return false;
            }
        }
        return true;
    }

    private long endOfSlide(long time) {
        return (Math.floorDiv(time, plan.slideNanos) + 1) * plan.slideNanos;
    }

    private void sleep(long ns) {
        CompletableFuture<Void> awake = new CompletableFuture<>();
        available = awake;
        if (wantedRate == wantedRate || wantsEnd != ending) {
            awake.complete(null); // an order came since they were taken
        }
        timer.schedule(() -> awake.complete(null), Math.max(ns, TICK), TimeUnit.NANOSECONDS);
    }

    @Override
    public CompletableFuture<Void> isAvailable() {
        return available;
    }

    @Override
    public void setRate(double rate) {
        wantedRate = rate;
        available.complete(null); // in a pause it would sleep to the end of the slide
    }

    @Override
    public void end() {
        wantsEnd = true;
        available.complete(null);
    }

    @Override
    public double offered() {
        return offered;
    }

    @Override
    public List<StreamSplit> snapshotState(long checkpoint) {
        List<StreamSplit> splits = new ArrayList<>();
        try {
            for (Cursor cursor : cursors) {
                splits.add(cursor.split());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e); // nothing but memory is written to
        }
        return splits;
    }

    @Override
    public void close() throws IOException {
        steering.leave(subtask, this);
        if (timer != null) {
            timer.shutdownNow();
        }
        for (Cursor cursor : cursors) {
            cursor.close();
        }
    }
}
