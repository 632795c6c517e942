package io.github.saspart.flink.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.AttachRequest;
import io.github.saspart.v1.Decision;
import io.github.saspart.v1.HotKey;
import io.github.saspart.v1.KeyRoute;
import io.github.saspart.v1.PartitionerReport;
import io.github.saspart.v1.Report;
import io.github.saspart.v1.RouteChange;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Paths;
import java.util.List;
import java.util.zip.Deflater;
import java.util.zip.DeflaterOutputStream;
import java.util.zip.Inflater;
import java.util.zip.InflaterInputStream;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.JsonNode;
import org.apache.flink.shaded.jackson2.com.fasterxml.jackson.databind.ObjectMapper;
import org.junit.jupiter.api.Test;

/** The compact forms of messages are those of package serve/wire, as the shared messages have them. */
class PackedTest {
    private static JsonNode messages() throws IOException {
        return new ObjectMapper().readTree(Paths.get("..", "..", "testdata", "serve", "messages.json").toFile());
    }

    @Test
    void reportsArePackedAsInGo() throws IOException {
        JsonNode file = messages();
        Packer packer = new Packer(file.get("key_limit").asInt());
        int referring = 0;
        for (JsonNode r : file.get("reports")) {
            if (r.has("forget")) {
                packer.forget();
            }
            Report packed = packer.pack(Report.parseFrom(r.get("plain").binaryValue()));
            assertEquals(Report.parseFrom(r.get("packed").binaryValue()), packed);
            referring += packed.getPartitionersList().stream().anyMatch(p -> p.getKnownKeysCount() > 0) ? 1 : 0;
        }
        assertTrue(referring >= 5, "reports name known keys");
    }

    @Test
    void changesMakeTheRoutesOfGo() throws IOException {
        JsonNode file = messages();
        Route route = Wire.decode(file.get("base").binaryValue(), 300);
        int changes = 0;
        for (JsonNode c : file.get("changes")) {
            Decision decision = Decision.parseFrom(c.get("decision").binaryValue());
            route = Wire.change(decision.getChange(), route);
            assertEquals(Wire.decode(c.get("route").binaryValue(), 300), route);
            changes++;
        }
        assertTrue(changes >= 5);
    }

    @Test
    void capacitiesAreThoseOfGo() throws IOException {
        for (JsonNode c : messages().get("capacities")) {
            Capacities got = Wire.capacities(Decision.parseFrom(c.get("decision").binaryValue()), 4);
            for (int w = 0; w < 4; w++) {
                assertEquals(c.get("of").get(w).asDouble(), got.of(w), 1e-12);
                assertEquals(c.path("load").asDouble(), got.load());
                assertEquals(c.has("waiting"), got.hasWaiting());
                if (got.hasWaiting()) {
                    assertEquals(c.get("waiting").get(w).asDouble(), got.waiting(w));
                }
            }
        }
        assertNull(Wire.capacities(Decision.getDefaultInstance(), 4));
        assertThrows(IllegalArgumentException.class, () -> Wire.capacities(Decision.newBuilder().addCapacities(1).build(), 4));
        assertThrows(IllegalArgumentException.class, () -> Wire.capacities(Decision.newBuilder().addCapacities(0).build(), 1));
        assertThrows(
                IllegalArgumentException.class,
                () -> Wire.capacities(Decision.newBuilder().addCapacities(1).addWaiting(1).addWaiting(2).build(), 1));
    }

    @Test
    void changesThatCannotBeFollowedAreRefused() {
        Route base = Route.hash(3);
        KeyRoute twice = KeyRoute.newBuilder().setHash(1).addWorkers(0).build();
        for (RouteChange.Builder change : List.of(
                RouteChange.newBuilder().addSlots(5),
                RouteChange.newBuilder().addSlots(base.slots()).addWorkers(0),
                RouteChange.newBuilder().addSlots(-1).addWorkers(0),
                RouteChange.newBuilder().addSlots(0).addWorkers(3),
                RouteChange.newBuilder().addKeys(KeyRoute.newBuilder().setHash(1).addWorkers(3)),
                RouteChange.newBuilder().addKeys(twice).addKeys(twice))) {
            assertThrows(IllegalArgumentException.class, () -> Wire.change(change.build(), base), change.toString());
        }
    }

    /** Only large reports are packed; they are deflated, and come back. */
    @Test
    void largeReportsArePacked() throws IOException {
        PartitionerReport.Builder partitioner = PartitionerReport.newBuilder();
        for (int i = 0; i < 1000; i++) {
            partitioner.addHot(HotKey.newBuilder().setHash(i).setName(ByteString.copyFromUtf8("key " + i)).setCount(5));
        }
        Report report = Report.newBuilder().addPartitioners(partitioner).build();
        Packer packer = new Packer(1000);
        packer.request(report);
        AttachRequest second = packer.request(report);
        assertTrue(second.getPacked().size() < report.getSerializedSize() / 10, second.getPacked().size() + " bytes");
        Report back = Report.parseFrom(new InflaterInputStream(second.getPacked().newInput(), new Inflater(true)));
        assertEquals(1000, back.getPartitioners(0).getKnownKeysCount());
        Report small = Report.newBuilder().addPartitioners(PartitionerReport.newBuilder().setSent(3)).build();
        assertFalse(packer.request(small).hasPacked());
        assertEquals(small, packer.request(small).getReport());
    }

    @Test
    void decisionsAreUnpacked() throws IOException {
        Decision decision = Decision.newBuilder().setWindow(7).addCapacities(4096).build();
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (DeflaterOutputStream deflate = new DeflaterOutputStream(out, new Deflater(9, true))) {
            decision.writeTo(deflate);
        }
        ByteString packed = ByteString.copyFrom(out.toByteArray());
        assertEquals(decision, Wire.unpack(packed, 100));
        assertThrows(IOException.class, () -> Wire.unpack(packed, 3), "more than it may be");
        assertThrows(IOException.class, () -> Wire.unpack(packed.substring(0, packed.size() - 1), 100), "cut off");
        assertThrows(IOException.class, () -> Wire.unpack(ByteString.copyFrom(new byte[] {7, 7, 7}), 100), "not deflated");
        assertArrayEquals(new byte[0], Wire.unpack(ByteString.copyFrom(new byte[] {3, 0}), 100).toByteArray());
    }
}
