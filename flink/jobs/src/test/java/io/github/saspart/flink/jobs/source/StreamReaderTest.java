package io.github.saspart.flink.jobs.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.eventtime.Watermark;
import org.apache.flink.api.connector.source.ReaderOutput;
import org.apache.flink.api.connector.source.SourceOutput;
import org.apache.flink.core.io.InputStatus;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** A source on a clock that the test moves. */
class StreamReaderTest {
    private static final long MS = 1_000_000;
    private static final long START = 5_000 * MS; // the start of a slide

    private final Steering steering = new Steering("reader test");
    private final List<StreamReader> readers = new ArrayList<>();
    private long now = START;

    /** What a source has sent: times of records, "w" and watermarks, "idle". */
    private static final class Sent implements ReaderOutput<Event> {
        final List<String> all = new ArrayList<>();

        @Override
        public void collect(Event event) {
            throw new AssertionError("an event needs its time");
        }

        @Override
        public void collect(Event event, long timestamp) {
            all.add(Long.toString(timestamp));
        }

        @Override
        public void emitWatermark(Watermark watermark) {
            all.add("w" + watermark.getTimestamp());
        }

        @Override
        public void markIdle() {
            all.add("idle");
        }

        @Override
        public void markActive() {}

        @Override
        public SourceOutput<Event> createOutputForSplit(String id) {
            throw new AssertionError("splits share the main output");
        }

        @Override
        public void releaseOutputForSplit(String id) {}
    }

    private StreamReader reader(double rate, long records, int splits, int subtask) {
        StreamPlan plan = new StreamPlan(SourceConfig.of(Map.of("keys", 10), Payload.NONE), Payload.NONE, 1, splits, rate,
                false, records, 0, 100 * MS);
        StreamReader reader = new StreamReader(plan, () -> now, steering, subtask);
        readers.add(reader);
        reader.start();
        return reader;
    }

    private static StreamSplit split(int index, int splits) {
        return new StreamSplit(index, splits, START, new byte[0]);
    }

    /** Sends all that can be sent now. */
    private static InputStatus drain(StreamReader reader, Sent sent) throws Exception {
        InputStatus status = InputStatus.MORE_AVAILABLE;
        while (status == InputStatus.MORE_AVAILABLE) {
            status = reader.pollNext(sent);
        }
        return status;
    }

    @AfterEach
    void close() throws Exception {
        for (StreamReader reader : readers) {
            reader.close();
        }
    }

    @Test
    void sendsWhatIsDueAndAWatermarkPerSlide() throws Exception {
        StreamReader reader = reader(20, 0, 1, 0); // one every 50 ms
        Sent sent = new Sent();
        reader.addSplits(List.of(split(0, 1)));
        assertEquals(InputStatus.NOTHING_AVAILABLE, drain(reader, sent));
        now += 99 * MS;
        drain(reader, sent);
        assertEquals(List.of("5000", "5050"), sent.all);
        now += MS;
        drain(reader, sent);
        assertEquals(List.of("5000", "5050", "w5099", "5100"), sent.all);
        reader.isAvailable().get(10, TimeUnit.SECONDS); // a timer wakes it without being told
    }

    @Test
    void fallsBehindAndCatchesUpInOrder() throws Exception {
        StreamReader reader = reader(40, 0, 2, 0); // each of two splits every 50 ms
        Sent sent = new Sent();
        reader.addSplits(List.of(split(1, 2), split(0, 2)));
        now += 210 * MS; // no poll for two slides
        drain(reader, sent);
        assertEquals(List.of("5000", "5025", "5050", "5075", "w5099", "5100", "5125", "5150", "5175", "w5199", "5200"), sent.all);
    }

    @Test
    void endsAfterTheLastRecord() throws Exception {
        StreamReader reader = reader(20, 3, 1, 0);
        Sent sent = new Sent();
        reader.addSplits(List.of(split(0, 1)));
        now += 1000 * MS;
        assertEquals(InputStatus.END_OF_INPUT, drain(reader, sent));
        assertEquals(List.of("5000", "5050", "w5099", "5100"), sent.all);
    }

    @Test
    void withoutSplitsNoReaderWaitsForIt() throws Exception {
        StreamReader reader = reader(20, 0, 1, 0);
        Sent sent = new Sent();
        assertEquals(InputStatus.NOTHING_AVAILABLE, reader.pollNext(sent));
        assertEquals(List.of(), sent.all, "splits may still come");
        reader.notifyNoMoreSplits();
        assertTrue(reader.isAvailable().isDone());
        assertEquals(InputStatus.NOTHING_AVAILABLE, reader.pollNext(sent));
        assertEquals(List.of("idle"), sent.all);
        steering.end(0);
        assertEquals(InputStatus.END_OF_INPUT, reader.pollNext(sent));

        StreamReader bounded = reader(20, 10, 1, 1);
        bounded.notifyNoMoreSplits();
        assertEquals(InputStatus.END_OF_INPUT, bounded.pollNext(sent), "it ends with the others");
    }

    @Test
    void ordersReachTheSourceOfTheSameNumber() throws Exception {
        StreamReader first = reader(20, 0, 2, 0);
        StreamReader second = reader(20, 0, 2, 1);
        first.addSplits(List.of(split(0, 2)));
        second.addSplits(List.of(split(1, 2)));
        assertEquals(10, steering.recordsPerSecond(0), "half of the job's rate");
        steering.rate(0, 2000);
        Sent sent = new Sent();
        drain(first, sent);
        now += 100 * MS;
        drain(first, sent);
        assertEquals(1000, steering.recordsPerSecond(0));
        assertEquals(10, steering.recordsPerSecond(1));
        sent.all.clear();
        now += 200 * MS;
        drain(first, sent);
        long records = sent.all.stream().filter(s -> s.startsWith("52")).count();
        assertTrue(records >= 99 && records <= 101, records + " in a slide at the new rate");
        steering.end(0);
        now += 1000 * MS;
        assertEquals(InputStatus.END_OF_INPUT, drain(first, sent));
        drain(second, sent);
        assertFalse(second.isAvailable().isDone(), "it was not told to end, and sleeps");
    }

    @Test
    void ordersThatComeFirstWait() throws Exception {
        steering.rate(3, 1000);
        StreamReader reader = reader(20, 0, 1, 3);
        reader.addSplits(List.of(split(0, 1)));
        drain(reader, new Sent());
        now += 200 * MS;
        drain(reader, new Sent());
        assertEquals(1000, steering.recordsPerSecond(3));
        reader.close();
        assertEquals(0, steering.recordsPerSecond(3), "it has left");
    }

    @Test
    void keepsItsPlaceInACheckpoint() throws Exception {
        StreamReader one = reader(100, 0, 1, 0);
        one.addSplits(List.of(split(0, 1)));
        Sent before = new Sent();
        now += 55 * MS;
        drain(one, before);
        List<StreamSplit> saved = one.snapshotState(1);
        StreamReader other = reader(100, 0, 1, 0);
        other.addSplits(saved);
        Sent after = new Sent();
        now += 20 * MS;
        drain(other, after);
        drain(one, before);
        List<String> joined = new ArrayList<>(before.all.subList(0, 6));
        joined.addAll(after.all);
        assertEquals(before.all, joined);
    }
}
