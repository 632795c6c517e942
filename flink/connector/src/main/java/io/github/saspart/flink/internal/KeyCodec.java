package io.github.saspart.flink.internal;

import io.github.saspart.flink.KeyBytes;
import java.io.IOException;
import java.io.Serializable;
import java.io.UncheckedIOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.core.memory.DataInputDeserializer;
import org.apache.flink.core.memory.DataOutputSerializer;

/**
 * Writes keys as bytes into a buffer that is reused, so that nothing is allocated per record. Has
 * one owner.
 *
 * @param <K> the type of keys
 */
public abstract class KeyCodec<K> implements Serializable {
    private static final long serialVersionUID = 1;

    /** Eight bytes of an array, the first the lowest. */
    private static final VarHandle EIGHT = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.LITTLE_ENDIAN);

    transient byte[] buffer;

    /**
     * The codec for keys of a type; {@code function} makes the bytes if it is not null. Without it, types beside strings,
     * whole numbers and bytes are written by Flink's own serializer, made for this configuration.
     */
    @SuppressWarnings("unchecked")
    public static <K> KeyCodec<K> of(TypeInformation<K> type, KeyBytes<?> function, SerializerConfig config) {
        Class<K> of = type.getTypeClass();
        if (function != null) {
            return new ByFunction<>((KeyBytes<K>) function);
        }
        if (of == String.class) {
            return (KeyCodec<K>) new OfStrings();
        }
        if (of == Long.class || of == Integer.class || of == Short.class || of == Byte.class) {
            return (KeyCodec<K>) new OfNumbers();
        }
        if (type.equals(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO)) {
            return (KeyCodec<K>) new ByFunction<byte[]>(key -> key);
        }
        if (!type.isKeyType()) {
            throw new IllegalArgumentException(
                    "key: Flink has no equality for " + type + "; give the options a keyBytes function, or use another key");
        }
        return new BySerializer<>(type.createSerializer(config));
    }

    /** Writes the key to the start of {@link #buffer}, and returns how many bytes it has. */
    abstract int encode(K key);

    /** How people may read a key that was written as {@code bytes}. */
    byte[] name(byte[] bytes) {
        return bytes;
    }

    /** Makes room for the given number of bytes. */
    final void room(int bytes) {
        if (buffer == null || buffer.length < bytes) {
            buffer = new byte[Math.max(64, 2 * bytes)];
        }
    }

    private static final class ByFunction<K> extends KeyCodec<K> {
        private static final long serialVersionUID = 1;

        private final KeyBytes<K> function;

        ByFunction(KeyBytes<K> function) {
            this.function = function;
        }

        @Override
        int encode(K key) {
            buffer = function.of(key);
            return buffer.length;
        }
    }

    /** As UTF-8. */
    private static final class OfStrings extends KeyCodec<String> {
        private static final long serialVersionUID = 1;

        @Override
        int encode(String key) {
            int n = key.length();
            room(n + 7);
            int seen = 0;
            for (int from = 0; from < n; from += 8) {
                // Eight at a time: what reads them so afterwards need not wait for single bytes to be stored.
                long eight = 0;
                for (int i = Math.min(n, from + 8) - 1; i >= from; i--) {
                    char c = key.charAt(i);
                    seen |= c;
                    eight = eight << 8 | c;
                }
                EIGHT.set(buffer, from, eight);
            }
            return seen > 0x7f ? encodeAny(key) : n;
        }

        private int encodeAny(String key) {
            buffer = key.getBytes(StandardCharsets.UTF_8);
            return buffer.length;
        }
    }

    /** As eight bytes, the highest first; people read the number. */
    private static final class OfNumbers extends KeyCodec<Number> {
        private static final long serialVersionUID = 1;

        @Override
        int encode(Number key) {
            room(8);
            EIGHT.set(buffer, 0, Long.reverseBytes(key.longValue()));
            return 8;
        }

        @Override
        byte[] name(byte[] bytes) {
            long number = 0;
            for (byte b : Arrays.copyOf(bytes, 8)) {
                number = number << 8 | b & 0xff;
            }
            return Long.toString(number).getBytes(StandardCharsets.US_ASCII);
        }
    }

    /** As Flink writes them, where equal keys are written alike; people read the key's text. */
    private static final class BySerializer<K> extends KeyCodec<K> {
        private static final long serialVersionUID = 1;

        private final TypeSerializer<K> serializer;
        private transient DataOutputSerializer out;

        BySerializer(TypeSerializer<K> serializer) {
            this.serializer = serializer;
        }

        @Override
        int encode(K key) {
            if (out == null) {
                out = new DataOutputSerializer(64);
            }
            out.clear();
            try {
                serializer.serialize(key, out);
            } catch (IOException e) {
                throw new UncheckedIOException("write key " + key, e);
            }
            buffer = out.getSharedBuffer();
            return out.length();
        }

        @Override
        byte[] name(byte[] bytes) {
            try {
                return String.valueOf(serializer.deserialize(new DataInputDeserializer(bytes))).getBytes(StandardCharsets.UTF_8);
            } catch (IOException e) {
                return bytes;
            }
        }
    }
}
