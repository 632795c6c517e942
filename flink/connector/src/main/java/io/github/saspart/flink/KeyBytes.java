package io.github.saspart.flink;

import java.io.Serializable;

/**
 * Turns keys into the bytes that they are hashed and named by. Equal keys have equal bytes, and
 * others have others. {@code String} (as UTF-8), {@code byte[]}, {@code Long} and {@code Integer} keys
 * need none.
 *
 * @param <K> the type of keys
 */
@FunctionalInterface
public interface KeyBytes<K> extends Serializable {
    /** The key's bytes, which are not kept. Up to 1 KiB of them show where people read keys. */
    byte[] of(K key);
}
