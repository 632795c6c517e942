package io.github.saspart.flink.jobs.source;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import org.apache.flink.api.connector.source.SourceSplit;
import org.apache.flink.core.io.SimpleVersionedSerializer;

/** A part of the stream and how far it has been read. */
final class StreamSplit implements SourceSplit {
    static final Serializer SERIALIZER = new Serializer();

    final int index;
    final int splits; // of the stream
    final long start; // of the stream, ns since the epoch
    final byte[] position; // of a Cursor; empty: the beginning

    StreamSplit(int index, int splits, long start, byte[] position) {
        this.index = index;
        this.splits = splits;
        this.start = start;
        this.position = position;
    }

    @Override
    public String splitId() {
        return Integer.toString(index);
    }

    /** Version 1: index, splits, start, length of the position, position. */
    static final class Serializer implements SimpleVersionedSerializer<StreamSplit> {
        @Override
        public int getVersion() {
            return 1;
        }

        @Override
        public byte[] serialize(StreamSplit split) throws IOException {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream();
            DataOutputStream out = new DataOutputStream(bytes);
            out.writeInt(split.index);
            out.writeInt(split.splits);
            out.writeLong(split.start);
            out.writeInt(split.position.length);
            out.write(split.position);
            return bytes.toByteArray();
        }

        @Override
        public StreamSplit deserialize(int version, byte[] bytes) throws IOException {
            if (version != 1) {
                throw new IOException("source: the saved state has version " + version + ", of which only 1 is known; use the release that wrote it");
            }
            DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes));
            int index = in.readInt();
            int splits = in.readInt();
            long start = in.readLong();
            byte[] position = new byte[in.readInt()];
            in.readFully(position);
            return new StreamSplit(index, splits, start, position);
        }
    }
}
