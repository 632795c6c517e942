package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.DynamicContainer.dynamicContainer;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Base64;
import java.util.Collections;
import java.util.List;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.junit.jupiter.api.DynamicNode;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Every router sends every record of the shared vectors where its twin in Go does. */
class VectorsTest {
    private static final List<String> PARTITIONERS = List.of(
            "hash", "pkg", "wchoices", "cam", "dagreedy", "flexd", "dalton-original", "dalton-metrics",
            "dalton-offline", "table", "bounded");

    @TestFactory
    List<DynamicNode> routersDoWhatThoseInGoDo() throws IOException {
        Vectors vectors = new Vectors();
        List<DynamicNode> all = new ArrayList<>();
        for (String name : PARTITIONERS) {
            List<DynamicTest> tests = new ArrayList<>();
            for (JsonNode c : Vectors.cases(name)) {
                tests.add(dynamicTest(c.get("why").asText(), () -> new Job(vectors, c).run()));
            }
            all.add(dynamicContainer(name, tests));
        }
        return all;
    }

    /** The subtasks of a case. */
    private static final class Job {
        private final Vectors vectors;
        private final JsonNode expected;
        private final List<Router> routers = new ArrayList<>();
        private List<byte[]> shares;

        Job(Vectors vectors, JsonNode c) {
            this.vectors = vectors;
            expected = c;
            Options options = Options.of(Vectors.tree(c.get("options")));
            int subtasks = c.get("subtasks").asInt();
            for (int i = 0; i < subtasks; i++) {
                routers.add(Routers.create(options, new Env(
                        c.get("workers").asInt(), i, subtasks, 1_000_000 * c.get("slide_ms").asLong(),
                        c.get("window_slides").asInt(), c.get("metric_slides").asInt(), c.get("seed").asLong())));
            }
        }

        void run() {
            Vectors.Stream stream = vectors.stream(expected.get("stream").asText());
            JsonNode steps = expected.get("steps");
            for (int at = 0; at < steps.size(); at++) {
                for (int i = 0; i < routers.size(); i++) {
                    begin(routers.get(i), steps.get(at));
                    int[] to = route(routers.get(i), stream, stream.steps[at][i]);
                    String where = "step " + at + ", subtask " + i;
                    if (at == 1) {
                        int[] first = first(expected.get("first").get(i));
                        assertArrayEquals(first, Arrays.copyOf(to, first.length), where);
                    }
                    assertEquals(expected.get("digests").get(at).get(i).asText(), digest(to), where);
                }
                end(steps.get(at));
            }
        }

        private void begin(Router router, JsonNode step) {
            if (step.has("capacities")) {
                JsonNode c = step.get("capacities");
                double[] waiting = c.has("waiting") ? Vectors.reals(c.get("waiting")) : null;
                ((Limited) router).within(new Capacities(Vectors.reals(c.get("of")), waiting, c.path("load").asDouble()));
            }
            if (step.has("follow")) {
                ((Follower) router).follow(vectors.route(step.get("follow").asText()), step.get("slide").asLong());
            }
            if (step.has("observe")) {
                double[] busy = new double[step.get("observe").size()];
                Arrays.setAll(busy, w -> step.get("observe").get(w).asDouble(Double.NaN));
                ((Learner) router).observe(busy);
            }
            if (step.has("absorb")) {
                List<byte[]> arrived = new ArrayList<>(shares);
                Collections.fill(arrived.subList(0, step.path("lost").asInt()), null);
                ((Sharer) router).absorb(arrived);
            }
        }

        private void end(JsonNode step) {
            List<byte[]> taken = new ArrayList<>();
            for (Router r : routers) {
                r.endSlide(step.get("slide").asLong());
                if (step.has("share")) {
                    taken.add(((Sharer) r).share());
                }
            }
            if (step.has("share")) {
                shares = taken;
            }
        }

        private static int[] route(Router router, Vectors.Stream stream, int[] records) {
            int[] to = new int[records.length];
            for (int j = 0; j < to.length; j++) {
                byte[] key = stream.names.get(records[j]);
                to[j] = router.route(stream.hashes[records[j]], key, 0, key.length);
            }
            return to;
        }

        private static int[] first(JsonNode destinations) {
            int[] first = new int[destinations.size()];
            Arrays.setAll(first, i -> destinations.get(i).asInt());
            return first;
        }

        /** FNV-1a over the destinations, 4 bytes each, the lowest first. */
        private static String digest(int[] destinations) {
            long h = 0xcbf29ce484222325L;
            for (int d : destinations) {
                for (int shift = 0; shift < 32; shift += 8) {
                    h = (h ^ d >>> shift & 0xff) * 0x100000001b3L;
                }
            }
            return String.format("%016x", h);
        }
    }

    @Test
    void streamsHaveTheHashesOfTheirKeys() throws IOException {
        Vectors vectors = new Vectors();
        for (String name : List.of("drifting", "bytes", "many")) {
            Vectors.Stream s = vectors.stream(name);
            for (int i = 0; i < s.hashes.length; i++) {
                assertEquals(s.hashes[i], Hashing.hash(s.names.get(i)), name + " " + i);
            }
        }
    }

    @Test
    void hashesOfKeysOfAnyLengthAndOffset() throws IOException {
        for (JsonNode h : Vectors.read("numbers.json").get("hashes")) {
            byte[] key = Base64.getDecoder().decode(h.get(0).asText());
            byte[] inside = new byte[key.length + 5];
            Arrays.fill(inside, (byte) 0xaa);
            System.arraycopy(key, 0, inside, 3, key.length);
            assertEquals(Vectors.hash(h.get(1)), Hashing.hash(inside, 3, key.length), key.length + " bytes");
        }
    }

    @Test
    void randomNumbers() throws IOException {
        for (JsonNode n : Vectors.read("numbers.json").get("random")) {
            Pcg random = new Pcg(Vectors.hash(n.get("seeds").get(0)), Vectors.hash(n.get("seeds").get(1)));
            n.get("bits").forEach(b -> assertEquals(Vectors.hash(b), random.nextLong()));
            n.get("units").forEach(u -> assertEquals(u.asDouble(), random.nextDouble()));
            n.get("below").forEach(b -> assertEquals(b.get(1).asLong(), random.nextLong(b.get(0).asLong())));
        }
    }

    @Test
    void heavyHitters() throws IOException {
        Vectors.Stream s = new Vectors().stream("many");
        SpaceSaving sketch = new SpaceSaving(50);
        for (int[][] step : s.steps) {
            for (int key : step[0]) {
                sketch.count(s.hashes[key]);
            }
        }
        JsonNode numbers = Vectors.read("numbers.json");
        SpaceSaving.HotKey[] top = sketch.top(20);
        assertEquals(numbers.get("sketch").size(), top.length);
        for (int i = 0; i < top.length; i++) {
            JsonNode k = numbers.get("sketch").get(i);
            assertEquals(Vectors.hash(k.get(1)), top[i].hash);
            assertEquals(top[i].hash, Hashing.hash(Base64.getDecoder().decode(k.get(0).asText())), "its name is another's");
            assertEquals(k.get(2).asLong(), top[i].count);
            assertEquals(k.get(3).asLong(), top[i].error);
        }
        assertEquals(numbers.get("floor").asLong(), sketch.floor());
    }
}
