package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.flink.routing.Pcg;
import java.nio.charset.StandardCharsets;

/** A synthetic source's keys by rank, with their hashes. */
final class Keys {
    private static final byte[] PREFIX = "key-".getBytes(StandardCharsets.UTF_8);

    final byte[][] names;
    final long[] hashes;

    private Keys(int n) {
        names = new byte[n][];
        hashes = new long[n];
    }

    /** Keys named by number: key-0000 to key-9999 for 10,000 of them. */
    static Keys numbered(int n) {
        Keys keys = new Keys(n);
        int width = Integer.toString(n - 1).length();
        for (int i = 0; i < n; i++) {
            byte[] name = new byte[PREFIX.length + width];
            System.arraycopy(PREFIX, 0, name, 0, PREFIX.length);
            for (int rest = i, at = name.length - 1; at >= PREFIX.length; at--, rest /= 10) {
                name[at] = (byte) ('0' + rest % 10);
            }
            keys.set(i, name);
        }
        return keys;
    }

    /** A single key. */
    static Keys named(String name) {
        Keys keys = new Keys(1);
        keys.set(0, name.getBytes(StandardCharsets.UTF_8));
        return keys;
    }

    private void set(int i, byte[] name) {
        names[i] = name;
        hashes[i] = Hashing.hash(name);
    }

    /** The same keys dealt to ranks in a random order (Fisher and Yates). */
    Keys dealt(Pcg rng) {
        Keys out = new Keys(names.length);
        System.arraycopy(names, 0, out.names, 0, names.length);
        System.arraycopy(hashes, 0, out.hashes, 0, hashes.length);
        for (int i = names.length - 1; i > 0; i--) {
            int j = (int) Unsigned.multiplyHigh(rng.nextLong(), i + 1);
            byte[] name = out.names[i];
            out.names[i] = out.names[j];
            out.names[j] = name;
            long hash = out.hashes[i];
            out.hashes[i] = out.hashes[j];
            out.hashes[j] = hash;
        }
        return out;
    }
}
