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
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
        assertEquals("2 records: values=3 min=1 max=4 sum=7 p0=1 p50=2 p100=4", result(task("tdigest"), values));
        assertEquals("1 records: values=0", result(task("tdigest"), new Event(KEY, new double[0])));
        assertEquals("", Task.of(new TaskConfig(Settings.of(Map.of()), "count"), false).getResult(cast(0L)).f1, "nobody reads it");
    }

    @SuppressWarnings("unchecked")
    private static <ACC> ACC cast(Object state) {
        return (ACC) state;
    }

    @ParameterizedTest
    @CsvSource({"0, 0, 0", "-0.0, 0, 0", "1, 1, 1", "-2.5, -2.5, -2.5", "100000, 100000, 100000", "1000000, 1e+06, 1000000", "123456789.25, 1.2345678925e+08, 123456789",
        "1e9, 1e+09, 1e+09", "0.0001, 0.0001, 0.0001", "0.00001234, 1.234e-05, 1.234e-05", "0.1, 0.1, 0.1", "0.30000000000000004, 0.30000000000000004, 0.3",
        "1e300, 1e+300, 1e+300", "2e-323, 2e-323, 1.97626258e-323", "9007199254740993, 9.007199254740992e+15, 9.00719925e+15", "333.3333333333333, 333.3333333333333, 333.333333"})
    void numbersAreWrittenAsGoWritesThem(double v, String shortest, String rounded) {
        assertEquals(shortest, Numbers.shortest(v));
        assertEquals(rounded, Numbers.rounded(v, 9));
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
