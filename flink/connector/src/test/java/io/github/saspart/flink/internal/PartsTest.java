package io.github.saspart.flink.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.flink.routing.Options;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.flink.routing.Router;
import io.github.saspart.v1.Control;
import io.github.saspart.v1.Latency;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.runtime.metrics.TimerGauge;
import org.apache.flink.util.clock.ManualClock;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The small parts, each by itself. */
class PartsTest {
    @Test
    void longSetEqualsASet() {
        Random random = new Random(1);
        LongSet set = new LongSet(300);
        Set<Long> twin = new HashSet<>();
        for (int i = 0; i < 2000; i++) {
            long hash = random.nextInt(500) * (random.nextBoolean() ? 1L : 1L << 40);
            boolean room = twin.size() < 300 || twin.contains(hash);
            assertEquals(room, set.add(hash));
            if (room) {
                twin.add(hash);
            }
            assertEquals(twin.size(), set.size());
        }
        assertTrue(twin.contains(0L), "0, which is no cell, is among them");
        long[] all = set.toArray();
        assertEquals(twin.size(), all.length);
        for (long hash : all) {
            assertTrue(twin.contains(hash) && set.contains(hash));
        }
        assertFalse(set.contains(-1));
    }

    private static <K> void encodes(TypeInformation<K> type, K key, byte[] want, String name) {
        KeyCodec<K> codec = KeyCodec.of(type, null);
        for (int i = 0; i < 2; i++) { // the buffer is reused
            int n = codec.encode(key);
            byte[] got = Arrays.copyOf(codec.buffer, n);
            assertArrayEquals(want, got, name);
            assertEquals(name, new String(codec.name(got), StandardCharsets.UTF_8));
        }
    }

    @Test
    void keysAreEncoded() {
        for (String s : List.of("", "k1", "longer than the buffer at first ".repeat(3), "naïve", "日本", "𝄞")) {
            encodes(Types.STRING, s, s.getBytes(StandardCharsets.UTF_8), s);
        }
        encodes(Types.LONG, -2L, new byte[] {-1, -1, -1, -1, -1, -1, -1, -2}, "-2");
        encodes(Types.INT, 258, new byte[] {0, 0, 0, 0, 0, 0, 1, 2}, "258");
        encodes(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO, new byte[] {65, 66}, new byte[] {65, 66}, "AB");
        KeyCodec<Double> own = KeyCodec.of(Types.DOUBLE, (Double d) -> d.toString().getBytes(StandardCharsets.UTF_8));
        assertEquals(3, own.encode(1.5));
        Exception none = assertThrows(IllegalArgumentException.class, () -> KeyCodec.of(Types.DOUBLE, null));
        assertTrue(none.getMessage().contains("keyBytes"), none.getMessage());
    }

    @Test
    void envelopesComeBack() throws Exception {
        for (boolean hashed : new boolean[] {true, false}) {
            TypeSerializer<Envelope<String>> serializer =
                    new EnvelopeTypeInfo<>(Types.STRING, hashed).createSerializer(new ExecutionConfig());
            DataOutputSerializer out = new DataOutputSerializer(64);
            serializer.serialize(new Envelope<String>().of(7 | Router.MERGE, 99, "x"), out);
            serializer.serialize(new Envelope<String>().of(0, new byte[] {1, 2, 3}), out);
            serializer.serialize(new Envelope<String>().of(Route.MAX_WORKERS - 1, -1, ""), out);
            DataInputDeserializer from = new DataInputDeserializer(out.getCopyOfBuffer());
            DataOutputSerializer copied = new DataOutputSerializer(64);
            for (int i = 0; i < 3; i++) {
                serializer.copy(from, copied);
            }
            assertArrayEquals(out.getCopyOfBuffer(), copied.getCopyOfBuffer());
            DataInputDeserializer in = new DataInputDeserializer(copied.getCopyOfBuffer());
            Envelope<String> first = serializer.copy(serializer.deserialize(in));
            Envelope<String> second = serializer.copy(serializer.deserialize(in));
            Envelope<String> third = serializer.deserialize(in);
            assertEquals(7 | Router.MERGE, first.destination);
            assertEquals(hashed ? 99 : 0, first.hash);
            assertEquals("x", first.value);
            assertNull(first.notice);
            assertEquals(0, second.destination);
            assertArrayEquals(new byte[] {1, 2, 3}, second.notice);
            assertNull(second.value);
            assertEquals(Route.MAX_WORKERS - 1, third.destination);
            assertEquals("", third.value);
            assertEquals(0, in.available());
            TypeSerializer<Envelope<String>> restored = serializer.snapshotConfiguration().restoreSerializer();
            assertEquals(serializer, serializer.duplicate());
            assertEquals(EnvelopeSerializer.class, restored.getClass());
        }
    }

