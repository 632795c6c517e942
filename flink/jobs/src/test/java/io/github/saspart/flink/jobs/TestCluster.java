package io.github.saspart.flink.jobs;

import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.JobStatus;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.configuration.MemorySize;
import org.apache.flink.configuration.RestartStrategyOptions;
import org.apache.flink.configuration.TaskManagerOptions;
import org.apache.flink.core.execution.SavepointFormatType;
import org.apache.flink.runtime.execution.ExecutionState;
import org.apache.flink.runtime.executiongraph.AccessExecutionJobVertex;
import org.apache.flink.runtime.jobgraph.JobGraph;
import org.apache.flink.runtime.jobgraph.SavepointRestoreSettings;
import org.apache.flink.runtime.minicluster.MiniCluster;
import org.apache.flink.runtime.minicluster.MiniClusterConfiguration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** A Flink cluster of two TaskManagers in the test's own process. Waits have ends that no healthy machine reaches. */
final class TestCluster implements AutoCloseable {
    private static final long MOST_SECONDS = 180;

    private final MiniCluster cluster;

    TestCluster(int slotsEach) throws Exception {
        Configuration conf = new Configuration();
        conf.set(TaskManagerOptions.NETWORK_MEMORY_MAX, MemorySize.ofMebiBytes(32));
        conf.set(TaskManagerOptions.MANAGED_MEMORY_SIZE, MemorySize.ofMebiBytes(1));
        cluster = new MiniCluster(new MiniClusterConfiguration.Builder()
                .setConfiguration(conf)
                .setNumTaskManagers(2)
                .setNumSlotsPerTaskManager(slotsEach)
                .withRandomPorts()
                .build());
        cluster.start();
    }

    /** Submits a job, which resumes from a savepoint unless that is null. */
    JobID submit(JobConfig config, String savepoint) throws Exception {
        Configuration conf = new Configuration();
        conf.set(RestartStrategyOptions.RESTART_STRATEGY, "fixed-delay");
        conf.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_ATTEMPTS, 20);
        conf.set(RestartStrategyOptions.RESTART_STRATEGY_FIXED_DELAY_DELAY, Duration.ofMillis(100));
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment(conf);
        AggregationJob.build(env, config);
        JobGraph graph = env.getStreamGraph().getJobGraph();
        if (savepoint != null) {
            graph.setSavepointRestoreSettings(SavepointRestoreSettings.forPath(savepoint));
        }
        return cluster.submitJob(graph).get(MOST_SECONDS, TimeUnit.SECONDS).getJobID();
    }

    /** Waits until a job has ended; its failure is thrown. */
    void finish(JobID job) throws Exception {
        cluster.requestJobResult(job).get(MOST_SECONDS, TimeUnit.SECONDS).toJobExecutionResult(getClass().getClassLoader());
    }

    /** Waits until a job runs and has had some ms to send records. */
    void letRun(JobID job, long millis) throws Exception {
        long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(MOST_SECONDS);
        while (cluster.getJobStatus(job).get() != JobStatus.RUNNING || !isDeployed(job)) {
            if (System.nanoTime() > limit) {
                throw new AssertionError("the job does not run: " + cluster.getJobStatus(job).get());
            }
            Thread.sleep(20);
        }
        Thread.sleep(millis);
    }

    private boolean isDeployed(JobID job) throws Exception {
        for (AccessExecutionJobVertex vertex : cluster.getExecutionGraph(job).get().getVerticesTopologically()) {
            if (vertex.getAggregateState() != ExecutionState.RUNNING) {
                return false;
            }
        }
        return true;
    }

    /** Whether a job still runs. */
    boolean isRunning(JobID job) throws Exception {
        return cluster.getJobStatus(job).get() == JobStatus.RUNNING;
    }

    /** Waits until a job has completed another checkpoint. */
    void awaitCheckpoint(JobID job) throws Exception {
        long limit = System.nanoTime() + TimeUnit.SECONDS.toNanos(MOST_SECONDS);
        long before = checkpoints(job);
        while (checkpoints(job) == before) {
            if (System.nanoTime() > limit) {
                throw new AssertionError("the job completes no checkpoint");
            }
            Thread.sleep(20);
        }
    }

    private long checkpoints(JobID job) throws Exception {
        return cluster.getExecutionGraph(job).get().getCheckpointStatsSnapshot().getCounts().getNumberOfCompletedCheckpoints();
    }

    /** Stops a job with a savepoint below a folder, and returns where it is. */
    String stop(JobID job, Path folder) throws Exception {
        return cluster.stopWithSavepoint(job, folder.toUri().toString(), false, SavepointFormatType.CANONICAL)
                .get(MOST_SECONDS, TimeUnit.SECONDS);
    }

    /** Ends the first TaskManager at once, and starts another one. */
    void replaceTaskManager() throws Exception {
        cluster.terminateTaskManager(0).get(MOST_SECONDS, TimeUnit.SECONDS);
        cluster.startTaskManager();
    }

    @Override
    public void close() throws Exception {
        cluster.close();
    }
}
