package io.github.saspart.flink.internal.report;

import io.github.saspart.flink.client.Attachment;
import io.github.saspart.flink.client.Background;
import io.github.saspart.v1.Report;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.flink.api.common.operators.MailboxExecutor;

/**
 * Reports about a subtask at the end of every slide of the wall clock. What any thread can read is
 * taken then; the rest by the subtask's own thread, between two records. If that is held up, the
 * report goes without it, and the next one makes up for it.
 */
public final class Reporter implements AutoCloseable {
    /** How long a report waits for the subtask's own thread, ms; the server waits longer. */
    private static final long PATIENCE_MILLIS = 100;

    private final Attachment attachment;
    private final long length; // of a slide, ms
    private final Measure measure;
    private final MailboxExecutor mailbox; // null: nothing is left to the subtask's thread
    private final AtomicReference<Draft> pending = new AtomicReference<>();

    private long next; // slide to be reported
    private Future<?> timer;
    private volatile boolean closed;

    /** What a subtask measures. */
    public interface Measure {
        /** Begins a report with what any thread can read. On the background thread. */
        Draft begin();
    }

    /** A report in the making. */
    public interface Draft {
        /** Adds what only the subtask's thread can read. */
        void complete();

        /** Writes the report. */
        void write(Report.Builder to);
    }

    /** Prepares a reporter; {@code mailbox} is null if nothing is left to the subtask's thread. */
    public Reporter(Attachment attachment, long lengthMillis, MailboxExecutor mailbox, Measure measure) {
        this.attachment = attachment;
        this.length = lengthMillis;
        this.mailbox = mailbox;
        this.measure = measure;
    }

    /** Attaches the subtask, and reports from the next whole slide on. */
    public void open() {
        attachment.open();
        Background.THREAD.execute(() -> {
            measure.begin(); // what was before the first whole slide is not reported
            next = Math.floorDiv(System.currentTimeMillis(), length) + 1;
            schedule();
        });
    }

    @Override
    public void close() {
        closed = true;
        Background.THREAD.execute(() -> {
            if (timer != null) {
                timer.cancel(false);
            }
        });
        attachment.close();
    }

    private void schedule() {
        if (!closed) {
            timer = Background.THREAD.after((next + 1) * length - System.currentTimeMillis(), this::end);
        }
    }

    /** Ends the slide. */
    private void end() {
        long ended = Math.floorDiv(System.currentTimeMillis(), length) - 1;
        if (ended < next) { // the timer is early
            schedule();
            return;
        }
        long slide = ended;
        next = ended + 1;
        schedule();
        Draft draft = measure.begin();
        if (mailbox == null) {
            send(slide, draft);
            return;
        }
        pending.set(draft);
        Background.THREAD.after(Math.min(PATIENCE_MILLIS, length / 2), () -> {
            if (pending.compareAndSet(draft, null)) {
                send(slide, draft);
            }
        });
        try {
            mailbox.execute(() -> complete(slide, draft), "saspart report");
        } catch (RejectedExecutionException e) {
            closed = true; // the task has ended, and closes this soon
        }
    }

    private void complete(long slide, Draft draft) {
        if (!closed && pending.compareAndSet(draft, null)) {
            draft.complete();
            Background.THREAD.execute(() -> send(slide, draft));
        }
    }

    private void send(long slide, Draft draft) {
        Report.Builder report = Report.newBuilder().setSlide(slide);
        draft.write(report);
        attachment.report(report.build());
    }
}
