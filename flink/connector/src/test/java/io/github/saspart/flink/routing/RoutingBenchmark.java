package io.github.saspart.flink.routing;

import java.util.Arrays;
import java.util.List;
import java.util.Random;

/**
 * Prints what routing a record costs under each partitioner: the fastest of several runs, which what
 * else the machine does touches least. With several in one run, calls of routers are virtual; a job
 * has one, so the figures of a run of its own are those that count. To be run by hand:
 *
 * <pre>java -cp target/classes:target/test-classes io.github.saspart.flink.routing.RoutingBenchmark table</pre>
 */
final class RoutingBenchmark {
    private static final int RECORDS = 200_000;
    private static final int SLIDES = 40;

    private RoutingBenchmark() {}

    public static void main(String[] args) {
        long[] hashes = Draw.zipf(new Random(1), RECORDS, 10_000, 1.5);
        System.out.println("ns/record            P 8    P 64   P 256");
        for (String name : args.length > 0 ? List.of(args) : Routers.names()) {
            System.out.printf("%-16s", name);
            for (int workers : new int[] {8, 64, 256}) {
                System.out.printf("%8.1f", nanosPerRecord(router(name, workers), hashes));
            }
            System.out.println();
        }
        for (int workers : new int[] {8, 64, 256}) {
            System.out.printf("following a route at P %d: %.0f µs%n", workers, microsToFollow(workers));
        }
    }

    private static Router router(String name, int workers) {
        Router router = Routers.create(Options.of(name), Feed.env(workers));
        if (router instanceof Follower) {
            ((Follower) router).follow(Draw.threeTiers(new Random(1), workers), 0);
        }
        if (router instanceof Limited) {
            double[] equal = new double[workers];
            Arrays.fill(equal, 1);
            ((Limited) router).within(new Capacities(equal, null));
        }
        if (router instanceof Learner) {
            double[] busy = new double[workers];
            Arrays.setAll(busy, w -> w % 7 / 7.0);
            ((Learner) router).observe(busy);
        }
        return router;
    }

    private static double nanosPerRecord(Router router, long[] hashes) {
        byte[] key = "key-00001".getBytes();
        long fastest = Long.MAX_VALUE;
        int seen = 0;
        for (int slide = 0; slide < SLIDES; slide++) {
            long start = System.nanoTime();
            for (long hash : hashes) {
                seen += router.route(hash, key, 0, key.length);
            }
            fastest = Math.min(fastest, System.nanoTime() - start);
            router.endSlide(slide);
        }
        if (seen == 1) { // keeps the compiler from leaving the work out
            System.out.print(' ');
        }
        return (double) fastest / hashes.length;
    }

    private static double microsToFollow(int workers) {
        TableRouter router = new TableRouter(Options.of("table"), Feed.env(workers));
        Route route = Draw.threeTiers(new Random(1), workers);
        long fastest = Long.MAX_VALUE;
        for (int i = 1; i <= 200; i++) {
            long start = System.nanoTime();
            router.follow(route, 4 * i);
            fastest = Math.min(fastest, System.nanoTime() - start);
        }
        return fastest / 1e3;
    }
}
