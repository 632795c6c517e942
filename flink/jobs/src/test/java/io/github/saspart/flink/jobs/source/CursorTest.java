package io.github.saspart.flink.jobs.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Reading splits, resuming after a restore, and changing the rate. */
class CursorTest {
    private static final long SECOND = 1_000_000_000;

    /** Times and records, as text. */
    private static List<String> read(Cursor cursor, int most) throws IOException {
        List<String> out = new ArrayList<>();
        while (out.size() < most && !cursor.hasEnded()) {
            long time = cursor.due();
            Event event = cursor.next();
            if (event != null) {
                out.add(time + " " + event);
            }
        }
        return out;
    }

    private static StreamPlan plan(Map<String, ?> source, Payload payload, int splits, double rate, boolean poisson, long records) {
        return new StreamPlan(SourceConfig.of(source, payload), payload, 5, splits, rate, poisson, records, 0, SECOND / 2);
    }

    private static Cursor open(StreamPlan plan, StreamSplit split) throws IOException {
        return new Cursor(split, plan, Records.opener(plan.source, plan.payload, plan.seed));
    }

    private static StreamSplit beginning(int split, int splits) {
        return new StreamSplit(split, splits, 7 * SECOND, new byte[0]);
    }

    @Test
    void goesOnExactlyWhereItsStateWasSaved(@TempDir Path dir) throws Exception {
        Path file = dir.resolve("words.csv");
        Files.writeString(file, "n,line\n1,to be or not\n2,\n3,\"that, is the \"\"question\"\"\"\n4,x\n5,whether 'tis nobler\n");
        Map<String, Object> words = Map.of("path", file.toString(), "key", "line", "split", "words", "loop", true);
        Map<String, Object> rows = Map.of("path", file.toString(), "key", "line", "payload", List.of("n"), "on_bad_row", "skip");
        List<StreamPlan> plans = List.of(
                plan(Map.of("kind", "zipf", "keys", 50), Payload.TEXT, 2, 1000, false, 0),
                plan(Map.of("kind", "zipf", "keys", 50), Payload.VALUES, 3, 1000, true, 200),
                plan(Map.of("kind", "zipf-sequence", "keys", 50, "sequence", Map.of("interval", "30ms", "reshuffle", true)), Payload.NONE, 1, 1000, true, 0),
                plan(Map.of("kind", "drift", "keys", 50, "drift", Map.of("low", 0, "high", 1, "period", "100ms")), Payload.NONE, 1, 1000, false, 0),
                plan(Map.of("kind", "file", "file", words), Payload.TEXT, 2, 1000, false, 0),
                plan(Map.of("kind", "file", "file", rows), Payload.VALUES, 2, 1000, false, 0));
        Random random = new Random(1);
        for (StreamPlan plan : plans) {
            for (int split = 0; split < plan.splits; split++) {
                List<String> whole = read(open(plan, beginning(split, plan.splits)), 150);
                for (int round = 0; round < 20; round++) {
                    List<String> parts = new ArrayList<>();
                    StreamSplit at = beginning(split, plan.splits);
                    while (parts.size() < whole.size()) {
                        Cursor cursor = open(plan, at);
                        parts.addAll(read(cursor, Math.min(random.nextInt(40), whole.size() - parts.size())));
                        at = StreamSplit.SERIALIZER.deserialize(1, StreamSplit.SERIALIZER.serialize(cursor.split()));
                        cursor.close();
                    }
                    assertEquals(whole, parts, plan.source.kind + ", split " + split);
                }
            }
        }
    }

    @Test
    void splitsShareOutTheStream() throws Exception {
        StreamPlan plan = plan(Map.of("keys", 10), Payload.NONE, 3, 30, false, 100);
        long records = 0;
        for (int split = 0; split < 3; split++) {
            Cursor cursor = open(plan, beginning(split, 3));
            assertEquals(7 * SECOND + split * SECOND / 30, cursor.due(), "even gaps between the splits");
            records += read(cursor, 1000).size();
            assertTrue(cursor.hasEnded());
            assertEquals(Cursor.NEVER, cursor.due());
        }
        assertEquals(100, records);
    }

