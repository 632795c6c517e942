package io.github.saspart.flink;

import io.github.saspart.flink.internal.ArrivalOperator;
import io.github.saspart.flink.internal.BareEdge;
import io.github.saspart.flink.internal.BarePartitioner;
import io.github.saspart.flink.internal.CombineOperator;
import io.github.saspart.flink.internal.EnvelopeEdge;
import io.github.saspart.flink.internal.EnvelopePartitioner;
import io.github.saspart.flink.internal.EnvelopeTypeInfo;
import io.github.saspart.flink.internal.KeyCodec;
import io.github.saspart.flink.internal.MergeOperator;
import io.github.saspart.flink.internal.Merger;
import io.github.saspart.flink.internal.PartialsOperator;
import io.github.saspart.flink.internal.PartitionOperator;
import io.github.saspart.flink.internal.Plan;
import io.github.saspart.flink.internal.StateKeyTypeInfo;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.api.common.functions.RichFunction;
import org.apache.flink.api.common.typeinfo.PrimitiveArrayTypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.dag.Transformation;
import org.apache.flink.api.java.functions.KeySelector;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.api.java.typeutils.TypeExtractor;
import org.apache.flink.streaming.api.datastream.DataStream;
import org.apache.flink.streaming.api.datastream.KeyedStream;
import org.apache.flink.streaming.api.datastream.SingleOutputStreamOperator;
import org.apache.flink.streaming.api.operators.ChainingStrategy;
import org.apache.flink.streaming.api.transformations.OneInputTransformation;
import org.apache.flink.streaming.api.transformations.PhysicalTransformation;
import org.apache.flink.util.OutputTag;

/**
 * Partitions keyed streams so that no worker is overloaded by a heavy key: its records are split over
 * several workers, whose partial results are merged. How is up to the partitioner that the {@link
 * SaspartOptions options} name; {@code table}, the default, follows what the policy server learns from
 * the running job.
 *
 * <pre>{@code
 * SaspartOptions options = SaspartOptions.builder("clicks", 8).server("127.0.0.1:7070").build();
 * DataStream<Tuple3<String, Long, Long>> counts = Saspart.aggregate(
 *         clicks, click -> click.page, new Counter(),
 *         WindowSpec.sliding(Duration.ofSeconds(10), Duration.ofSeconds(1)), options);
 * }</pre>
 */
public final class Saspart {
    private Saspart() {}

    /**
     * Sends each record to the worker that is chosen for it. Records of one key may go to several
     * workers, and to others later: an operator that aggregates them must merge by key afterwards.
     *
     * <p>Partitioners adopt new routes with slides. Slides are of the records' timestamps if they have
     * them, and otherwise of the clock.
     *
     * @return the records, at a parallelism of {@code options.workers()}; what is chained to it runs
     *     where the records are
     */
    public static <T, K> SingleOutputStreamOperator<T> partition(
            DataStream<T> stream, KeySelector<T, K> key, SaspartOptions options) {
        return partition(stream, key, TypeExtractor.getKeySelectorTypes(key, stream.getType()), options);
    }

    /** As {@link #partition(DataStream, KeySelector, SaspartOptions)}, for keys whose type cannot be derived. */
    public static <T, K> SingleOutputStreamOperator<T> partition(
            DataStream<T> stream, KeySelector<T, K> key, TypeInformation<K> keyType, SaspartOptions options) {
        onlyUse(stream, options);
        Plan plan = new Plan(
                options, partitioners(stream, options), 0, WindowSpec.tumbling(Duration.ofMillis(options.slideMillis())));
        KeySelector<T, K> cleaned = stream.getExecutionEnvironment().clean(key);
        KeyCodec<K> codec = codec(stream, keyType, options);
        BareEdge<T, K> edge = new BareEdge<>(cleaned, codec, options.workers());
        return routed(stream, new BarePartitioner<>(plan, cleaned, codec), stream.getType(), options)
                .partitionCustom(edge, edge)
                .transform(options.uid() + "-worker", stream.getType(), new ArrivalOperator<>(plan))
                .uid(options.uid() + "-worker")
                .setParallelism(options.workers());
    }

