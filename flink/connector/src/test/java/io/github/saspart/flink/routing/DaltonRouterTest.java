package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class DaltonRouterTest {
    /** Bits of x^n as Go 1.26 computes them. */
    @Test
    void powerIsThatOfGo() {
        check(0x1p+00, 0.9, 0);
        check(0x1.ccccccccccccdp-01, 0.9, 1);
        check(0x1.9eb851eb851ecp-01, 0.9, 2);
        check(0x1.e9c6a99d1cdcp-02, 0.9, 7);
        check(0x1.bda056ed49422p-16, 0.9, 100);
        check(0x1.cbd0211de7d44p-153, 0.9, 1001);
        check(0x1.fa8a46525db13p-761, 0.9, 5000);
        check(0, 0.9, 123456);
        check(0x1.76d12e9c2ff4p-02, 0.99, 100);
        check(0x1.6a9438c7aaf04p-73, 0.99, 5000);
        check(0x1.5152be12f5a5dp-04, 0.7, 7);
        check(0x1.e1c9ac14612aap-516, 0.7, 1001);
        check(0x1.c4895c3aa0c9p-01, 0.999999, 123456);
        check(0, 0.999999, 4294967295L);
        check(1, 1, 4294967295L);
        check(1, 0, 0);
        check(0, 0, 3);
    }

    private static void check(double want, double x, long n) {
        assertEquals(Double.toHexString(want), Double.toHexString(DaltonRouter.power(x, n)), x + "^" + n);
    }

    @Test
    void oneKeyEndsOnMaxSplitWorkers() {
        // Of 8 workers it gets maxSplit = 6, and Q levels their loads: 8/6 of the mean each.
        Router router = Routers.create(Options.of("dalton-original"), Feed.env(8));
        double[] late = new double[8];
        for (int slide = 0; slide < 60; slide++) {
            double[] counts = Feed.counts(router, 8, Feed.repeat(3, 1000));
            for (int w = 0; slide >= 30 && w < 8; w++) {
                late[w] += counts[w];
            }
            router.endSlide(slide);
        }
        assertEquals(6, Arrays.stream(late).filter(c -> c > 0).count(), Arrays.toString(late));
        assertTrue(Feed.skew(late) < 1.1 * 8 / 6, Arrays.toString(late));
    }

    @Test
    void metricsFindTheLeastBusyWorker() {
        DaltonMetricsRouter router = metrics(0, 1);
        router.observe(new double[] {0.9, 0.6, 0.2, 0.7});
        warm(router);
        Feed.workers(router, Feed.repeat(4, 1000));
        double[] counts = Feed.counts(router, 4, Feed.repeat(4, 2000));
        // 90 % exploit and a quarter of the rest explore there.
        assertTrue(counts[2] >= 1700, Arrays.toString(counts));
    }

    @Test
    void metricsRewardWorkersBelowTheMean() {
        double nan = Double.NaN;
        checkRewards("as busy as the mean", new double[] {0, 0}, 0.5, 0.5);
        checkRewards("(0.6-0.9)/0.9 and (0.6-0.3)/0.6", new double[] {-1.0 / 3, 0.5}, 0.9, 0.3);
        checkRewards("nothing to tell them apart", new double[] {0, 0}, 0, 0);
        checkRewards("a missing worker counts as saturated: mean 0.75", new double[] {-0.25, 1.0 / 3}, nan, 0.5);
        checkRewards("a window of another job is ignored", new double[] {0, 0}, 1);
    }

    private static void checkRewards(String why, double[] want, double... busy) {
        DaltonMetricsRouter router = new DaltonMetricsRouter(Options.of("dalton-metrics"), Feed.env(2));
        router.observe(busy);
        for (int w = 0; w < want.length; w++) {
            assertEquals(want[w], router.reward(null, null, w), 1e-12, why + ": worker " + w);
        }
    }

    /** A subtask of a job of four workers, with one slide to the window. */
    private static DaltonMetricsRouter metrics(int subtask, int subtasks) {
        return new DaltonMetricsRouter(Options.of("dalton-metrics"), Feed.env(4, subtask, subtasks, 1));
    }

    /** Makes key 4 hot, for this slide and the next. */
    private static void warm(Router router) {
        Feed.workers(router, Feed.repeat(4, 40));
        router.endSlide(0);
        Feed.workers(router, Feed.repeat(4, 11));
    }

    @Test
    void subtasksAbsorbWhatOthersLearned() {
        double[][] busy = {{0.9, 0.6, 0.2, 0.7}, {0.1, 0.5, 0.5, 0.9}};
        int[] records = {300, 100};
        List<DaltonMetricsRouter> routers = List.of(metrics(0, 3), metrics(1, 3), metrics(2, 3));
        for (int s = 0; s < 2; s++) {
            routers.get(s).observe(busy[s]);
            warm(routers.get(s));
            Feed.workers(routers.get(s), Feed.repeat(4, records[s] - 11));
        }
        List<byte[]> shares = new ArrayList<>();
        routers.forEach(r -> shares.add(r.share()));
        DaltonShare.Key first = DaltonShare.decode(shares.get(0), 4).find(4, 1);
        DaltonShare.Key second = DaltonShare.decode(shares.get(1), 4).find(4, 1);
        Feed.workers(routers.get(0), Feed.repeat(4, 200)); // rewards that come in before the answer
        routers.forEach(r -> r.absorb(shares));

        DaltonShare.Key late = DaltonShare.decode(routers.get(0).share(), 4).find(4, 1);
        for (int w = 0; w < 4; w++) {
            // The weights are the records since the key was known.
            double mean = (300 * first.q[w] + 100 * second.q[w]) / 400;
            double replayed = mean;
            for (int n = late.updates[w] - first.updates[w]; n > 0; n--) {
                replayed = 0.9 * replayed + 0.1 * routers.get(0).reward(null, null, w);
            }
            assertEquals(replayed, late.q[w], 1e-9, "Q of worker " + w + " for the first subtask");
            DaltonShare.Key other = DaltonShare.decode(routers.get(1).share(), 4).find(4, 1);
            assertEquals(mean, other.q[w], 1e-9, "Q of worker " + w + " for the second subtask");
        }
        int third = Feed.send(routers.get(2), 4);
        assertTrue(Router.merged(third), "a key that is hot for two subtasks is cold for the third");
    }

    @Test
    void sharesExpire() {
        DaltonMetricsRouter old = metrics(0, 2);
        warm(old);
        byte[] share = old.share();
        DaltonMetricsRouter router = metrics(1, 2);
        router.endSlide(10);
        router.absorb(Arrays.asList(share, null));
        assertEquals(0, Feed.send(router, 4), "a share made a key hot long after it had expired");
    }

    @Test
    void theHeaviestKeysAreShared() {
        DaltonRouter router = new DaltonRouter(Options.of("dalton-original"), Feed.env(3, 0, 2, 1));
        Feed.workers(router, Feed.repeat(1, 9));
        router.endSlide(0); // the threshold is 3
        Map<Long, Integer> records = Map.of(10L, 4, 11L, 9, 12L, 7, 13L, 20, 14L, 3);
        records.forEach((key, n) -> Feed.workers(router, Feed.repeat(key, n)));
        DaltonShare.Pool pool = new DaltonShare.Pool(3);
        pool.add(DaltonShare.decode(router.share(), 3), 0);
        long[] shared = pool.keys().stream().mapToLong(k -> k.hash).toArray();
        assertArrayEquals(new long[] {13, 11, 12}, shared, "one for each worker, of four hot ones");
    }
}
