package io.github.saspart.flink.routing;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;

class LightestTest {
    @Test
    void equalsAScan() {
        for (int seed = 0; seed < 60; seed++) {
            Random random = new Random(seed);
            int workers = seed % 3 == 0 ? 200 : 1 + random.nextInt(12); // sets above 64 use their heap
            double[] load = new double[workers];
            Lightest all = Lightest.ofAll(workers);
            Lightest some = Lightest.ofNone();
            TreeSet<Integer> members = new TreeSet<>();
            TreeSet<Integer> everybody = new TreeSet<>();
            for (int w = 0; w < workers; w++) {
                everybody.add(w);
            }
            for (int step = 0; step < 600; step++) {
                int w = random.nextInt(workers);
                int what = random.nextInt(40);
                if (what == 0) {
                    load[w] = 0;
                    all.refresh(load);
                    some.refresh(load);
                } else if (what == 1 && random.nextInt(8) == 0) {
                    some.clear();
                    members.clear();
                } else if (what < 12) {
                    if (members.add(w)) {
                        some.add(w, load);
                    }
                } else {
                    load[w] += random.nextInt(3);
                }
                assertEquals(scan(everybody, load), all.min(load), "seed " + seed + ", all workers");
                assertEquals(members.size(), some.size());
                if (!members.isEmpty()) {
                    assertEquals(scan(members, load), some.min(load), "seed " + seed + ", of " + members);
                }
            }
        }
    }

    private static int scan(TreeSet<Integer> members, double[] load) {
        int best = members.first();
        for (int w : members) {
            best = load[w] < load[best] ? w : best;
        }
        return best;
    }
}
