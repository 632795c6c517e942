package io.github.saspart.flink.jobs;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Valid arguments of jobs, and the errors for invalid ones. */
class ArgumentsTest {
    private static String base64(String json) {
        return Base64.getUrlEncoder().withoutPadding().encodeToString(json.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void readsAllThatAJobIsTold() {
        JobConfig c = Arguments.parse(new String[] {"--conf", base64("{\"job\":\"jöb\",\"instance\":\"i-1\",\"server\":\"127.0.0.1:7070\",\"token\":\"t\",\"tls_ca_pem\":\"-----BEGIN\","
                + "\"task\":{\"name\":\"tdigest\",\"compression\":50},\"workers\":3,\"partitioners\":2,\"reducers\":4,\"slide_ms\":250,\"window_ms\":1000,"
                + "\"metric_slides\":4,\"hot_keys\":65,\"slots\":1024,\"partitioner\":{\"name\":\"wchoices\",\"choices\":{\"head\":3}},"
                + "\"source\":{\"kind\":\"drift\",\"keys\":77,\"drift\":{\"period\":\"1m30s\"}},\"rate\":123.5,\"spacing\":\"poisson\","
                + "\"capacity\":\"native\",\"speeds\":[1,2,0.5],\"costs\":{\"record_ns\":1,\"unit_ns\":2,\"emit_ns\":3,\"pane_ns\":4,\"merge_ns\":5,\"entry_ns\":6},"
                + "\"work_ratio\":2.5,\"seed\":18446744073709551615,\"records\":1000,\"duration_ms\":2000,\"results\":\"out\",\"checkpoint_ms\":500,"
                + "\"checkpoint_dir\":\"file:///x\",\"stale_after_ms\":700}")}, "wordcount");
        assertEquals("jöb", c.job);
        assertEquals("i-1", c.instance);
        assertEquals("127.0.0.1:7070", c.server);
        assertEquals("t", c.token);
        assertEquals("-----BEGIN", c.serverAuthorities);
        assertEquals("tdigest", c.task.name);
        assertEquals(50, c.task.compression);
        assertArrayEquals(new int[] {3, 2, 4, 4, 65, 1024}, new int[] {c.workers, c.partitioners, c.reducers, c.metricSlides, c.hotKeys, c.slots});
        assertArrayEquals(new long[] {250, 1000, 500, 700}, new long[] {c.slideMillis, c.windowMillis, c.checkpointMillis, c.staleAfterMillis});
        assertEquals(Map.of("name", "wchoices", "choices", Map.of("head", 3)), c.partitioner);
        assertEquals("drift", c.stream.source.kind);
        assertEquals(90_000_000_000L, c.stream.source.drift.periodNanos);
        assertEquals(123.5, c.stream.rate);
        assertTrue(c.stream.poisson);
        assertEquals(-1, c.stream.seed, "all 64 bits are used");
        assertEquals(1000, c.stream.records);
        assertEquals(2_000_000_000L, c.stream.durationNanos);
        assertFalse(c.work.emulated);
        assertArrayEquals(new double[] {1, 2, 0.5}, c.work.speeds);
        assertArrayEquals(new double[] {1, 2, 3, 4, 5, 6, 2.5},
                new double[] {c.work.record, c.work.unit, c.work.emit, c.work.pane, c.work.merge, c.work.entry, c.work.ratio});
        assertEquals("out", c.results);
        assertEquals("file:///x", c.checkpointDir);
    }

    @Test
    void defaultsAreASmallJob() {
        JobConfig c = Arguments.parse(new String[0], "wordcount");
        assertEquals("wordcount", c.job);
        assertEquals("wordcount", c.task.name);
        assertEquals(8, c.workers);
        assertEquals(8, c.work.speeds.length);
        assertEquals(Map.of("name", "hash"), c.partitioner);
        assertTrue(c.work.emulated);
    }

    @Test
    void flagsWinOverFiles(@TempDir Path dir) throws Exception {
        Path file = dir.resolve("job.json");
        Files.writeString(file, "{\"workers\": 3, \"source\": {\"kind\": \"zipf\", \"keys\": 10}, \"job\": \"named\"}");
        JobConfig c = Arguments.parse(new String[] {
            "--workers", "5", "--conf-file", file.toString(), "--source.keys", "20", "--partitioner.name", "cam", "--speeds", "[1,1,1,1,2]", "--server", "127.0.0.1:7070"
        }, "count");
        assertEquals(5, c.workers);
        assertEquals(20, c.stream.source.keys);
        assertEquals("named", c.job);
        assertEquals(Map.of("name", "cam"), c.partitioner);
        assertEquals(2, c.work.speeds[4]);
        assertEquals("127.0.0.1:7070", c.server);
    }

    static Stream<org.junit.jupiter.params.provider.Arguments> wrong() {
        return Stream.of(
                row("a misspelt setting", "wokers: is no setting; did you mean \"workers\"?", "--wokers", "8"),
                row("below a group too", "source.drift.perod: is no setting; did you mean \"period\"?", "--source.kind", "drift", "--source.drift.perod", "1s"),
                row("no partitioner", "partitioner.name: is \"wchoice\", which is no partitioner here; did you mean \"wchoices\"?", "--partitioner.name", "wchoice"),
                row("an option of a partitioner", "partitioner.choices.head: is -1.0; it must be from", "--partitioner.choices.head", "-1"),
                row("an unknown option of a partitioner", "partitioner.choices.haed: is no setting; did you mean \"head\"?", "--partitioner.name", "wchoices", "--partitioner.choices.haed", "3"),
                row("a partitioner's unknown group", "partitioner.mine: is no setting", "--partitioner.mine.size", "3"),
                row("no task", "task.name: is \"wordcuont\", which is no task; did you mean \"wordcount\"?", "--task.name", "wordcuont"),
                row("no source", "source.kind: is \"zip\"; did you mean \"zipf\"?", "--source.kind", "zip"),
                row("no spacing", "spacing: is \"equal\"; did you mean \"even\"?", "--spacing", "equal"),
                row("no capacity", "capacity: is \"nativ\"; did you mean \"native\"?", "--capacity", "nativ"),
                row("a file without its name", "source.file.path: is empty; name the file to read", "--source.kind", "file"),
                row("sentences without a column", "source.file.payload: names 0 columns; wordcount reads one", "--source.kind", "file", "--source.file.key", "k"),
                row("a window that is no multiple", "window_ms: is 700; it must be a multiple of slide_ms, 500", "--window_ms", "700"),
                row("another kind of value", "workers: is many; it must be a whole number", "--workers", "many"),
                row("no whole number", "workers: is 2.5; it must be a whole number from 1 to 32768", "--workers", "2.5"),
                row("out of bounds", "rate: is -1.0; it must be from 0.0 to 1.0E9", "--rate", "-1"),
                row("not a number", "rate: is NaN; it must be", "--rate", "NaN"),
                row("a speed for each worker", "speeds: has 2 speeds for 8 workers", "--speeds", "[1,2]"),
                row("a speed of nothing", "speeds: holds 0.0; a speed must be a finite number above 0", "--workers", "1", "--speeds", "[0]"),
                row("slots that are no power of two", "slots: is 100; it must be a power of two", "--slots", "100"),
                row("results without checkpoints", "results: are asked for without checkpoints, which is when they are written; set checkpoint_ms to 1000", "--results", "out"),
                row("a value as a group", "partitioner: is hash; it must be a group of settings", "--partitioner", "hash"),
                row("a group below a value", "--workers.x: workers is no group of settings", "--workers", "3", "--workers.x", "1"),
                row("no flag", "argument \"workers\" is no flag", "workers", "8"),
                row("no value", "--workers: has no value; write --workers VALUE", "--workers"),
                row("no base64", "--conf: is not base64url", "--conf", "{}"),
                row("no JSON", "--conf: is not a JSON object at line 1, column", "--conf", base64("{workers}")),
                row("JSON, but no object", "--conf: is not a JSON object", "--conf", base64("[1]")),
                row("a setting twice", "--conf: is not a JSON object", "--conf", base64("{\"workers\":1,\"workers\":2}")),
                row("a file that is not there", "--conf-file nowhere.json: cannot be read", "--conf-file", "nowhere.json"));
    }

    private static org.junit.jupiter.params.provider.Arguments row(String why, String want, String... args) {
        return org.junit.jupiter.params.provider.Arguments.of(why, want, args);
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("wrong")
    void saysWhatIsWrong(String why, String want, String[] args) {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class, () -> Arguments.parse(args, "wordcount"), why);
        assertTrue(e.getMessage().contains(want), why + ": " + e.getMessage());
    }

    @Test
    void tellsAllThatIsWrongAtOnce() {
        IllegalArgumentException e = assertThrows(IllegalArgumentException.class,
                () -> Arguments.parse(new String[] {"--workers", "0", "--rate", "-1", "--sed", "1"}, "count"));
        assertEquals(3, e.getMessage().lines().count(), e.getMessage());
    }
}
