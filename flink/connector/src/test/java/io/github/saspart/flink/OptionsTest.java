package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.apache.flink.api.common.functions.AbstractRichFunction;
import org.apache.flink.api.common.functions.AggregateFunction;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;

class OptionsTest {
    private static void refused(String why, String text, Consumer<SaspartOptions.Builder> turn) {
        SaspartOptions.Builder builder = SaspartOptions.builder("job", 4);
        turn.accept(builder);
        Exception e = assertThrows(IllegalArgumentException.class, builder::build, why);
        assertTrue(e.getMessage().contains(text), why + ": " + e.getMessage());
    }

    @Test
    void whatIsImpossibleIsNamed() {
        refused("no reducers", "reducers is 0", b -> b.reducers(0));
        refused("a negative number", "partitioners is -1", b -> b.partitioners(-1));
        refused("no slide", "slide is 0", b -> b.slide(Duration.ZERO));
        refused("windows without slides", "metricSlides is 0", b -> b.metricSlides(0));
        refused("not a power of two", "slots is 100; it must be a power of two", b -> b.slots(100));
        refused("too many keys for the protocol", "hotKeys is 300", b -> b.hotKeys(300));
        refused("no time at all", "staleAfter is 0", b -> b.staleAfter(Duration.ZERO));
        refused("no port", "server is \"localhost\"; it must be host:port", b -> b.server("localhost"));
        refused("half of a certificate", "go together", b -> b.certificate("cert.pem", ""));
        refused("a name that nearly is one", "did you mean \"dagreedy\"", b -> b.partitioner("dagredy"));
        refused("an unknown option", "headd", b -> b.partitioner(Map.of("name", "wchoices", "choices", Map.of("headd", 3))));
        refused("an impossible option", "choices.head", b -> b.partitioner(Map.of("name", "wchoices", "choices", Map.of("head", -1))));
        refused("no uid", "uid is \"\"", b -> b.uid(""));
        refused("a name that would break a log", "instance is", b -> b.instance("a\nb"));
        refused("all at once", "slots is 3", b -> b.slots(3).reducers(0));
        Exception e = assertThrows(IllegalArgumentException.class, () -> SaspartOptions.builder("", 0).build());
        assertTrue(e.getMessage().contains("job is") && e.getMessage().contains("workers is 0"), e.getMessage());
    }

    @Test
    void optionsAreCopiedAndSent() throws Exception {
        SaspartOptions.Builder builder = SaspartOptions.builder("job", 4)
                .partitioner(Map.of("name", "wchoices", "published", true)).server("h:1").tls("ca.pem").certificate("c", "k");
        SaspartOptions options = InstantiationUtil.clone(builder.build());
        builder.server("other:2");
        assertEquals("h:1", options.server());
        assertEquals(Map.of("name", "wchoices", "published", true), options.partitioner());
        assertEquals(64, options.hotKeys(), "four per worker, at least 64");
        assertEquals(2, options.reducers());
        assertEquals("", options.instance());
    }

    @Test
    void windowsArePanes() {
        WindowSpec window = WindowSpec.sliding(Duration.ofSeconds(3), Duration.ofMillis(500));
        assertEquals(500, window.paneMillis());
        assertEquals(6, window.panes());
        assertEquals(1, window.step());
        assertEquals(1, WindowSpec.tumbling(Duration.ofMillis(7)).panes());
        WindowSpec other = WindowSpec.sliding(Duration.ofMillis(1000), Duration.ofMillis(300), Duration.ofMillis(-1));
        assertEquals(100, other.paneMillis());
        assertEquals(10, other.panes());
        assertEquals(3, other.step());
        assertEquals(299, other.offsetMillis());
        for (Duration[] bad : new Duration[][] {
            {Duration.ofDays(300), Duration.ofMillis(7)}, // 2^32 panes
            {Duration.ofNanos(1500), Duration.ofNanos(500)}, // finer than Flink's time
            {Duration.ZERO, Duration.ZERO},
            {Duration.ofMillis(-5), Duration.ofMillis(5)},
        }) {
            Exception e = assertThrows(IllegalArgumentException.class, () -> WindowSpec.sliding(bad[0], bad[1]));
            assertTrue(e.getMessage().startsWith("window: "), e.getMessage());
        }
        for (Duration bad : new Duration[] {Duration.ofMillis(7), Duration.ofMillis(-7), Duration.ofNanos(1)}) {
            Exception e = assertThrows(
                    IllegalArgumentException.class, () -> WindowSpec.tumbling(Duration.ofMillis(7), bad), bad.toString());
            assertTrue(e.getMessage().startsWith("window: offset is "), e.getMessage());
        }
    }

