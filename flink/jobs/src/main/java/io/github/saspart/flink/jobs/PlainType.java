package io.github.saspart.flink.jobs;

import io.github.saspart.flink.internal.PlainTypeInfo;
import java.util.Objects;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/** The type of a class that has a serializer of its own and is no key. */
public final class PlainType<T> extends PlainTypeInfo<T> {
    private static final long serialVersionUID = 1;

    private final Class<T> type;
    private final TypeSerializer<T> serializer;

    /** The type of {@code type}, written by {@code serializer}. */
    public PlainType(Class<T> type, TypeSerializer<T> serializer) {
        this.type = type;
        this.serializer = serializer;
    }

    @Override
    public Class<T> getTypeClass() {
        return type;
    }

    @Override
    public TypeSerializer<T> createSerializer(SerializerConfig config) {
        return serializer.duplicate();
    }

    @Override
    public String toString() {
        return "PlainType(" + type.getName() + ")";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof PlainType && ((PlainType<?>) other).type == type
                && ((PlainType<?>) other).serializer.equals(serializer);
    }

    @Override
    public int hashCode() {
        return Objects.hash(type, serializer);
    }
}
