package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** No router allocates per record. */
class AllocationTest {
    private static final int RECORDS = 20_000;

    static List<String> names() {
        return Routers.names();
    }

    @ParameterizedTest
    @MethodSource("names")
    void routingAllocatesNothing(String name) {
        for (int workers : new int[] {8, 64}) {
            Random random = new Random(1);
            long[] hashes = Draw.zipf(random, RECORDS, 10_000, 1.2);
            Router router = Routers.create(Options.of(name), Feed.env(workers));
            if (router instanceof Follower) {
                ((Follower) router).follow(Draw.threeTiers(random, workers), 0);
            }
            check(router, hashes, name + " at P " + workers);
            if (router instanceof Limited) {
                ((Limited) router).within(Feed.unequal(workers));
                check(router, hashes, name + " within capacities at P " + workers);
            }
            if (router instanceof Unattended) {
                ((Unattended) router).unattended(true, 100);
                check(router, hashes, name + " unattended at P " + workers);
            }
        }
    }

    /** Tables grow in the first slides; after that the same records find all they need. */
    private static void check(Router router, long[] hashes, String what) {
        byte[] key = "some key".getBytes();
        com.sun.management.ThreadMXBean threads =
                (com.sun.management.ThreadMXBean) ManagementFactory.getThreadMXBean();
        long self = Thread.currentThread().getId();
        long least = Long.MAX_VALUE;
        for (int slide = 0; slide < 10; slide++) {
            long before = threads.getThreadAllocatedBytes(self);
            for (long hash : hashes) {
                router.route(hash, key, 0, key.length);
            }
            least = Math.min(least, threads.getThreadAllocatedBytes(self) - before);
            router.endSlide(slide);
        }
        assertTrue(least < RECORDS / 10, what + ": " + least + " bytes for " + RECORDS + " records");
    }
}
