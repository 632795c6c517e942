package io.github.saspart.flink.internal.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.google.protobuf.ByteString;
import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.HotKey;
import io.github.saspart.v1.PartitionerReport;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Collectors;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** {@link Observer} against counting all keys, from one report to the next. */
class ObserverTest {
    private static final int HOT = 64;
    private static final int SLOTS = 256;

    @Test
    void reportsSlotsExactlyAndEveryHeavyKeyByName() {
        Random random = new Random(1);
        Observer observer = new Observer(HOT, SLOTS);
        for (int report = 0; report < 6; report++) {
            int records = report == 3 ? 0 : 60_000 + random.nextInt(60_000);
            double skew = 1 + 3 * random.nextDouble();
            Map<String, Long> truth = new HashMap<>();
            long[] slots = new long[SLOTS];
            for (int i = 0; i < records; i++) {
                // Squared and so on, some keys come often, and most of 40,000 rarely.
                String key = report + "-key-" + (int) (40_000 * Math.pow(random.nextDouble(), skew));
                byte[] bytes = Arrays.copyOf(key.getBytes(StandardCharsets.UTF_8), 40); // longer than the key, as buffers are
                long hash = Hashing.hash(bytes, 0, key.length());
                observer.see(hash, bytes, key.length());
                truth.merge(key, 1L, Long::sum);
                slots[Route.slotOf(hash, SLOTS)]++;
            }
            PartitionerReport.Builder to = PartitionerReport.newBuilder();
            observer.report(to, name -> name);
            assertEquals(LongStream.of(slots).boxed().collect(Collectors.toList()), to.getSlotsList());
            check(to.getHotList(), truth, records);
        }
    }

    private static void check(List<HotKey> hot, Map<String, Long> truth, int records) {
        assertEquals(Math.min(HOT, truth.size()), hot.size());
        long bound = 2L * records / 4096; // of what a counter has too much
        Map<String, HotKey> named = hot.stream().collect(Collectors.toMap(k -> k.getName().toStringUtf8(), k -> k));
        for (HotKey k : hot) {
            String name = k.getName().toStringUtf8();
            long count = truth.get(name);
            assertTrue(k.getCount() >= count && k.getCount() - k.getError() <= count, name);
            assertTrue(k.getError() <= bound, name + " has an error of " + k.getError());
            assertEquals(Hashing.hash(name.getBytes(StandardCharsets.UTF_8)), k.getHash());
        }
        long least = hot.stream().mapToLong(HotKey::getCount).min().orElse(0);
        truth.forEach((key, count) ->
                assertTrue(named.containsKey(key) || count <= Math.max(least, bound), key + " is heavy and not named"));
    }

    @Test
    void longNamesAreCutToWhatTheProtocolTakes() {
        Observer observer = new Observer(HOT, SLOTS);
        byte[] key = new byte[5000];
        Arrays.fill(key, (byte) 'k');
        observer.see(Hashing.hash(key), key, key.length);
        PartitionerReport.Builder to = PartitionerReport.newBuilder();
        observer.report(to, name -> name);
        assertEquals(List.of(ByteString.copyFrom(key, 0, 1024)),
                to.getHotList().stream().map(HotKey::getName).collect(Collectors.toList()));
    }
}
