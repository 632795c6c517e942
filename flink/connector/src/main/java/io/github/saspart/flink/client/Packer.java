package io.github.saspart.flink.client;

import com.google.protobuf.ByteString;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.AttachRequest;
import io.github.saspart.v1.HotKey;
import io.github.saspart.v1.PartitionerReport;
import io.github.saspart.v1.Report;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.zip.Deflater;

/**
 * Packs the reports of one stream. Keys that came before on the stream are named by their numbers, slots
 * leave out the records of hot keys, and the report is deflated. Has one owner.
 */
final class Packer {
    /** The size in bytes from which a report is packed. A smaller one is sent sooner as it is. */
    private static final int SMALLEST = 16 << 10;

    /** Bounds the known keys, as a multiple of the keys in a window. */
    private static final int MOST_KNOWN = 16;

    private final int most;
    private final Map<Long, Integer> numbers = new HashMap<>(); // of the known keys
    private int known; // more than numbers has if a key came twice
    private long fingerprint; // of the known keys

    /** A packer for a new stream of a job whose windows have {@code keyLimit} keys. */
    Packer(int keyLimit) {
        most = MOST_KNOWN * keyLimit;
    }

    /** Makes the packer send all keys again, because the receiver may not know them: it has rejected a report. */
    void forget() {
        numbers.clear();
        known = 0;
        fingerprint = 0;
    }

    /** The message of a report: packed if it is large. */
    AttachRequest request(Report report) {
        if (report.getSerializedSize() < SMALLEST || report.getPartitionersCount() == 0) {
            return AttachRequest.newBuilder().setReport(report).build();
        }
        return AttachRequest.newBuilder().setPacked(deflate(pack(report).toByteArray())).build();
    }

    /** A report in its compact form. */
    Report pack(Report report) {
        Report.Builder packed = report.toBuilder().clearPartitioners();
        for (PartitionerReport p : report.getPartitionersList()) {
            packed.addPartitioners(pack(p));
        }
        return packed.build();
    }

    private PartitionerReport.Builder pack(PartitionerReport report) {
        TreeMap<Integer, HotKey> named = new TreeMap<>();
        List<HotKey> fresh = new ArrayList<>();
        divide(report.getHotList(), named, fresh);
        PartitionerReport.Builder packed = report.toBuilder().clearHot().setKnown(fingerprint).addAllHot(fresh);
        for (HotKey k : fresh) {
            numbers.put(k.getHash(), known++);
            fingerprint = mark(fingerprint, k.getHash());
        }
        boolean errors = named.values().stream().anyMatch(k -> k.getError() != 0);
        int next = 0;
        for (Map.Entry<Integer, HotKey> k : named.entrySet()) {
            packed.addKnownKeys(k.getKey() - next).addKnownCounts(k.getValue().getCount());
            if (errors) {
                packed.addKnownErrors(k.getValue().getError());
            }
            next = k.getKey() + 1;
        }
        long[] rest = rest(report);
        if (rest != null) {
            packed.clearSlots().setSlotsRest(true);
            for (long n : rest) {
                packed.addSlots(n);
            }
        }
        return packed;
    }

    /** Divides hot keys into known and fresh ones. If they would be more than may be known, all are fresh. */
    private void divide(List<HotKey> hot, TreeMap<Integer, HotKey> named, List<HotKey> fresh) {
        for (HotKey k : hot) {
            Integer number = numbers.get(k.getHash());
            if (number == null || named.putIfAbsent(number, k) != null) {
                fresh.add(k);
            }
        }
        if (known > 0 && known + fresh.size() > most) {
            forget();
            named.clear();
            fresh.clear();
            fresh.addAll(hot);
        }
    }

    /** The slots without the records of hot keys; null if a key has more records than its slot. */
    private static long[] rest(PartitionerReport report) {
        long[] slots = new long[report.getSlotsCount()];
        if (slots.length < 2) {
            return null;
        }
        for (int i = 0; i < slots.length; i++) {
            slots[i] = report.getSlots(i);
        }
        for (HotKey k : report.getHotList()) {
            int slot = Route.slotOf(k.getHash(), slots.length);
            slots[slot] -= k.getCount() - k.getError();
            if (slots[slot] < 0) {
                return null;
            }
        }
        return slots;
    }

    /** Adds a key to the fingerprint of those before it, which is 0 if there are none. */
    private static long mark(long fingerprint, long hash) {
        return Long.rotateLeft((fingerprint ^ hash) * 0x9e3779b97f4a7c15L, 29) | 1;
    }

    private static ByteString deflate(byte[] bytes) {
        Deflater deflater = new Deflater(Deflater.BEST_SPEED, true);
        try {
            deflater.setStrategy(Deflater.HUFFMAN_ONLY); // counts repeat no sequences
            deflater.setInput(bytes);
            deflater.finish();
            ByteString.Output out = ByteString.newOutput(bytes.length / 2);
            byte[] buffer = new byte[8192];
            while (!deflater.finished()) {
                out.write(buffer, 0, deflater.deflate(buffer));
            }
            return out.toByteString();
        } finally {
            deflater.end();
        }
    }
}
