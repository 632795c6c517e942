package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import org.apache.flink.runtime.checkpoint.CompletedCheckpointStats;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Checkpoints of many keys and slides. */
class StateTest {
    @TempDir Path directory;

    /**
     * Panes that one element of operator state each could not hold: Flink acknowledges such state with 8 bytes of offset an
     * element, in messages of 10 MB at most.
     */
    @ParameterizedTest
    @CsvSource({"hashmap, 22000, 60", "rocksdb, 1000, 60"})
    void checkpointsOfManyPanesComplete(String backend, int keys, int slides) throws Exception {
        try (Cluster cluster = new Cluster("32kb", "256mb")) {
            CompletedCheckpointStats[] stats = StateCost.measure(cluster, "saspart", backend, keys, slides, 1, directory);
            assertTrue(
                    stats[0].getStateSize() > 8L * keys * slides,
                    stats[0].getStateSize() + " bytes of " + (long) keys * slides + " panes");
        }
    }
}
