package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.github.saspart.flink.PageViews.View;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.CloseableIterator;
import org.junit.jupiter.api.Test;

class PageViewsTest {
    @Test
    void theExampleCounts() throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.createLocalEnvironment(2);
        env.getConfig().enableObjectReuse();
        Map<String, Long> last = new TreeMap<>();
        int results = 0;
        // There is no server at that address: the job runs without.
        try (CloseableIterator<Tuple3<String, Long, Long>> it = PageViews.counts(
                        env.fromData(new View("/", 0), new View("/about", 1_200), new View("/", 1_700)), "127.0.0.1:9")
                .executeAndCollect()) {
            while (it.hasNext()) {
                Tuple3<String, Long, Long> r = it.next();
                results++;
                if (r.f1 == 10_000) { // of the window that has them all
                    last.put(r.f0, r.f2);
                }
            }
        }
        assertEquals(Map.of("/", 2L, "/about", 1L), last);
        assertEquals(11 + 10, results, "windows end each second, from 1 s to 11 s for / and from 2 s on for /about");
    }
}
