package io.github.saspart.flink.internal;

import java.util.Objects;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/** The type of envelopes of records of a type. */
public final class EnvelopeTypeInfo<T> extends PlainTypeInfo<Envelope<T>> {
    private static final long serialVersionUID = 1;

    private final TypeInformation<T> value;

    /** Envelopes of records of this type. */
    public EnvelopeTypeInfo(TypeInformation<T> value) {
        this.value = value;
    }

    @Override
    @SuppressWarnings("unchecked")
    public Class<Envelope<T>> getTypeClass() {
        return (Class<Envelope<T>>) (Class<?>) Envelope.class;
    }

    @Override
    public TypeSerializer<Envelope<T>> createSerializer(SerializerConfig config) {
        return new EnvelopeSerializer<>(value.createSerializer(config));
    }

    @Override
    public String toString() {
        return "Envelope<" + value + ">";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof EnvelopeTypeInfo && value.equals(((EnvelopeTypeInfo<?>) other).value);
    }

    @Override
    public int hashCode() {
        return Objects.hash(EnvelopeTypeInfo.class, value);
    }
}
