package io.github.saspart.flink.internal.report;

import io.github.saspart.flink.routing.Hashing;
import io.github.saspart.v1.PartitionerReport;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Random;

/**
 * Prints what observing a record costs, over hashing it: processor time per record, least and median of
 * several slides of a million records. To be run by hand:
 *
 * <pre>java -cp target/classes:target/test-classes:... io.github.saspart.flink.internal.report.ObserverBenchmark</pre>
 */
final class ObserverBenchmark {
    private static final int RECORDS = 1 << 20;
    private static final int WARM_UPS = 4;
    private static final int SLIDES = 15;

    private ObserverBenchmark() {}

    public static void main(String[] args) {
        measure("Zipf 1.0, 10,000 keys", 10_000, 1);
        measure("Zipf 1.0, 1,000,000 keys", 1_000_000, 1);
        measure("Zipf 1.5, 1,000,000 keys", 1_000_000, 1.5);
        measure("uniform, 1,000,000 keys", 1_000_000, 0);
    }

    private static void measure(String stream, int distinct, double exponent) {
        byte[][] keys = draw(distinct, exponent);
        Observer observer = new Observer(64, 4096);
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        double[] nanos = new double[SLIDES];
        for (int slide = -WARM_UPS; slide < SLIDES; slide++) {
            long begin = threads.getCurrentThreadCpuTime();
            long hashes = hash(keys);
            long middle = threads.getCurrentThreadCpuTime();
            hashes -= see(observer, keys);
            long end = threads.getCurrentThreadCpuTime();
            if (hashes != 0) {
                throw new IllegalStateException("the two ways have seen other keys");
            }
            if (slide >= 0) {
                nanos[slide] = (double) (end - middle - (middle - begin)) / RECORDS;
            }
            observer.report(PartitionerReport.newBuilder(), name -> name);
        }
        Arrays.sort(nanos);
        System.out.printf("%-26s %5.1f ns, median %5.1f%n", stream, nanos[0], nanos[SLIDES / 2]);
    }

    private static long hash(byte[][] keys) {
        long sum = 0;
        for (byte[] key : keys) {
            sum += Hashing.hash(key);
        }
        return sum;
    }

    private static long see(Observer observer, byte[][] keys) {
        long sum = 0;
        for (byte[] key : keys) {
            long hash = Hashing.hash(key);
            sum += hash;
            observer.see(hash, key, key.length);
        }
        return sum;
    }

    /** The keys of a slide's records. */
    private static byte[][] draw(int distinct, double exponent) {
        double[] until = new double[distinct];
        double sum = 0;
        for (int i = 0; i < distinct; i++) {
            sum += Math.pow(i + 1, -exponent);
            until[i] = sum;
        }
        Random random = new Random(1);
        byte[][] keys = new byte[RECORDS][];
        for (int i = 0; i < RECORDS; i++) {
            int at = Arrays.binarySearch(until, random.nextDouble() * sum);
            keys[i] = ("key-" + Math.min(at < 0 ? -at - 1 : at, distinct - 1)).getBytes(StandardCharsets.UTF_8);
        }
        return keys;
    }
}