    /**
     * Aggregates a stream by key over sliding windows of event time, with heavy keys split over several
     * workers and merged afterwards. The stream needs timestamps and watermarks.
     *
     * <p>Each key and window with records has exactly one result. It equals the result of one worker fed
     * with all records, under every partitioner. This holds if workers fail while checkpoints are
     * enabled, and if the job is restored with another number of subtasks. A record is late if a
     * watermark has ended its slide before it arrives. It is then dropped and counted in {@code
     * numLateRecordsDropped}, also for windows that have not ended. While all sources are idle, so are the results.
     *
     * <p>A key and window can be divided into two results only by late records in two cases. One is a
     * source that was idle and resumes behind the others' watermarks, under partitioners that decide in
     * each subtask separately ({@code dagreedy}, {@code dalton-original}, {@code dalton-metrics}). The
     * other is a restore from an unaligned checkpoint. With such sources, give watermarks enough delay.
     *
     * @param function whose accumulators of the same key can be merged in any order
     * @return the key, the end of the window in ms (exclusive) and the result, for each key and window
     *     with records; the timestamp is the window's last ms
     */
    public static <T, K, ACC, OUT> DataStream<Tuple3<K, Long, OUT>> aggregate(
            DataStream<T> stream,
            KeySelector<T, K> key,
            AggregateFunction<T, ACC, OUT> function,
            WindowSpec window,
            SaspartOptions options) {
        return aggregate(
                stream, key, TypeExtractor.getKeySelectorTypes(key, stream.getType()), function,
                TypeExtractor.getAggregateFunctionAccumulatorType(function, stream.getType(), null, false),
                TypeExtractor.getAggregateFunctionReturnType(function, stream.getType(), null, false),
                window, options);
    }

    /**
     * As {@link #aggregate(DataStream, KeySelector, AggregateFunction, WindowSpec, SaspartOptions)}, for
     * functions whose types cannot be derived.
     *
     * @param keyType of the keys
     * @param accumulatorType of the function's accumulators
     * @param resultType of its results
     */
    public static <T, K, ACC, OUT> DataStream<Tuple3<K, Long, OUT>> aggregate(
            DataStream<T> stream,
            KeySelector<T, K> key,
            TypeInformation<K> keyType,
            AggregateFunction<T, ACC, OUT> function,
            TypeInformation<ACC> accumulatorType,
            TypeInformation<OUT> resultType,
            WindowSpec window,
            SaspartOptions options) {
        if (function instanceof RichFunction) {
            throw new IllegalArgumentException(
                    options.uid() + ": the aggregate function is a RichFunction, which is not opened; it must be a plain one");
        }
        Merger.check(function, options.uid());
        onlyUse(stream, options);
        AggregateFunction<T, ACC, OUT> cleaned = stream.getExecutionEnvironment().clean(function);
        TypeInformation<Tuple3<K, Long, ACC>> partialType = Types.TUPLE(keyType, Types.LONG, accumulatorType);
        TypeInformation<Tuple3<K, Long, OUT>> outType = Types.TUPLE(keyType, Types.LONG, resultType);
        OutputTag<Tuple3<K, Long, ACC>> partials = new OutputTag<>(options.uid() + "-partials", partialType);
        Plan plan = new Plan(options, partitioners(stream, options), options.reducers(), window);

        KeySelector<T, K> cleanedKey = stream.getExecutionEnvironment().clean(key);
        EnvelopeEdge<T> edge = new EnvelopeEdge<>();
        SingleOutputStreamOperator<Tuple3<K, Long, OUT>> whole = routed(
                        stream, new EnvelopePartitioner<>(plan, cleanedKey, codec(stream, keyType, options)),
                        new EnvelopeTypeInfo<>(stream.getType()), options)
                .partitionCustom(edge, edge)
                .transform(
                        options.uid() + "-worker", outType,
                        new CombineOperator<>(
                                plan, cleanedKey, cleaned, keyType, accumulatorType, partials))
                .uid(options.uid() + "-worker")
                .setParallelism(options.workers());
        keepByKey(whole, keyType);
        OutputTag<Tuple3<Integer, Integer, Long>> idleness =
                new OutputTag<>(options.uid() + "-idleness", Types.TUPLE(Types.INT, Types.INT, Types.LONG));
        SingleOutputStreamOperator<Tuple3<K, Long, ACC>> split = chained(whole.getSideOutput(partials)
                .transform(options.uid() + "-partials", partialType, new PartialsOperator<>(idleness)))
                .uid(options.uid() + "-partials")
                .setParallelism(options.workers());
        DataStream<Tuple3<Integer, Integer, Long>> idle = split.getSideOutput(idleness).broadcast();
        return whole.union(isBytes(keyType)
                ? merged(split.keyBy(p -> new String((byte[]) p.f0, StandardCharsets.ISO_8859_1), Types.STRING),
                        idle, plan, cleaned, partialType, outType)
                : merged(split.keyBy(p -> p.f0, keyType), idle, plan, cleaned, partialType, outType));
    }

