package io.github.saspart.flink.jobs.source;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.function.LongSupplier;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * Assigns the splits to the sources. The stream starts when all sources are registered, so no record is due
 * before the job runs. It starts at the beginning of a slide, so that its windows depend on the records
 * alone.
 */
final class StreamEnumerator implements SplitEnumerator<StreamSplit, StreamEnumerator.State> {
    private final SplitEnumeratorContext<StreamSplit> context;
    private final StreamPlan plan;
    private final LongSupplier clock;
    private final State state;

    /** What a checkpoint keeps: whether the stream has started, and splits that no source has. */
    static final class State {
        boolean started;
        final List<StreamSplit> returned = new ArrayList<>();
    }

    /** @param clock ns since the epoch */
    StreamEnumerator(SplitEnumeratorContext<StreamSplit> context, StreamPlan plan, LongSupplier clock, State state) {
        this.context = context;
        this.plan = plan;
        this.clock = clock;
        this.state = state;
    }

    @Override
    public void start() {}

    @Override
    public void handleSplitRequest(int subtask, String host) {
        // Sources are given their splits without asking.
    }

    @Override
    public void addReader(int subtask) {
        if (state.started) {
            state.returned.forEach(split -> context.assignSplit(split, subtask));
            state.returned.clear();
            context.signalNoMoreSplits(subtask);
        } else if (context.registeredReaders().size() == context.currentParallelism()) {
            startStream();
        }
    }

    private void startStream() {
        long start = (clock.getAsLong() / plan.slideNanos + 1) * plan.slideNanos;
        int sources = context.currentParallelism();
        for (int i = 0; i < plan.splits; i++) {
            context.assignSplit(new StreamSplit(i, plan.splits, start, new byte[0]), i % sources);
        }
        for (int s = 0; s < sources; s++) {
            context.signalNoMoreSplits(s);
        }
        state.started = true;
    }

    @Override
    public void addSplitsBack(List<StreamSplit> splits, int subtask) {
        state.returned.addAll(splits);
    }

    @Override
    public State snapshotState(long checkpoint) {
        return state;
    }

    @Override
    public void close() {}

    /** Version 1: whether started, number of splits, each with its length. */
    static final class StateSerializer implements SimpleVersionedSerializer<State> {
        @Override
        public int getVersion() {
            return StreamSplit.SERIALIZER.getVersion();
        }

        @Override
        public byte[] serialize(State state) throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            DataOutputStream out = new DataOutputStream(bytes);
            out.writeBoolean(state.started);
            out.writeInt(state.returned.size());
            for (StreamSplit split : state.returned) {
                byte[] one = StreamSplit.SERIALIZER.serialize(split);
                out.writeInt(one.length);
                out.write(one);
            }
            return bytes.toByteArray();
        }

        @Override
        public State deserialize(int version, byte[] bytes) throws IOException {
            DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
            State state = new State();
            state.started = in.readBoolean();
            for (int n = in.readInt(); n > 0; n--) {
                byte[] one = new byte[in.readInt()];
                in.readFully(one);
                state.returned.add(StreamSplit.SERIALIZER.deserialize(version, one));
            }
            return state;
        }
    }
}
