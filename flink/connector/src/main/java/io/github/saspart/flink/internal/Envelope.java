package io.github.saspart.flink.internal;

/**
 * What partitioners send to workers that aggregate: a record with its destination, or a {@link Notice}.
 *
 * @param <T> the type of records
 */
public final class Envelope<T> {
    /** A worker's index, with {@link io.github.saspart.flink.routing.Router#MERGE} set or not. */
    public int destination;
    /** Of the record's key; 0 with a notice. */
    public long hash;
    /** The record; null with a notice. */
    public T value;
    /** An encoded notice; null with a record. */
    public byte[] notice;

    /** An empty one. */
    public Envelope() {}

    /** Makes it one of a record. */
    Envelope<T> of(int destination, long hash, T value) {
        this.destination = destination;
        this.hash = hash;
        this.value = value;
        this.notice = null;
        return this;
    }

    /** Makes it one of a notice. */
    Envelope<T> of(int worker, byte[] notice) {
        this.destination = worker;
        this.hash = 0;
        this.value = null;
        this.notice = notice;
        return this;
    }
}
