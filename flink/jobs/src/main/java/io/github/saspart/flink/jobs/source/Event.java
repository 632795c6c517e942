package io.github.saspart.flink.jobs.source;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Objects;
import org.apache.flink.api.common.typeinfo.TypeInfo;

/**
 * A record of the stream: a key and the payload that the task reads. It is immutable, and so are its
 * arrays: sources share keys and payloads between records. Its event time is that of the stream record
 * around it.
 */
@TypeInfo(EventType.Factory.class)
public final class Event {
    private static final double[] NO_VALUES = {};

    /** Any bytes, also none. */
    public final byte[] key;

    /** The payload of word counts: a sentence; else empty. */
    public final String text;

    /** The payload of t-digests: finite numbers; else none. */
    public final double[] values;

    /** A record with a sentence, which may be empty. */
    public Event(byte[] key, String text) {
        this(key, text, NO_VALUES);
    }

    /** A record with values. */
    public Event(byte[] key, double[] values) {
        this(key, "", values);
    }

    Event(byte[] key, String text, double[] values) {
        this.key = key;
        this.text = text;
        this.values = values;
    }

    @Override
    public boolean equals(Object other) {
        if (!(other instanceof Event)) {
            return false;
        }
        Event that = (Event) other;
        return Arrays.equals(key, that.key) && text.equals(that.text) && Arrays.equals(values, that.values);
    }

    @Override
    public int hashCode() {
        return Objects.hash(Arrays.hashCode(key), text, Arrays.hashCode(values));
    }

    @Override
    public String toString() {
        return new String(key, StandardCharsets.UTF_8) + ": " + text + Arrays.toString(values);
    }
}
