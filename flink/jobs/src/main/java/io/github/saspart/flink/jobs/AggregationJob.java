package io.github.saspart.flink.jobs;

import io.github.saspart.flink.Saspart;
import io.github.saspart.flink.SaspartOptions;
import io.github.saspart.flink.WindowSpec;
import io.github.saspart.flink.WorkFunction;
import io.github.saspart.flink.jobs.source.Event;
import io.github.saspart.flink.jobs.source.Steering;
import io.github.saspart.flink.jobs.source.StreamSource;
import io.github.saspart.flink.jobs.task.Task;
import io.github.saspart.flink.jobs.work.Emulation;
import io.github.saspart.flink.jobs.work.Repetition;
import java.time.Duration;
import java.util.UUID;
import org.apache.flink.api.common.RuntimeExecutionMode;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.configuration.CheckpointingOptions;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** What all jobs are: source, partitioned aggregation, results. */
public final class AggregationJob {
    /** Records wait no longer than this for a network buffer to fill up, ms. */
    private static final long BUFFER_TIMEOUT = 10;

    private AggregationJob() {}

    /** Runs the job where the program was submitted to. */
    static void run(JobConfig config) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        build(env, config);
        env.execute(config.job);
    }

    /** Adds the job to an environment. */
    public static void build(StreamExecutionEnvironment env, JobConfig config) {
        configure(env, config);
        build(env, config, Task.of(config.task, !config.results.isEmpty()));
    }

    private static <ACC> void build(StreamExecutionEnvironment env, JobConfig config, Task<ACC> task) {
        // Two runs of a job in one JVM must not meet.
        Steering steering = new Steering(config.instance + "/" + UUID.randomUUID());
        DataStream<Event> stream = env
                .fromSource(new StreamSource(config.stream, steering), WatermarkStrategy.noWatermarks(), "stream")
                .uid("stream")
                .setParallelism(config.partitioners);
        DataStream<Tuple3<byte[], Long, Tuple2<Long, String>>> results = Saspart.aggregate(
                stream, new KeyOfEvent(), task, window(config), options(config, task, steering));
        Results.send(results, config);
    }

    private static WindowSpec window(JobConfig config) {
        return WindowSpec.sliding(Duration.ofMillis(config.windowMillis), Duration.ofMillis(config.slideMillis));
    }

    private static <ACC> SaspartOptions options(JobConfig config, Task<ACC> task, Steering steering) {
        WorkFunction<Event, ACC> work = config.work.emulated
                ? new Emulation<>(task, config.work) : new Repetition<>(task, config.work.ratio);
        SaspartOptions.Builder options = SaspartOptions.builder(config.job, config.workers)
                .instance(config.instance)
                .server(config.server)
                .token(config.token)
                .reducers(config.reducers)
                .partitioner(config.partitioner)
                .metricSlides(config.metricSlides)
                .hotKeys(config.hotKeys)
                .slots(config.slots)
                .staleAfter(Duration.ofMillis(config.staleAfterMillis))
                .seed(config.stream.seed)
                .latency(true)
                .work(work)
                .control(steering)
                .offered(steering);
        return (config.serverAuthorities.isEmpty() ? options : options.tls(config.serverAuthorities)).build();
    }

    private static void configure(StreamExecutionEnvironment env, JobConfig config) {
        env.setRuntimeMode(RuntimeExecutionMode.STREAMING);
        env.setBufferTimeout(BUFFER_TIMEOUT);
        env.getConfig().enableObjectReuse(); // events are immutable
        if (config.checkpointMillis > 0) {
            env.enableCheckpointing(config.checkpointMillis);
        }
        if (!config.checkpointDir.isEmpty()) {
            env.configure(new Configuration().set(CheckpointingOptions.CHECKPOINTS_DIRECTORY, config.checkpointDir));
        }
    }

    private static final class KeyOfEvent implements KeySelector<Event, byte[]> {
        private static final long serialVersionUID = 1;

        @Override
        public byte[] getKey(Event event) {
            return event.key;
        }
    }
}
