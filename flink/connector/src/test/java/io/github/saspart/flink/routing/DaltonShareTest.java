package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class DaltonShareTest {
    /** A share of random keys whose arms have partly been tried; key i has hash i. */
    private static byte[] shareOf(int keys, int workers, Arms[] arms, Random random) {
        DaltonShare share = new DaltonShare(-2);
        for (int i = 0; i < keys; i++) {
            KnownKey k = new KnownKey(i, new WorkerSet(workers, 1, false));
            k.admit(i, 0, 7);
            k.term = 100 + i;
            k.until = 8;
            k.count = 1 + keys - i;
            arms[i] = new Arms(workers);
            arms[i].begin(k, -2);
            for (int n = random.nextInt(2 * workers); n > 0; n--) {
                arms[i].learn(random.nextInt(workers), random.nextDouble(), 0.1);
            }
            share.add(k, arms[i]);
        }
        return share.encode(workers);
    }

    @Test
    void isReadAsItWasWritten() {
        for (int seed = 0; seed < 50; seed++) {
            Random random = new Random(seed);
            int workers = 1 + random.nextInt(70);
            Arms[] arms = new Arms[random.nextInt(workers + 3)];
            DaltonShare read = DaltonShare.decode(shareOf(arms.length, workers, arms, random), workers);
            for (int i = 0; i < arms.length; i++) {
                DaltonShare.Key k = read.find(i, 100 + i);
                if (i >= workers) {
                    assertNull(k, "more keys than workers");
                    continue;
                }
                assertEquals(8, k.until);
                assertEquals(1 + arms.length - i, k.weight);
                assertArrayEquals(arms[i].q, k.q);
                assertArrayEquals(arms[i].updates, k.updates);
            }
        }
    }

    @Test
    void staysWithinItsBound() {
        int workers = 1000; // a share with all arms of 1000 keys would take 14 MB
        Arms[] arms = new Arms[workers];
        byte[] bytes = shareOf(workers, workers, arms, new Random(1));
        assertTrue(bytes.length <= DaltonShare.MOST_BYTES);
        assertTrue(bytes.length > DaltonShare.MOST_BYTES - 20_000, "there was room for another key");
        DaltonShare read = DaltonShare.decode(bytes, workers);
        assertNotNull(read.find(0, 100), "the heaviest key");
        assertNull(read.find(workers - 1, 100 + workers - 1), "the lightest key");
    }

    @Test
    void whatIsNoShareIsLeftOut() {
        byte[] share = shareOf(3, 4, new Arms[3], new Random(2));
        assertNotNull(DaltonShare.decode(share, 4).find(0, 100));
        assertNull(DaltonShare.decode(share, 5).find(0, 100), "of another number of workers");
        assertNull(DaltonShare.decode(null, 4).find(0, 100));
        for (int length = 0; length < share.length; length++) {
            DaltonRouter router = new DaltonRouter(Options.of("dalton-original"), Feed.env(4, 1, 2, 1));
            router.absorb(List.of(Arrays.copyOf(share, length), new byte[0]));
            checkRoutes(router);
        }
    }

    @Test
    void damagedSharesDoNoHarm() {
        byte[] share = shareOf(3, 4, new Arms[3], new Random(3));
        Random random = new Random(4);
        for (int i = 0; i < 2000; i++) {
            byte[] damaged = share.clone();
            for (int n = 1 + random.nextInt(8); n > 0; n--) {
                damaged[random.nextInt(damaged.length)] = (byte) random.nextInt();
            }
            DaltonRouter router = new DaltonRouter(Options.of("dalton-original"), Feed.env(4, 0, 2, 1));
            router.absorb(List.of(damaged, share));
            checkRoutes(router);
        }
    }

    private static void checkRoutes(Router router) {
        for (int w : Feed.workers(router, 0, 1, 2, 0, 1, 2, 0, 1, 2)) {
            assertTrue(w >= 0 && w < 4, "worker " + w);
        }
    }
}
