package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class FlexDRouterTest {
    private static Router flexd(boolean published, String refresh, Env env) {
        Map<String, ?> section = Map.of("refresh", refresh);
        return Routers.create(Options.of(Map.of("name", "flexd", "published", published, "flexd", section)), env);
    }

    @Test
    void splitsByFrequency() {
        checkSplit("below the threshold: cold", 0.005, false, 1, 1);
        checkSplit("log(2)/log(1.1) = 7.3 rises of the bar, and the first worker", 0.02, false, 7, 9);
        checkSplit("log(10)/log(1.1) = 24.2 rises", 0.1, false, 24, 27);
        checkSplit("log(40)/log(1.1) = 38.7 rises", 0.4, false, 38, 41);
        checkSplit("published: the first bar is near the key's frequency already", 0.4, true, 1, 8);
    }

    /** Counts the workers of a key that makes up a share of the stream. */
    private static void checkSplit(String why, double share, boolean published, int least, int most) {
        Router router = flexd(published, "1m", Feed.env(64));
        Set<Integer> at = new TreeSet<>();
        int records = 40_000;
        for (int i = 0; i < records; i++) {
            boolean heavy = Math.floor((i + 1) * share) > Math.floor(i * share);
            int to = Feed.send(router, heavy ? 7 : 1000 + i); // cold keys never return
            if (heavy && i > records / 2) {
                at.add(Router.worker(to));
            }
        }
        assertTrue(at.size() >= least && at.size() <= most, why + ": " + at.size() + " workers");
    }

    @Test
    void settlesBeforeItJudges() {
        for (boolean published : new boolean[] {false, true}) {
            Router router = flexd(published, "1m", Feed.env(4));
            Feed.send(router, 5);
            boolean hot = Router.merged(Feed.send(router, 5));
            assertEquals(published, hot, "published: one record of one is a frequency of 1");
        }
    }

    @Test
    void startsAnewAtARefresh() {
        Router router = flexd(false, "500ms", Feed.env(4, 0, 1, 1)); // two slides
        Feed.workers(router, Feed.repeat(5, 100));
        assertTrue(Router.merged(Feed.send(router, 5)), "100 of 1000 assumed is hot");
        router.endSlide(0);
        assertTrue(Router.merged(Feed.send(router, 5)), "the refresh is a slide away");
        router.endSlide(1);
        assertFalse(Router.merged(Feed.send(router, 5)), "a first record is cold");
    }
}
