package io.github.saspart.flink;

import java.time.Duration;
import org.apache.flink.api.common.eventtime.WatermarkStrategy;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;

/** The example of docs/flink.md: views of pages, counted. */
public final class PageViews {
    private PageViews() {}

    /** A view of a page. */
    public static final class View {
        public String page;
        public long millis;

        public View() {}

        public View(String page, long millis) {
            this.page = page;
            this.millis = millis;
        }
    }

    /** Counts; any function whose accumulators can be merged will do. */
    public static final class Count implements AggregateFunction<View, Long, Long> {
        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(View view, Long n) {
            return n + 1;
        }

        @Override
        public Long merge(Long a, Long b) {
            return a + b;
        }

        @Override
        public Long getResult(Long n) {
            return n;
        }
    }

    /** The page, the end of the window in ms, and how often the page was viewed in it. */
    public static DataStream<Tuple3<String, Long, Long>> counts(DataStream<View> views, String server) {
        SaspartOptions options = SaspartOptions.builder("page-views", 8) // the job's name, and its workers
                .server(server) // of saspart serve; without one, name a partitioner that needs none
                .reducers(2)
                .build();
        return Saspart.aggregate(
                views.assignTimestampsAndWatermarks(
                        WatermarkStrategy.<View>forBoundedOutOfOrderness(Duration.ofSeconds(1))
                                .withTimestampAssigner((view, before) -> view.millis)),
                view -> view.page, new Count(), WindowSpec.sliding(Duration.ofSeconds(10), Duration.ofSeconds(1)), options);
    }

    /** Prints what it counts. */
    public static void main(String[] args) throws Exception {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        env.getConfig().enableObjectReuse(); // if your functions keep no record that they are given
        env.enableCheckpointing(10_000);
        DataStream<View> views = env.fromData(new View("/", 0), new View("/about", 1_200), new View("/", 1_700));
        counts(views, "127.0.0.1:7070").print();
        env.execute("page-views");
    }
}