    /**
     * Gives an operator keyed state, although its records come as partitioners send them. It says itself which
     * key's state it means.
     */
    private static <K> void keepByKey(SingleOutputStreamOperator<?> operator, TypeInformation<K> keyType) {
        OneInputTransformation<?, ?> worker = (OneInputTransformation<?, ?>) operator.getTransformation();
        worker.setStateKeySelector(record -> {
            throw new IllegalStateException("the operator finds the key of a record itself");
        });
        worker.setStateKeyType(new StateKeyTypeInfo<>(keyType));
    }

    /** The output stream of a partitioner. */
    private static <T, K, OUT> SingleOutputStreamOperator<OUT> routed(
            DataStream<T> stream, PartitionOperator<T, K, OUT> partitioner, TypeInformation<OUT> type, SaspartOptions options) {
        return chained(stream.transform(options.uid() + "-partitioner", type, partitioner))
                .uid(options.uid() + "-partitioner")
                .setParallelism(partitioners(stream, options));
    }

    /** Has an operator run in the tasks of its producer, where its parallelism allows it. */
    private static <T> SingleOutputStreamOperator<T> chained(SingleOutputStreamOperator<T> operator) {
        ((PhysicalTransformation<T>) operator.getTransformation()).setChainingStrategy(ChainingStrategy.ALWAYS);
        return operator;
    }

    private static <K> KeyCodec<K> codec(DataStream<?> stream, TypeInformation<K> keyType, SaspartOptions options) {
        return KeyCodec.of(keyType, options.keyBytes(), stream.getExecutionConfig().getSerializerConfig());
    }

    /** Fails if the job has a use with the same ids, which Flink would reject with a message about hashes. */
    private static void onlyUse(DataStream<?> stream, SaspartOptions options) {
        for (Transformation<?> t : stream.getExecutionEnvironment().getTransformations()) {
            if ((options.uid() + "-partitioner").equals(t.getUid())) {
                throw new IllegalArgumentException(
                        "two uses of Saspart in this job have the uid \"" + options.uid()
                                + "\"; give each its own by SaspartOptions.builder(..).uid(\"..\")");
            }
        }
    }

    private static <R, K, ACC, OUT> DataStream<Tuple3<K, Long, OUT>> merged(
            KeyedStream<Tuple3<K, Long, ACC>, R> split,
            DataStream<Tuple3<Integer, Integer, Long>> idle,
            Plan plan,
            AggregateFunction<?, ACC, OUT> function,
            TypeInformation<Tuple3<K, Long, ACC>> partialType,
            TypeInformation<Tuple3<K, Long, OUT>> outType) {
        String name = plan.options().uid() + "-reducer";
        return split
                .connect(idle)
                .transform(name, outType, new MergeOperator<R, K, ACC, OUT>(plan, function, partialType))
                .uid(name)
                .setParallelism(plan.options().reducers());
    }

    private static int partitioners(DataStream<?> stream, SaspartOptions options) {
        return options.partitioners() > 0 ? options.partitioners() : stream.getParallelism();
    }

    private static boolean isBytes(TypeInformation<?> type) {
        return type.equals(PrimitiveArrayTypeInfo.BYTE_PRIMITIVE_ARRAY_TYPE_INFO);
    }
}
