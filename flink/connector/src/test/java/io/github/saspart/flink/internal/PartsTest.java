package io.github.saspart.flink.internal;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Options;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.flink.routing.Router;
import io.github.saspart.v1.Control;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;
import org.apache.flink.api.java.tuple.Tuple2;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The small parts, each by itself. */
class PartsTest {

    private static <K> void encodes(TypeInformation<K> type, K key, byte[] want, String name) {
        KeyCodec<K> codec = KeyCodec.of(type, null, new SerializerConfigImpl());
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
        encodes(Types.SHORT, (short) 258, new byte[] {0, 0, 0, 0, 0, 0, 1, 2}, "258");
        encodes(Types.TUPLE(Types.STRING, Types.BOOLEAN), Tuple2.of("a", true), new byte[] {2, 'a', 1}, "(a,true)");
        encodes(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO, new byte[] {65, 66}, new byte[] {65, 66}, "AB");
        KeyCodec<Double> own = KeyCodec.of(Types.DOUBLE, (Double d) -> d.toString().getBytes(StandardCharsets.UTF_8), new SerializerConfigImpl());
        assertEquals(3, own.encode(1.5));
        Exception none = assertThrows(IllegalArgumentException.class, () -> KeyCodec.of(Types.OBJECT_ARRAY(Types.STRING), null, new SerializerConfigImpl()));
        assertTrue(none.getMessage().contains("keyBytes"), none.getMessage());
    }

    @Test
    void envelopesComeBack() throws Exception {
        TypeSerializer<Envelope<String>> serializer =
                new EnvelopeTypeInfo<>(Types.STRING).createSerializer(new ExecutionConfig());
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
        assertEquals(99, first.hash);
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

    /** What a server sends that is no partitioner changes nothing, and ends nothing. */
    @ParameterizedTest
    @ValueSource(strings = {"", "null", "[]", "7", "{\"name\":\"nobody\"}", "{\"name\":null}", "{\"name\":\"pkg\",\"dalton\":3}", "{"})
    void whatIsNoPartitionerIsNotTakenUp(String json) {
        Inbox inbox = new Inbox(0, null, () -> {});
        inbox.control(Control.newBuilder().setPartitioner(json).build());
        inbox.take(1, new Inbox.Taker() {
            @Override
            public void partitioner(Options options) {
                throw new AssertionError(json + " is taken for " + options.name);
            }

            @Override
            public void capacities(Capacities capacities) {}

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

}
