package io.github.saspart.flink.jobs.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.jobs.task.Task;
import io.github.saspart.flink.jobs.task.TaskConfig;
import io.github.saspart.flink.routing.Settings;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.core.type.TypeReference;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

/** Sources make the records of the Go jobs', and tasks their results, which these have written down. */
class VectorsTest {
    private static final Path VECTORS = Paths.get("../../testdata/stream/records.json");
    private static final int RECORDS = 5000;

    @Test
    @SuppressWarnings("unchecked") // of JSON that a test of this repository has written
    void recordsAndResultsAreThoseOfTheGoJobs() throws Exception {
        List<Map<String, Object>> cases = new ObjectMapper()
                .readValue(Files.readAllBytes(VECTORS), new TypeReference<List<Map<String, Object>>>() {});
        assertTrue(cases.size() >= 8, "there should be a case for each kind of source and task");
        for (Map<String, Object> c : cases) {
            Payload payload = new TaskConfig(Settings.of(Map.of()), (String) c.get("task")).payload;
            int splits = (int) c.get("subtasks");
            Map<String, Object> source = (Map<String, Object>) c.get("source");
            ((Map<String, Object>) source.getOrDefault("file", new HashMap<>()))
                    .computeIfPresent("path", (name, path) -> "../../" + path);
            StreamPlan plan = new StreamPlan(SourceConfig.of(source, payload), payload,
                    new BigInteger(c.get("seed").toString()).longValue(), splits,
                    ((Number) c.get("rate")).doubleValue(), c.get("spacing").equals("poisson"),
                    (long) RECORDS * splits, 0, 500_000_000);
            List<String> first = (List<String>) c.get("first");
            List<String> digests = (List<String>) c.get("digests");
            Tally<?> tally = Tally.of((String) c.get("task"));
            Records.Opener opener = Records.opener(plan.source, payload, plan.seed);
            for (int s = 0; s < splits; s++) {
                Cursor cursor = new Cursor(new StreamSplit(s, splits, 0, new byte[0]), plan, opener);
                String why = c.get("why") + ", subtask " + s;
                long hash = 0xcbf29ce484222325L;
                for (int i = 0; i < RECORDS; i++) {
                    long time = cursor.due();
                    Event event = cursor.next();
                    if (i == 0) {
                        assertEquals(first.get(s), described(time, event), why);
                    }
                    hash = fnv(hash, bytes(time, event));
                    if (i < 100) {
                        tally.add(event);
                    }
                }
                assertEquals(digests.get(s), String.format("%016x", hash), why);
                assertTrue(cursor.hasEnded(), why);
            }
            assertEquals(c.get("result"), tally.text(), c.get("why").toString());
        }
    }

    /** A state that records are added to. */
    private static final class Tally<ACC> {
        private final Task<ACC> task;
        private ACC state;

        private Tally(Task<ACC> task) {
            this.task = task;
            state = task.createAccumulator();
        }

        static Tally<?> of(String task) {
            return new Tally<>(Task.of(new TaskConfig(Settings.of(Map.of()), task), true));
        }

        void add(Event event) {
            state = task.add(event, state);
        }

        String text() {
            return task.exact(state);
        }
    }

    private static String described(long time, Event event) {
        StringBuilder values = new StringBuilder();
        for (double v : event.values) {
            values.append(values.length() == 0 ? "" : " ").append(String.format(Locale.ROOT, "%.6f", v));
        }
        return time + " " + new String(event.key, StandardCharsets.UTF_8) + " \"" + event.text + "\" [" + values + "]";
    }

    private static byte[] bytes(long time, Event event) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        number(out, time);
        for (byte[] text : new byte[][] {event.key, event.text.getBytes(StandardCharsets.UTF_8)}) {
            number(out, text.length);
            out.writeBytes(text);
        }
        number(out, event.values.length);
        for (double v : event.values) {
            number(out, (long) Math.floor(v * 1e6));
        }
        return out.toByteArray();
    }

    private static void number(ByteArrayOutputStream out, long v) {
        out.writeBytes(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(v).array());
    }

    /** FNV-1a, going on from a hash. */
    private static long fnv(long hash, byte[] bytes) {
        for (byte b : bytes) {
            hash = (hash ^ b & 0xff) * 0x100000001b3L;
        }
        return hash;
    }
}
