package io.github.saspart.flink.jobs.source;

import java.io.Closeable;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** The records of a stream that ends, one by one in the order of their times, without a clock. */
public final class StreamReplay implements Closeable {
    private final List<Cursor> cursors = new ArrayList<>();
    private long time;

    /** @param start of the stream, ns since the epoch: the start of a slide */
    public StreamReplay(StreamPlan plan, long start) throws IOException {
        Records.Opener opener = Records.opener(plan.source, plan.payload, plan.seed);
        for (int i = 0; i < plan.splits; i++) {
            cursors.add(new Cursor(new StreamSplit(i, plan.splits, start, new byte[0]), plan, opener));
        }
    }

    /** The next record; null after the last. */
    public Event next() throws IOException {
        for (;;) {
            Cursor first = cursors.get(0);
            for (Cursor cursor : cursors) {
                if (cursor.due() < first.due()) {
                    first = cursor;
                }
            }
            time = first.due();
            if (time == Cursor.NEVER) {
                return null;
            }
            Event event = first.next();
            if (event != null) {
                return event;
            }
        }
    }

    /** Event time of the record that came last, ns since the epoch. */
    public long time() {
        return time;
    }

    @Override
    public void close() throws IOException {
        for (Cursor cursor : cursors) {
            cursor.close();
        }
    }
}
