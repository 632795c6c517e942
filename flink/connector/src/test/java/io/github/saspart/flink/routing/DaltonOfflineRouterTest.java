package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DaltonOfflineRouterTest {
    private static final long A = hash("a");
    private static final long B = hash("b");
    private static final long C = hash("c");

    private static long hash(String key) {
        return Hashing.hash(key.getBytes(StandardCharsets.UTF_8));
    }

    /** A router after a slide with these records of the hot keys a, b, ..., of which some are truly hot. */
    private static Router offline(Map<String, ?> options, int trueHot, Env env, int... records) {
        List<String> names = List.of("a", "b", "c").subList(0, records.length);
        Map<String, Object> section = new HashMap<>(options);
        section.put("keys", names);
        section.put("mask", Map.of("true_hot", trueHot));
        Router router = Routers.create(Options.of(Map.of("name", "dalton-offline", "dalton_offline", section)), env);
        for (int i = 0; i < records.length; i++) {
            Feed.workers(router, Feed.repeat(hash(names.get(i)), records[i]));
        }
        router.endSlide(0);
        return router;
    }

    @Test
    void followsTheMask() {
        // Shares 6:2:1 of three hot keys; of the two true ones 3/4 and 1/4 of four workers.
        Router router = offline(Map.of(), 2, Feed.env(4), 60, 20, 10);
        router.endSlide(10); // what had to be merged because workers changed is past
        check("the first three quarters of the line", router, A, true, 0, 1, 2);
        check("one worker, nothing to merge", router, B, false, 3);
        check("not truly hot: everywhere", router, C, true, 0, 1, 2, 3);
    }

    private static void check(String why, Router router, long hash, boolean merge, int... workers) {
        int[] sent = IntStream.range(0, 2000).map(i -> Feed.send(router, hash)).toArray();
        assertTrue(Arrays.stream(sent).allMatch(d -> Router.merged(d) == merge), why);
        assertArrayEquals(workers, Arrays.stream(sent).map(Router::worker).sorted().distinct().toArray(), why);
    }

    @Test
    void levelsTheLoad() {
        for (double temperature : new double[] {0, 0.05, 1e-6}) {
            Router router = offline(Map.of("temperature", temperature), 1, Feed.env(4), 50);
            double[] counts = new double[4];
            for (int slide = 1; slide <= 20; slide++) {
                double[] more = Feed.counts(router, 4, Feed.repeat(A, 1000));
                Arrays.setAll(counts, w -> counts[w] + more[w]);
                router.endSlide(slide);
            }
            assertTrue(Feed.skew(counts) < 1.15, "temperature " + temperature + ": " + Arrays.toString(counts));
        }
    }

    @Test
    void drawsFromTheSoftmax() {
        double temperature = 0.3;
        double[] q = {0.9, 0.3, 0.6};
        RankedKey key = new RankedKey(A, 0, 1, temperature);
        key.allow(new int[] {0, 1, 2}, 3);
        for (int arm = 0; arm < q.length; arm++) {
            key.learn(arm, q[arm], 1); // a rate of 1 forgets what was before
        }
        int n = 30_000;
        Pcg random = new Pcg(1, 2);
        double[] counts = new double[3];
        for (int i = 0; i < n; i++) {
            counts[key.exploit(random)]++;
        }
        double sum = Arrays.stream(q).map(v -> Math.exp(v / temperature)).sum();
        for (int w = 0; w < q.length; w++) {
            double p = Math.exp(q[w] / temperature) / sum;
            assertEquals(n * p, counts[w], 5 * Math.sqrt(n * p * (1 - p)), "worker " + w);
        }
    }

    @Test
    void mergesWhileWindowsStraddleAChange() {
        // Key b gets a stretch of its own after slide 0, which went by slot.
        Router router = offline(Map.of("smoothing", 1), 2, Feed.env(4, 0, 1, 3), 30, 10);
        boolean[] merged = new boolean[4];
        for (int slide = 1; slide <= 4; slide++) {
            Feed.workers(router, Feed.repeat(A, 29));
            Feed.workers(router, Feed.repeat(B, 9));
            merged[slide - 1] = Router.merged(Feed.send(router, B));
            router.endSlide(slide);
        }
        boolean[] want = {true, true, false, false}; // windows of three slides have slide 0 up to slide 2
        assertArrayEquals(want, merged);
    }
}
