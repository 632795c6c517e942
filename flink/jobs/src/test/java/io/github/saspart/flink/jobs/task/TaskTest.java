package io.github.saspart.flink.jobs.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.jobs.source.Event;
import io.github.saspart.flink.routing.Settings;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.java.typeutils.TypeExtractor;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.junit.jupiter.api.Test;

/** What tasks compute, however their records are split over partial states. */
class TaskTest {
    private static final byte[] KEY = {'k'};

    private static Task<?> task(String name) {
        return Task.of(new TaskConfig(Settings.of(Map.of("quantiles", List.of(0.0, 0.5, 1.0))), name), true);
    }

    private static <ACC> ACC add(Task<ACC> task, ACC state, Event... events) {
        for (Event event : events) {
            state = task.add(event, state);
        }
        return state;
    }

    private static <ACC> String result(Task<ACC> task, Event... events) {
        return task.getResult(add(task, task.createAccumulator(), events)).f1;
    }

    @Test
    void texts() {
        Event[] words = {new Event(KEY, "To be, or not to be"), new Event(KEY, ""), new Event(KEY, "Ω ω")};
        assertEquals("3 records: be=2 not=1 or=1 to=2 ω=2", result(task("wordcount"), words));
        assertEquals("0 records:", result(task("wordcount")));
        assertEquals("3", result(task("count"), words));
        Event[] values = {new Event(KEY, new double[] {4, 1}), new Event(KEY, new double[] {2})};
        assertEquals("2 records: values=3 min=1.0 max=4.0 sum=7.0 p0.0=1.0 p50.0=2.0 p100.0=4.0", result(task("tdigest"), values));
        assertEquals("1 records: values=0", result(task("tdigest"), new Event(KEY, new double[0])));
        assertEquals("", Task.of(new TaskConfig(Settings.of(Map.of()), "count"), false).getResult(cast(0L)).f1, "nobody reads it");
    }

    @SuppressWarnings("unchecked")
    private static <ACC> ACC cast(Object state) {
        return (ACC) state;
    }

    @Test
    void unitsAreWordsAndValues() {
        assertEquals(6, task("wordcount").units(new Event(KEY, "to be, or not To be!")));
        assertEquals(0, task("wordcount").units(new Event(KEY, " ")));
        assertEquals(2, task("tdigest").units(new Event(KEY, new double[] {4, 1})));
        assertEquals(0, task("count").units(new Event(KEY, "one two")));
    }

    @Test
    void partialStatesMergeToTheWhole() throws Exception {
        for (String name : TaskConfig.NAMES) {
            checkMerging(task(name), name);
        }
    }

    /**
     * Splits records over states at random, merges these in a random order, sending some through their
     * serializer, and compares with one state that got them all.
     */
    private static <ACC> void checkMerging(Task<ACC> task, String name) throws Exception {
        TypeInformation<ACC> type = TypeExtractor.getAggregateFunctionAccumulatorType(task, TypeInformation.of(Event.class), null, false);
        TypeSerializer<ACC> serializer = type.createSerializer(new SerializerConfigImpl());
        Random random = new Random(3);
        for (int round = 0; round < 100; round++) {
            int n = random.nextInt(round % 2 == 0 ? 20 : 400);
            ACC whole = task.createAccumulator();
            List<ACC> parts = new ArrayList<>();
            for (int i = 0; i <= random.nextInt(6); i++) {
                parts.add(task.createAccumulator());
            }
            for (int i = 0; i < n; i++) {
                Event event = name.equals("tdigest")
                        ? new Event(KEY, random.doubles(random.nextInt(4), -1e3, 1e6).toArray())
                        : new Event(KEY, "w" + random.nextInt(30) + " the w" + random.nextInt(3));
                whole = task.add(event, whole);
                int p = random.nextInt(parts.size());
                parts.set(p, task.add(event, parts.get(p)));
            }
            ACC merged = task.createAccumulator();
            for (ACC part : parts) {
                String before = task.exact(part);
                ACC sent = random.nextBoolean() ? part : random.nextBoolean() ? serializer.copy(part) : roundTrip(serializer, part);
                assertEquals(task.text(part), task.text(sent), name);
                assertEquals(task.size(part), task.size(sent), name);
                merged = task.merge(merged, sent);
                assertEquals(before, task.exact(part), name + ": merging leaves it as it is");
            }
            assertEquals(task.exact(whole), task.exact(merged), name);
            assertEquals(n, task.records(merged), name);
        }
    }

    private static <S> S roundTrip(TypeSerializer<S> serializer, S state) throws Exception {
        DataOutputSerializer out = new DataOutputSerializer(64);
        serializer.serialize(state, out);
        DataInputDeserializer in = new DataInputDeserializer(out.getCopyOfBuffer());
        S back = serializer.deserialize(in);
        assertEquals(0, in.available(), "all is read back");
        return back;
    }

    @Test
    void quantilesOfManyValuesAreNear() {
        Random random = new Random(9);
        DigestTask task = new DigestTask(new TaskConfig(Settings.of(Map.of()), "tdigest"), true);
        double[] all = random.doubles(20_000, 0, 1000).map(v -> v * v).toArray();
        Digest merged = task.createAccumulator();
        for (int part = 0; part < 10; part++) {
            merged = task.merge(merged, add(task, task.createAccumulator(),
                    new Event(KEY, Arrays.copyOfRange(all, part * 2000, part * 2000 + 2000))));
        }
        assertTrue(task.size(merged) > 100 && task.size(merged) < 400, task.size(merged) + " centroids, about ten for each unit of the compression");
        Arrays.sort(all);
        for (String shown : task.text(merged).split(" p")) {
            if (shown.contains("records")) {
                continue;
            }
            double q = Double.parseDouble(shown.split("=")[0]) / 100;
            double value = Double.parseDouble(shown.split("=")[1]);
            int rank = Arrays.binarySearch(all, value);
            double share = (double) (rank < 0 ? -rank - 1 : rank) / all.length;
            assertTrue(Math.abs(share - q) < 0.01, "quantile " + q + " is the value at " + share);
        }
    }

    @Test
    void eventsComeBackFromTheirSerializer() throws Exception {
        TypeSerializer<Event> serializer = TypeInformation.of(Event.class).createSerializer(new SerializerConfigImpl());
        for (Event event : List.of(new Event(KEY, "grüß ω"), new Event(new byte[] {0, -1}, new double[] {1.5, -0.0}), new Event(new byte[0], ""))) {
            assertEquals(event, roundTrip(serializer, event));
        }
    }
}
