package io.github.saspart.flink.internal;

import org.apache.flink.api.common.ExecutionConfig;
import org.apache.flink.api.common.serialization.SerializerConfig;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.TypeSerializer;

/** The type of a class that has a serializer of its own and is no key: what all such types have in common. */
public abstract class PlainTypeInfo<T> extends TypeInformation<T> {
    private static final long serialVersionUID = 1;

    @Override
    public abstract TypeSerializer<T> createSerializer(SerializerConfig config);

    /** Flink 1.20 asks for it by this, Flink 2 does not. */
    @SuppressWarnings("deprecation")
    public TypeSerializer<T> createSerializer(ExecutionConfig config) {
        return createSerializer(config.getSerializerConfig());
    }

    @Override
    public boolean isBasicType() {
        return false;
    }

    @Override
    public boolean isTupleType() {
        return false;
    }

    @Override
    public int getArity() {
        return 1;
    }

    @Override
    public int getTotalFields() {
        return 1;
    }

    @Override
    public boolean isKeyType() {
        return false;
    }

    @Override
    public boolean canEqual(Object other) {
        return getClass().isInstance(other);
    }
}