    @Test
    void latenciesFallIntoTheProtocolsBuckets() {
        Latencies latencies = new Latencies();
        assertNull(latencies.take(), "nothing was recorded");
        long[] times = {0, 1, 255, 256, 257, 511, 512, 1_000_000, 3_600_000_000_000L, Long.MAX_VALUE, -5};
        for (long v : times) {
            latencies.record(v);
        }
        Latency message = latencies.take();
        assertEquals(times.length, message.getCountsList().stream().mapToLong(n -> n).sum());
        assertEquals(Long.MAX_VALUE, message.getMaxNs());
        for (long v : times) { // as the protocol says: e is the least number for which v >> e is below 256
            long at = Math.max(0, v);
            int e = 0;
            while (at >> e >= 256) {
                e++;
            }
            int bucket = Math.min(4991, 128 * e + (int) (at >> e));
            assertTrue(message.getBucketsList().contains(bucket), v + " ns is in bucket " + bucket);
        }
        assertNull(latencies.take(), "they are counted anew");
    }

    @Test
    void slidesAreNumbered() {
        assertEquals(0, Slides.of(99, 100));
        assertEquals(1, Slides.of(100, 100));
        assertEquals(-1, Slides.of(-1, 100), "before the epoch");
        assertTrue(Slides.of(Long.MIN_VALUE, 1) > Slides.FIRST);
        assertTrue(Slides.of(Long.MAX_VALUE, 1) < Slides.LAST);
        assertEquals(-1, Slides.ended(98, 100), "a record at 99 may come");
        assertEquals(0, Slides.ended(99, 100));
        assertEquals(Slides.LAST, Slides.ended(Long.MAX_VALUE, 100));
        assertTrue(Slides.ended(Long.MIN_VALUE, 100) <= Slides.of(Long.MIN_VALUE, 100));
    }

    /** Beside each key's worker by both routes. */
    @Test
    void movesAreFound() {
        Random random = new Random(3);
        for (int round = 0; round < 50; round++) {
            Route a = route(random, 1 << 4 + random.nextInt(3));
            Route b = route(random, 1 << 4 + random.nextInt(3));
            Moves moves = RouteMap.of(a).to(RouteMap.of(b));
            for (int i = 0; i < 200; i++) {
                long hash = i < 10 ? Hashing.hash(new byte[] {(byte) i}) : random.nextLong();
                if (worker(a, hash) != worker(b, hash)) {
                    assertTrue(moves.hasSlot(hash) || moves.keys().contains(hash), "a key that moves");
                }
            }
            assertFalse(RouteMap.of(a).to(RouteMap.of(a)).hasSlot(random.nextLong()), "nothing moves");
        }
        assertTrue(RouteMap.HOME.to(RouteMap.of(Route.hash(3))).hasSlot(5), "everything may");
    }

    /** What a server sends that is no partitioner changes nothing, and ends nothing. */
    @ParameterizedTest
    @ValueSource(strings = {"", "null", "[]", "7", "{\"name\":\"nobody\"}", "{\"name\":null}", "{\"name\":\"pkg\",\"dalton\":3}", "{"})
    void whatIsNoPartitionerIsNotTakenUp(String json) {
        Inbox inbox = new Inbox(0, null);
        inbox.control(Control.newBuilder().setPartitioner(json).build());
        inbox.take(1, new Inbox.Taker() {
            @Override
            public void partitioner(Options options) {
                throw new AssertionError(json + " is taken for " + options.name);
            }

            @Override
            public void route(Route route) {}

            @Override
            public void busy(double[] ratios) {}

            @Override
            public void shares(List<byte[]> shares) {}

            @Override
            public void alone(boolean alone) {}
        });
    }

    private static Route route(Random random, int slots) {
        int[] to = random.ints(slots, 0, 3).toArray();
        Route.Key[] keys = new Route.Key[10];
        for (int i = 0; i < keys.length; i++) {
            keys[i] = new Route.Key(Hashing.hash(new byte[] {(byte) i}), new int[] {random.nextInt(3)}, new double[] {1});
        }
        return new Route(1, 3, Arrays.asList(keys).subList(0, random.nextInt(10)), to);
    }

    private static int worker(Route route, long hash) {
        for (Route.Key k : route.keys()) {
            if (k.hash() == hash) {
                return k.worker(0);
            }
        }
        return route.slot(Route.slotOf(hash, route.slots()));
    }

    /** A gauge says what it has measured; what it still measures is added, also past its own updates. */
    @Test
    void gaugesAreReadWhileTheyMeasure() {
        ManualClock clock = new ManualClock(1_000_000_000); // at 0 a gauge takes itself for stopped
        TimerGauge gauge = new TimerGauge(clock);
        assertEquals(0, BusyTime.millis(gauge, clock.absoluteTimeMillis()));
        gauge.markStart();
        clock.advanceTime(30, TimeUnit.MILLISECONDS);
        assertEquals(30, BusyTime.millis(gauge, clock.absoluteTimeMillis()), "it is still measuring");
        gauge.update();
        clock.advanceTime(12, TimeUnit.MILLISECONDS);
        assertEquals(42, BusyTime.millis(gauge, clock.absoluteTimeMillis()), "it has been updated in between");
        gauge.markEnd();
        clock.advanceTime(50, TimeUnit.MILLISECONDS);
        assertEquals(42, BusyTime.millis(gauge, clock.absoluteTimeMillis()), "it has stopped");
    }
}
