package io.github.saspart.flink;

import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.JobID;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.RestOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.checkpoint.CompletedCheckpointStats;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.runtime.jobmaster.JobResult;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** A Flink cluster of two TaskManagers in this process. */
final class Cluster implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 180;

    private final MiniCluster cluster;

    /** With read-ahead bounded as routes that change need it. */
    Cluster() throws Exception {
        this("4kb", "16mb");
    }

    /** With network buffers of this size, and this memory of each TaskManager for RocksDB. */
    Cluster(String segment, String managed) throws Exception {
        Configuration settings = new Configuration();
        settings.set(RestOptions.BIND_PORT, "0");
        settings.set(TaskManagerOptions.MEMORY_SEGMENT_SIZE, MemorySize.parse(segment));
        settings.set(TaskManagerOptions.NETWORK_MEMORY_MIN, MemorySize.parse("64mb"));
        settings.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.parse("64mb"));
        settings.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.parse(managed));
        settings.setString("metrics.reporter.shown.factory.class", Shown.class.getName());
        settings.setString("taskmanager.network.memory.buffers-per-channel", "2"); // as Flink 2 always has it
        cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
                .setConfiguration(settings)
                .setNumTaskManagers(2)
                .setNumSlotsPerTaskManager(6)
                .build());
        cluster.start();
    }

    /** Starts a job, from a savepoint if it is not null. */
    JobID start(StreamExecutionEnvironment env, String savepoint) throws Exception {
        JobGraph graph = env.getStreamGraph().getJobGraph();
        if (savepoint != null) {
            graph.setSavepointRestoreSettings(SavepointRestoreSettings.forPath(savepoint));
        }
        return cluster.submitJob(graph).get(PATIENCE_SECONDS, TimeUnit.SECONDS).getJobID();
    }

    /** Waits for a job to end well. */
    void await(JobID job) throws Exception {
        JobResult result = cluster.requestJobResult(job).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        if (!result.isSuccess()) {
            throw new IllegalStateException("the job failed", result.getSerializedThrowable().orElse(null));
        }
    }

    /** Takes a checkpoint of a job, and returns its statistics. */
    CompletedCheckpointStats checkpoint(JobID job) throws Exception {
        cluster.triggerCheckpoint(job).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        return cluster.getExecutionGraph(job)
                .get(PATIENCE_SECONDS, TimeUnit.SECONDS)
                .getCheckpointStatsSnapshot()
                .getHistory()
                .getLatestCompletedCheckpoint();
    }

    /** Stops a job with a savepoint, and returns where that is. */
    String stop(JobID job, Path directory) throws Exception {
        return cluster.stopWithSavepoint(job, directory.toUri().toString(), false, SavepointFormatType.CANONICAL)
                .get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    /** Ends a job at once. */
    void cancel(JobID job) throws Exception {
        cluster.cancelJob(job).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
    }

    @Override
    public void close() throws Exception {
        cluster.close();
    }
}