    /** Would never be opened. */
    private static final class Rich extends AbstractRichFunction implements AggregateFunction<Long, Long, Long> {
        private static final long serialVersionUID = 1;

        @Override
        public Long createAccumulator() {
            return 0L;
        }

        @Override
        public Long add(Long value, Long sum) {
            return value + sum;
        }

        @Override
        public Long getResult(Long sum) {
            return sum;
        }

        @Override
        public Long merge(Long a, Long b) {
            return a + b;
        }
    }

    @Test
    void richFunctionsAreRefused() {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        Exception e = assertThrows(IllegalArgumentException.class, () -> Saspart.aggregate(
                env.fromSequence(0, 9), n -> n, new Rich(), WindowSpec.tumbling(Duration.ofSeconds(1)),
                SaspartOptions.builder("job", 2).build()));
        assertTrue(e.getMessage().contains("RichFunction"), e.getMessage());
    }

    /** Flink's own windows never ask such a function to merge. */
    private static final class MergesToNull extends Fixtures.Counting {
        private static final long serialVersionUID = 1;

        @Override
        public Long merge(Long a, Long b) {
            return null;
        }
    }

    private static final class MergeThrows extends Fixtures.Counting {
        private static final long serialVersionUID = 1;

        @Override
        public Long merge(Long a, Long b) {
            throw new UnsupportedOperationException();
        }
    }

    /** Fails for empty accumulators alone, which no real one is. */
    private static final class NeedsRecords extends Fixtures.Counting {
        private static final long serialVersionUID = 1;

        @Override
        public Long merge(Long a, Long b) {
            if (a + b == 0) {
                throw new IllegalArgumentException("nothing was counted");
            }
            return a + b;
        }
    }

    @Test
    void aFunctionMayRefuseEmptyAccumulators() {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        Saspart.aggregate(
                env.fromSequence(0, 9), n -> n, new NeedsRecords(), WindowSpec.tumbling(Duration.ofSeconds(1)),
                SaspartOptions.builder("job", 2).build());
    }

    @Test
    void functionsThatCannotMergeAreRefused() {
        for (AggregateFunction<Long, Long, Long> function : List.of(new MergesToNull(), new MergeThrows())) {
            StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
            Exception e = assertThrows(IllegalArgumentException.class, () -> Saspart.aggregate(
                    env.fromSequence(0, 9), n -> n, function, WindowSpec.tumbling(Duration.ofSeconds(1)),
                    SaspartOptions.builder("job", 2).build()));
            assertTrue(e.getMessage().contains(function.getClass().getName()), e.getMessage());
            assertTrue(e.getMessage().contains("must be mergeable"), e.getMessage());
        }
    }

    @Test
    void aSecondUseNeedsItsOwnUid() {
        StreamExecutionEnvironment env = StreamExecutionEnvironment.getExecutionEnvironment();
        SaspartOptions options = SaspartOptions.builder("job", 2).build();
        Saspart.partition(env.fromSequence(0, 9), n -> n, options);
        Exception e = assertThrows(
                IllegalArgumentException.class, () -> Saspart.partition(env.fromSequence(0, 9), n -> n, options));
        assertTrue(e.getMessage().contains("uid(\"..\")"), e.getMessage());
        Saspart.partition(env.fromSequence(0, 9), n -> n, SaspartOptions.builder("job", 2).uid("other").build());
    }
}
