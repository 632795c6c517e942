package io.github.saspart.flink;

import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;

/** Tests that share a cluster of their class's own. */
abstract class OnCluster {
    static Cluster cluster;

    @BeforeAll
    static void start() throws Exception {
        cluster = new Cluster();
    }

    @AfterAll
    static void stop() throws Exception {
        cluster.close();
    }
}
