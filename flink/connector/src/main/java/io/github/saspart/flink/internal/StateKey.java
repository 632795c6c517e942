package io.github.saspart.flink.internal;

import java.util.Arrays;

/**
 * A key as the state backend of a worker knows it: with a hash code that puts it into one of the worker's own
 * key groups ({@link OwnGroups}), wherever Flink's hash of the key would.
 *
 * @param <K> the type of keys
 */
public final class StateKey<K> {
    final int code;
    final long hash; // of the key, as everywhere
    final K key;

    StateKey(int code, long hash, K key) {
        this.code = code;
        this.hash = hash;
        this.key = key;
    }

    /** Whether two keys are the same; byte arrays are by what they hold. */
    static boolean same(Object a, Object b) {
        return a.equals(b) || a instanceof byte[] && b instanceof byte[] && Arrays.equals((byte[]) a, (byte[]) b);
    }

    @Override
    public int hashCode() {
        return code;
    }

    @Override
    public boolean equals(Object other) {
        if (!(other instanceof StateKey)) {
            return false;
        }
        StateKey<?> that = (StateKey<?>) other;
        return code == that.code && hash == that.hash && same(key, that.key);
    }

    @Override
    public String toString() {
        return String.valueOf(key);
    }
}
