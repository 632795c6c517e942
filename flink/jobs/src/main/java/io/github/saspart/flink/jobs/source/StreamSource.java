package io.github.saspart.flink.jobs.source;

import java.time.Instant;
import java.util.function.LongSupplier;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.connector.source.Boundedness;
import org.apache.flink.api.connector.source.Source;
import org.apache.flink.api.connector.source.SourceReader;
import org.apache.flink.api.connector.source.SourceReaderContext;
import org.apache.flink.api.connector.source.SplitEnumerator;
import org.apache.flink.api.connector.source.SplitEnumeratorContext;
import org.apache.flink.api.java.typeutils.ResultTypeQueryable;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/**
 * The stream of a job as a source of Flink's: at a controlled rate on the wall clock, with its position in
 * checkpoints. Splits keep their part of the stream whatever the number of sources, so that a job continues
 * exactly where it was when it is restored with another.
 */
public final class StreamSource implements Source<Event, StreamSplit, StreamEnumerator.State>, ResultTypeQueryable<Event> {
    private static final long serialVersionUID = 1;

    private final StreamPlan plan;
    private final Steering steering;

    /** The source of a stream, whose rate and end {@code steering} may change. */
    public StreamSource(StreamPlan plan, Steering steering) {
        this.plan = plan;
        this.steering = steering;
    }

    @Override
    public Boundedness getBoundedness() {
        return plan.ends() ? Boundedness.BOUNDED : Boundedness.CONTINUOUS_UNBOUNDED;
    }

    @Override
    public SourceReader<Event, StreamSplit> createReader(SourceReaderContext context) {
        return new StreamReader(plan, wallClock(), steering, context.getIndexOfSubtask());
    }

    @Override
    public SplitEnumerator<StreamSplit, StreamEnumerator.State> createEnumerator(SplitEnumeratorContext<StreamSplit> context) {
        return restoreEnumerator(context, new StreamEnumerator.State());
    }

    @Override
    public SplitEnumerator<StreamSplit, StreamEnumerator.State> restoreEnumerator(
            SplitEnumeratorContext<StreamSplit> context, StreamEnumerator.State state) {
        return new StreamEnumerator(context, plan, wallClock(), state);
    }

    @Override
    public SimpleVersionedSerializer<StreamSplit> getSplitSerializer() {
        return StreamSplit.SERIALIZER;
    }

    @Override
    public SimpleVersionedSerializer<StreamEnumerator.State> getEnumeratorCheckpointSerializer() {
        return new StreamEnumerator.StateSerializer();
    }

    @Override
    public TypeInformation<Event> getProducedType() {
        return EventType.get();
    }

    private static LongSupplier wallClock() {
        return () -> {
            Instant now = Instant.now();
            return now.getEpochSecond() * 1_000_000_000 + now.getNano();
        };
    }
}
