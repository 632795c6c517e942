package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

class WorkerSetTest {
    @Test
    void equalsItsHistory() {
        int[] jobs = {1, 5, 64, 70, 130};
        for (int seed = 0; seed < 120; seed++) {
            Random random = new Random(seed);
            int workers = jobs[seed % jobs.length];
            int slides = 1 + random.nextInt(3);
            boolean keep = random.nextBoolean();
            WorkerSet set = new WorkerSet(workers, slides, keep);
            int[] last = new int[workers]; // slide of the latest mark, from 1
            int now = 1;
            for (int step = 0; step < 60; step++) {
                if (random.nextInt(4) == 0) {
                    set.endSlide(now++ % slides);
                } else {
                    int w = random.nextInt(workers);
                    boolean news = last[w] == 0 || !keep && now - last[w] >= slides;
                    last[w] = now;
                    assertEquals(news, set.mark(w, (now - 1) % slides), "seed " + seed + ": news of worker " + w);
                }
                List<Integer> known = new ArrayList<>();
                List<Integer> used = new ArrayList<>();
                for (int w = 0; w < workers; w++) {
                    if (last[w] > 0 && now - last[w] < slides) {
                        used.add(w);
                    }
                    if (last[w] > 0 && (keep || now - last[w] < slides)) {
                        known.add(w);
                    }
                }
                check(set, known, used, workers);
            }
        }
    }

    private static void check(WorkerSet set, List<Integer> known, List<Integer> used, int workers) {
        assertEquals(known.size(), set.size());
        List<Integer> walked = new ArrayList<>();
        for (int w = set.next(0); w >= 0; w = set.next(w + 1)) {
            walked.add(w);
        }
        assertEquals(known, walked);
        for (int j = 0; j < known.size(); j++) {
            assertEquals(known.get(j), set.pick(j));
        }
        for (int w = 0; w < workers; w++) {
            boolean only = used.isEmpty() || used.size() == 1 && used.get(0) == w;
            assertEquals(only, set.only(w), "only worker " + w + " of " + used);
        }
    }
}
