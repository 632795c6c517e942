package io.github.saspart.flink.internal;

import com.google.protobuf.ByteString;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.flink.routing.SpaceSaving;
import io.github.saspart.v1.HotKey;
import io.github.saspart.v1.PartitionerReport;
import java.util.Arrays;

/** What one partitioner subtask sees of the keys: heavy hitters by name, and the load of hash slots. Has one owner. */
final class Observer {
    private static final int MOST_NAME = 1024; // bytes that the protocol takes

    private final int hot;
    private final SpaceSaving sketch;
    private final long[] slots;

    /**
     * Makes one.
     *
     * @param hot heavy keys to report
     * @param slots a power of two
     */
    Observer(int hot, int slots) {
        this.hot = hot;
        // With 16 counters per key named the last of them is still well above the sketch's error.
        sketch = new SpaceSaving(Math.max(1024, 16 * hot), true);
        this.slots = new long[slots];
    }

    /** Counts a record. */
    void see(long hash, byte[] key, int length) {
        slots[Route.slotOf(hash, slots.length)]++;
        sketch.observe(hash, key, 0, Math.min(length, MOST_NAME));
    }

    /** Reports what was seen since the last call. */
    void report(PartitionerReport.Builder to, KeyCodec<?> codec) {
        for (SpaceSaving.HotKey k : sketch.top(hot)) {
            to.addHot(HotKey.newBuilder()
                    .setHash(k.hash)
                    .setName(ByteString.copyFrom(codec.name(k.name)))
                    .setCount(k.count)
                    .setError(k.error));
        }
        for (long n : slots) {
            to.addSlots(n);
        }
        sketch.reset();
        Arrays.fill(slots, 0);
    }
}
