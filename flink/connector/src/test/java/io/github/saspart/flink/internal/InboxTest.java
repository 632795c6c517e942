package io.github.saspart.flink.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Options;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.Control;
import java.io.IOException;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.TestFactory;

/** A subtask adopts routes and partitioners by the rules of the Go engines, as the shared cases have them. */
class InboxTest {
    /** The cases call routers by names of their own. */
    private static final Map<String, String> PARTITIONERS = Map.of("second", "wchoices", "third", "cam");

    @TestFactory
    List<DynamicTest> subtasksAdoptWhatThoseInGoDo() throws IOException {
        JsonNode file = new ObjectMapper().readTree(
                Paths.get("..", "..", "testdata", "loop", "announcements.json").toFile());
        List<DynamicTest> tests = new ArrayList<>();
        for (JsonNode c : file.get("cases")) {
            if (c.get("inbox").asBoolean()) {
                tests.add(dynamicTest(c.get("why").asText(), () -> play(c.get("events"))));
            }
        }
        assertTrue(tests.size() >= 10, "the file has cases for an inbox");
        return tests;
    }

    private static void play(JsonNode events) {
        Inbox inbox = new Inbox(0, null, () -> {});
        long slide = -1;
        for (JsonNode e : events) {
            List<String> adopted = new ArrayList<>();
            if (e.has("route")) {
                int[] slots = new int[Route.slotCount(1)];
                inbox.route(new Route(e.get("route").asLong(), 1, List.of(), slots), e.get("slide").asLong());
            } else if (e.has("capacities")) {
                double n = e.get("capacities").asDouble();
                inbox.capacities(new Capacities(new double[] {1}, new double[] {n}));
            } else if (e.has("switch")) {
                String name = PARTITIONERS.get(e.get("switch").asText());
                inbox.control(Control.newBuilder().setPartitioner("{\"name\": \"" + name + "\"}").build());
            } else if (e.has("begin")) {
                slide = e.get("slide").asLong();
                inbox.take(slide, new Recorder(adopted, slide));
            } else {
                inbox.catchUp(new Recorder(adopted, slide + 1));
            }
            List<String> expected = new ArrayList<>();
            if (e.has("adopts")) {
                e.get("adopts").forEach(line -> expected.add(line.asText()));
            }
            assertEquals(expected, adopted, e.toString());
        }
    }

    /** Writes down what is adopted, in the words of the cases. */
    private static final class Recorder implements Inbox.Taker {
        private final List<String> adopted;
        private final long slide;

        Recorder(List<String> adopted, long slide) {
            this.adopted = adopted;
            this.slide = slide;
        }

        @Override
        public void partitioner(Options options) {
            for (Map.Entry<String, String> p : PARTITIONERS.entrySet()) {
                if (p.getValue().equals(options.name)) {
                    adopted.add("switches to " + p.getKey());
                }
            }
        }

        @Override
        public void capacities(Capacities capacities) {
            adopted.add("keeps within capacities " + Math.round(capacities.waiting(0)));
        }

        @Override
        public void route(Route route) {
            adopted.add("follows route " + route.version() + " from slide " + slide);
        }

        @Override
        public void busy(double[] ratios) {}

        @Override
        public void shares(List<byte[]> shares) {}

        @Override
        public void alone(boolean alone) {}
    }
}
