package io.github.saspart.flink.internal;

import java.io.IOException;
import java.util.Objects;
import org.apache.flink.api.common.typeutils.CompositeTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializer;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * Writes an envelope as its destination, the hash, and the record; or as a notice, behind a destination
 * with a bit that no record's has.
 */
final class EnvelopeSerializer<T> extends TypeSerializer<Envelope<T>> {
    private static final long serialVersionUID = 1;

    /** Set in the destination of a notice; workers are below it, and MERGE is above. */
    private static final int NOTICE = 1 << 30;

    private final TypeSerializer<T> value;

    EnvelopeSerializer(TypeSerializer<T> value) {
        this.value = value;
    }

    @Override
    public void serialize(Envelope<T> from, DataOutputView out) throws IOException {
        if (from.notice != null) {
            out.writeInt(from.destination | NOTICE);
            out.writeInt(from.notice.length);
            out.write(from.notice);
            return;
        }
        out.writeInt(from.destination);
        out.writeLong(from.hash);
        value.serialize(from.value, out);
    }

    @Override
    public Envelope<T> deserialize(DataInputView in) throws IOException {
        return deserialize(new Envelope<>(), in);
    }

    @Override
    public Envelope<T> deserialize(Envelope<T> to, DataInputView in) throws IOException {
        int destination = in.readInt();
        if ((destination & NOTICE) != 0) {
            byte[] notice = new byte[in.readInt()];
            in.readFully(notice);
            return to.of(destination & ~NOTICE, notice);
        }
        return to.of(destination, in.readLong(), value.deserialize(in));
    }

    @Override
    public Envelope<T> copy(Envelope<T> from) {
        return copy(from, new Envelope<>());
    }

    @Override
    public Envelope<T> copy(Envelope<T> from, Envelope<T> to) {
        return from.notice != null
                ? to.of(from.destination, from.notice)
                : to.of(from.destination, from.hash, value.copy(from.value));
    }

    @Override
    public void copy(DataInputView in, DataOutputView out) throws IOException {
        int destination = in.readInt();
        out.writeInt(destination);
        if ((destination & NOTICE) != 0) {
            int length = in.readInt();
            out.writeInt(length);
            out.write(in, length);
            return;
        }
        out.writeLong(in.readLong());
        value.copy(in, out);
    }

    @Override
    public Envelope<T> createInstance() {
        return new Envelope<>();
    }

    @Override
    public TypeSerializer<Envelope<T>> duplicate() {
        return new EnvelopeSerializer<>(value.duplicate());
    }

    @Override
    public boolean isImmutableType() {
        return false;
    }

    @Override
    public int getLength() {
        return -1;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof EnvelopeSerializer && value.equals(((EnvelopeSerializer<?>) other).value);
    }

    @Override
    public int hashCode() {
        return Objects.hash(EnvelopeSerializer.class, value);
    }

    @Override
    public TypeSerializerSnapshot<Envelope<T>> snapshotConfiguration() {
        return new Snapshot<>(this);
    }

    /** What is kept of the serializer beside state; public for Flink to make. */
    public static final class Snapshot<T> extends CompositeTypeSerializerSnapshot<Envelope<T>, EnvelopeSerializer<T>> {
        /** For reading. */
        public Snapshot() {}

        Snapshot(EnvelopeSerializer<T> of) {
            super(of);
        }

        @Override
        protected int getCurrentOuterSnapshotVersion() {
            return 1;
        }

        @Override
        protected TypeSerializer<?>[] getNestedSerializers(EnvelopeSerializer<T> of) {
            return new TypeSerializer<?>[] {of.value};
        }

        @Override
        @SuppressWarnings("unchecked")
        protected EnvelopeSerializer<T> createOuterSerializerWithNestedSerializers(TypeSerializer<?>[] nested) {
            return new EnvelopeSerializer<>((TypeSerializer<T>) nested[0]);
        }
    }
}
