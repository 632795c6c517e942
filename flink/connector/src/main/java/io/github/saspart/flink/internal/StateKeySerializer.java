package io.github.saspart.flink.internal;

import java.io.IOException;
import java.util.Objects;
import org.apache.flink.api.common.typeutils.CompositeTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Writes a state's key as its code, the key's hash, and the key. */
final class StateKeySerializer<K> extends TypeSerializer<StateKey<K>> {
    private static final long serialVersionUID = 1;

    private final TypeSerializer<K> key;

    StateKeySerializer(TypeSerializer<K> key) {
        this.key = key;
    }

    @Override
    public void serialize(StateKey<K> from, DataOutputView out) throws IOException {
        out.writeInt(from.code);
        out.writeLong(from.hash);
        key.serialize(from.key, out);
    }

    @Override
    public StateKey<K> deserialize(DataInputView in) throws IOException {
        return new StateKey<>(in.readInt(), in.readLong(), key.deserialize(in));
    }

    @Override
    public StateKey<K> deserialize(StateKey<K> reuse, DataInputView in) throws IOException {
        return deserialize(in);
    }

    @Override
    public StateKey<K> copy(StateKey<K> from) {
        return isImmutableType() ? from : new StateKey<>(from.code, from.hash, key.copy(from.key));
    }

    @Override
    public StateKey<K> copy(StateKey<K> from, StateKey<K> reuse) {
        return copy(from);
    }

    @Override
    public void copy(DataInputView in, DataOutputView out) throws IOException {
        out.writeInt(in.readInt());
        out.writeLong(in.readLong());
        key.copy(in, out);
    }

    @Override
    public StateKey<K> createInstance() {
        return new StateKey<>(0, 0, key.createInstance());
    }

    @Override
    public TypeSerializer<StateKey<K>> duplicate() {
        return new StateKeySerializer<>(key.duplicate());
    }

    @Override
    public boolean isImmutableType() {
        return key.isImmutableType();
    }

    @Override
    public int getLength() {
        return key.getLength() < 0 ? -1 : Integer.BYTES + Long.BYTES + key.getLength();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof StateKeySerializer && key.equals(((StateKeySerializer<?>) other).key);
    }

    @Override
    public int hashCode() {
        return Objects.hash(StateKeySerializer.class, key);
    }

    @Override
    public TypeSerializerSnapshot<StateKey<K>> snapshotConfiguration() {
        return new Snapshot<>(this);
    }

    /** What is kept of the serializer beside state; public for Flink to make. */
    public static final class Snapshot<K> extends CompositeTypeSerializerSnapshot<StateKey<K>, StateKeySerializer<K>> {
        /** For reading. */
        public Snapshot() {}

        Snapshot(StateKeySerializer<K> of) {
            super(of);
        }

        @Override
        protected int getCurrentOuterSnapshotVersion() {
            return 1;
        }

        @Override
        protected TypeSerializer<?>[] getNestedSerializers(StateKeySerializer<K> of) {
            return new TypeSerializer<?>[] {of.key};
        }

        @Override
        @SuppressWarnings("unchecked")
        protected StateKeySerializer<K> createOuterSerializerWithNestedSerializers(TypeSerializer<?>[] nested) {
            return new StateKeySerializer<>((TypeSerializer<K>) nested[0]);
        }
    }
}
