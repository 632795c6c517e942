package io.github.saspart.flink.jobs;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.jobs.check.CheckResults;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.apache.flink.api.common.JobID;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Whole jobs: their results are those of a computation on one thread, whatever happens to them. */
class AggregationJobTest {
    private static TestCluster cluster;

    @TempDir
    Path dir;

    @BeforeAll
    static void start() throws Exception {
        cluster = new TestCluster(3);
    }

    @AfterAll
    static void stop() throws Exception {
        cluster.close();
    }

    /** A job of two seconds with short slides, a skewed stream, and results in the test's folder. */
    private JobConfig job(String... more) {
        List<String> args = new ArrayList<>(List.of(
                "--workers", "4", "--partitioners", "2", "--slide_ms", "200", "--window_ms", "600", "--rate", "5000", "--records", "10000",
                "--source.keys", "200", "--source.exponent", "1.5", "--results", dir.resolve("out").toString(), "--checkpoint_ms", "300",
                "--checkpoint_dir", dir.resolve("checkpoints").toUri().toString()));
        args.addAll(Arrays.asList(more));
        return Arguments.parse(args.toArray(new String[0]), "wordcount");
    }

    @ParameterizedTest
    @CsvSource({"hash, wordcount, even", "wchoices, wordcount, poisson", "table, wordcount, even",
        "hash, tdigest, poisson", "wchoices, tdigest, even", "table, tdigest, poisson", "wchoices, count, even"})
    void resultsAreThoseOfOneThread(String partitioner, String task, String spacing) throws Exception {
        JobConfig job = job("--partitioner.name", partitioner, "--task.name", task, "--spacing", spacing, "--capacity", "native");
        cluster.finish(cluster.submit(job, null));
        assertEquals("", CheckResults.check(job));
    }

    @Test
    void emulatedWorkersComputeTheSame() throws Exception {
        // A record takes 0.5 ms: the workers keep up, but not without sleeping.
        JobConfig job = job("--partitioner.name", "wchoices", "--costs.record_ns", "500000", "--speeds", "[1,2,1,2]", "--rate", "2000", "--records", "4000");
        cluster.finish(cluster.submit(job, null));
        assertEquals("", CheckResults.check(job));
    }

    @Test
    void nothingIsLostOrDoubledWhenATaskManagerDies() throws Exception {
        JobConfig job = job("--partitioner.name", "wchoices", "--records", "30000", "--capacity", "native");
        JobID id = cluster.submit(job, null);
        cluster.letRun(id, 300);
        cluster.awaitCheckpoint(id);
        assertTrue(cluster.isRunning(id), "the test has to come before the job's end");
        cluster.replaceTaskManager();
        cluster.finish(id);
        assertEquals("", CheckResults.check(job));
    }

    @Test
    void nothingIsLostOrDoubledWhenAJobIsRescaled() throws Exception {
        String[][] scales = {{"4", "2"}, {"3", "1"}, {"6", "3"}};
        String savepoint = null;
        for (int i = 0; i < scales.length; i++) {
            JobID id = cluster.submit(rescaled(scales[i]), savepoint);
            if (i < scales.length - 1) {
                cluster.letRun(id, 1500);
                savepoint = cluster.stop(id, dir.resolve("savepoints"));
            } else {
                cluster.finish(id);
            }
        }
        assertEquals("", CheckResults.check(rescaled(scales[0])));
    }

    @Test
    void aSourceWithoutSplitsDelaysNoWorker() throws Exception {
        JobID id = cluster.submit(job("--records", "0", "--capacity", "native", "--partitioners", "1"), null);
        cluster.letRun(id, 1500);
        String savepoint = cluster.stop(id, dir.resolve("savepoints"));
        long before = lastWindow();
        id = cluster.submit(job("--records", "0", "--capacity", "native", "--partitioners", "2"), savepoint);
        cluster.letRun(id, 1500);
        cluster.stop(id, dir.resolve("savepoints"));
        assertTrue(lastWindow() > before, "windows end, though one source of two has nothing to send and does not end");
    }

    /** The end of the last window with results, ms. */
    private long lastWindow() throws Exception {
        long last = 0;
        try (Stream<Path> all = Files.walk(dir.resolve("out"))) {
            for (Path file : (Iterable<Path>) all.filter(Files::isRegularFile).filter(f -> !f.getFileName().toString().startsWith("."))::iterator) {
                for (String line : Files.readAllLines(file)) {
                    last = Math.max(last, Long.parseLong(line.split("\t")[0]));
                }
            }
        }
        return last;
    }

    private JobConfig rescaled(String[] scale) {
        return job("--partitioner.name", "wchoices", "--records", "60000", "--capacity", "native", "--workers", scale[0], "--partitioners", scale[1]);
    }
}
