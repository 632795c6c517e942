package io.github.saspart.flink.internal.report;

import com.google.protobuf.ByteString;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.HotKey;
import io.github.saspart.v1.PartitionerReport;
import java.util.Arrays;
import java.util.function.UnaryOperator;

/** What one partitioner subtask sees of the keys: heavy hitters by name, and the load of hash slots. Has one owner. */
public final class Observer {
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
    public Observer(int hot, int slots) {
        this.hot = hot;
        // With 32 counters or more per key named, an error is at most a sixteenth of the records per key.
        keys = new HeavyKeys(Integer.highestOneBit(Math.max(4096, 64 * hot)));
        this.slots = new long[slots];
    }

    /** Counts a record. */
    public void see(long hash, byte[] key, int length) {
        slots[Route.slotOf(hash, slots.length)]++;
        keys.see(hash, key, Math.min(length, MOST_NAME));
    }

    /** Reports the keys and slots since the last call; {@code name} turns a key's bytes into a readable name. */
    public void report(PartitionerReport.Builder to, UnaryOperator<byte[]> name) {
        for (HeavyKeys.Key k : keys.top(hot)) {
            to.addHot(HotKey.newBuilder()
                    .setHash(k.hash)
                    .setName(ByteString.copyFrom(name.apply(k.name)))
                    .setCount(k.count)
                    .setError(k.error));
        }
        for (long n : slots) {
            to.addSlots(n);
        }
        keys.reset();
        Arrays.fill(slots, 0);
    }
}
