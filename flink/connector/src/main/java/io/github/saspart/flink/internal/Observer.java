package io.github.saspart.flink.internal;

import com.google.protobuf.ByteString;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.HotKey;
import io.github.saspart.v1.PartitionerReport;
import java.util.Arrays;

/** What one partitioner subtask sees of the keys: heavy hitters by name, and the load of hash slots. Has one owner. */
final class Observer {
    private static final int MOST_NAME = 1024; // bytes that the protocol takes

    private final int hot;
    private final HeavyKeys keys;
    private final long[] slots;

    /**
     * Makes one.
     *
     * @param hot heavy keys to report
     * @param slots a power of two
     */
    Observer(int hot, int slots) {
        this.hot = hot;
        // With 32 counters or more per key named, an error is at most a sixteenth of the records per key.
        keys = new HeavyKeys(Integer.highestOneBit(Math.max(4096, 64 * hot)));
        this.slots = new long[slots];
    }

    /** Counts a record. */
    void see(long hash, byte[] key, int length) {
        slots[Route.slotOf(hash, slots.length)]++;
        keys.see(hash, key, Math.min(length, MOST_NAME));
    }

    /** Reports what was seen since the last call. */
    void report(PartitionerReport.Builder to, KeyCodec<?> codec) {
        for (int k : keys.top(hot)) {
            to.addHot(HotKey.newBuilder()
                    .setHash(keys.hash(k))
                    .setName(ByteString.copyFrom(codec.name(keys.name(k))))
                    .setCount(keys.count(k))
                    .setError(keys.error(k)));
        }
        for (long n : slots) {
            to.addSlots(n);
        }
        keys.reset();
        Arrays.fill(slots, 0);
    }
}