    @Test
    void endsAfterItsDuration() throws Exception {
        StreamPlan plan = new StreamPlan(SourceConfig.of(Map.of(), Payload.NONE), Payload.NONE, 1, 1, 100, false, 0, 2 * SECOND, SECOND);
        assertEquals(200, read(open(plan, beginning(0, 1)), 1000).size());
    }

    @Test
    void keysComeAsOftenAsTheyShould() throws Exception {
        int n = 200_000;
        StreamPlan plan = plan(Map.of("keys", 20, "exponent", 1.2), Payload.NONE, 1, 1e6, false, n);
        Map<String, Integer> counts = new HashMap<>();
        Cursor cursor = open(plan, beginning(0, 1));
        for (int i = 0; i < n; i++) {
            counts.merge(new String(cursor.next().key), 1, Integer::sum);
        }
        double[] expected = AliasTable.zipfProbabilities(20, 1.2);
        for (int rank = 0; rank < 20; rank++) {
            double mean = n * expected[rank];
            int got = counts.get(String.format("key-%02d", rank));
            assertTrue(Math.abs(got - mean) < 6 * Math.sqrt(mean), "rank " + rank + ": " + got + " times instead of " + mean);
        }
    }

    @Test
    void aChangeOfTheRateTakesEffectAtItsTime() throws Exception {
        Cursor cursor = open(plan(Map.of(), Payload.NONE, 1, 10, false, 0), beginning(0, 1));
        for (int i = 0; i < 10; i++) {
            assertEquals(7 * SECOND + i * SECOND / 10, cursor.due());
            cursor.next();
        }
        cursor.setRate(8 * SECOND + SECOND / 20, 100); // half a record is owed by then
        assertEquals(8 * SECOND, cursor.due());
        cursor.next();
        // The next one would have been due at 8.1 s; half of its gap is left, at ten times the rate.
        assertEquals(8 * SECOND + SECOND / 20 + SECOND / 200, cursor.due());
        assertEquals(10, cursor.rateAt(8 * SECOND - 1), 90);
        assertEquals(100, cursor.rateAt(9 * SECOND));
    }

    @Test
    void aPauseEndsWithTheNextRate() throws Exception {
        for (boolean poisson : new boolean[] {false, true}) {
            Cursor cursor = open(plan(Map.of(), Payload.NONE, 2, 1000, poisson, 0), beginning(1, 2));
            read(cursor, 5);
            cursor.setRate(8 * SECOND, 0);
            while (cursor.due() < 8 * SECOND) {
                cursor.next();
            }
            assertEquals(Cursor.NEVER, cursor.due());
            assertFalse(cursor.hasEnded());
            cursor.setRate(20 * SECOND, 1000);
            long due = cursor.due();
            assertTrue(due >= 20 * SECOND && due < 21 * SECOND, "due at " + due);
            assertEquals(500, cursor.rateAt(21 * SECOND));
        }
    }

    @Test
    void poissonGapsHaveTheMeanAndTheSpreadOfTheRate() throws Exception {
        int n = 100_000;
        Cursor cursor = open(plan(Map.of("keys", 1), Payload.NONE, 4, 1e6, true, 0), beginning(2, 4));
        double mean = 0;
        double square = 0;
        long last = 7 * SECOND;
        for (int i = 0; i < n; i++) {
            double gap = cursor.due() - last;
            last = cursor.due();
            cursor.next();
            mean += gap / n;
            square += gap * gap / n;
        }
        assertEquals(4000, mean, 4000 * 6 / Math.sqrt(n));
        assertEquals(4000, Math.sqrt(square - mean * mean), 4000 * 10 / Math.sqrt(n));
    }
}
