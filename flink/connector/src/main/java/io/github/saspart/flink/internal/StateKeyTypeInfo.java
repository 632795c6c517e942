package io.github.saspart.flink.internal;

import java.util.Objects;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/** The type of a state's keys. */
public final class StateKeyTypeInfo<K> extends PlainTypeInfo<StateKey<K>> {
    private static final long serialVersionUID = 1;

    private final TypeInformation<K> key;

    /** Of keys of this type. */
    public StateKeyTypeInfo(TypeInformation<K> key) {
        this.key = key;
    }

    @Override
    @SuppressWarnings("unchecked")
    public Class<StateKey<K>> getTypeClass() {
        return (Class<StateKey<K>>) (Class<?>) StateKey.class;
    }

    @Override
    public TypeSerializer<StateKey<K>> createSerializer(SerializerConfig config) {
        return new StateKeySerializer<>(key.createSerializer(config));
    }

    @Override
    public String toString() {
        return "StateKey<" + key + ">";
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof StateKeyTypeInfo && key.equals(((StateKeyTypeInfo<?>) other).key);
    }

    @Override
    public int hashCode() {
        return Objects.hash(StateKeyTypeInfo.class, key);
    }
}
