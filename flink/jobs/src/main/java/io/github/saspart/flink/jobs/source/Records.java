package io.github.saspart.flink.jobs.source;

import java.io.Closeable;
import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/**
 * The records of one split, one after the other. Pure but for reading a file: all randomness comes from
 * the seed, all time from the caller. Its position can be saved and taken up again, after which the same
 * records follow.
 */
interface Records extends Closeable {
    /**
     * The next record.
     *
     * @param offset its intended arrival, ns since the job's start; never falls
     * @return null after the last
     * @throws IOException what went wrong, where, and what would mend it
     */
    Event next(long offset) throws IOException;

    /** Writes the position. */
    void save(DataOutput out) throws IOException;

    /** Resumes at a position that {@link #save} has written. */
    void restore(DataInput in) throws IOException;

    /** Frees what is held open. */
    @Override
    default void close() throws IOException {}

    /** Opens the records of each split; the splits of one stream share what is immutable in it. */
    interface Opener {
        /** The records of {@code split} of {@code splits}, at their beginning. */
        Records open(int split, int splits) throws IOException;
    }

    /** The opener of the stream that {@code config} describes. */
    static Opener opener(SourceConfig config, Payload payload, long seed) {
        if (config.kind.equals("file")) {
            return (split, splits) -> new FileRecords(config.file, payload, split, splits);
        }
        return Synthetic.opener(config, new Payloads(payload, config, seed), seed);
    }
}
