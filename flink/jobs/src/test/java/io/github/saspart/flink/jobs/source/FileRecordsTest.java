package io.github.saspart.flink.jobs.source;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** CSV files as records, and what is said about those that are none. */
class FileRecordsTest {
    @TempDir
    Path dir;

    private List<String> read(byte[] content, Map<String, ?> file, Payload payload, int splits) throws IOException {
        Path path = dir.resolve("in.csv");
        Files.write(path, content);
        Map<String, Object> settings = new HashMap<>(file);
        settings.putIfAbsent("path", path.toString());
        SourceConfig config = SourceConfig.of(Map.of("kind", "file", "file", settings), payload);
        List<String> out = new ArrayList<>();
        for (int split = 0; split < splits; split++) {
            try (FileRecords records = new FileRecords(config.file, payload, split, splits)) {
                for (Event e = records.next(0); e != null && out.size() < 20_000; e = records.next(0)) {
                    out.add(e.toString());
                }
            }
        }
        return out;
    }

    private static byte[] utf8(String s) {
        return s.getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] gzip(byte[] bytes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream zip = new GZIPOutputStream(out)) {
            zip.write(bytes);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return out.toByteArray();
    }

    static Stream<Arguments> files() {
        Map<String, Object> k = Map.of("key", "k");
        Map<String, Object> kv = Map.of("key", "k", "payload", List.of("v"));
        return Stream.of(
                Arguments.of("rows in order", utf8("k,v\na,1\nb,2\n"), kv, Payload.VALUES, 1, List.of("a: [1.0]", "b: [2.0]")),
                Arguments.of("no line break at the end", utf8("k,v\na,1"), kv, Payload.VALUES, 1, List.of("a: [1.0]")),
                Arguments.of("CR LF and empty lines", utf8("k,v\r\n\r\na,1\r\n\r\n"), kv, Payload.VALUES, 1, List.of("a: [1.0]")),
                Arguments.of("a lone CR is part of the field", utf8("k\na\rb\n"), k, Payload.NONE, 1, List.of("a\rb: []")),
                Arguments.of("quotes, delimiters and line breaks within quotes", utf8("k,v\n\"a\"\"b,\r\nc\",\"3\"\n"), kv, Payload.VALUES, 1, List.of("a\"b,\nc: [3.0]")),
                Arguments.of("no header", utf8("a,1\nb,2\n"), Map.of("key", "1", "payload", List.of("2"), "header", false), Payload.VALUES, 1, List.of("a: [1.0]", "b: [2.0]")),
                Arguments.of("comments", utf8("# made by hand\nk\na\n#b\n\nb\n# the end"), Map.of("key", "k", "comment", "#"), Payload.NONE, 1, List.of("a: []", "b: []")),
                Arguments.of("an empty key may be left out", utf8("k,v\n,1\na,2\n"), Map.of("key", "k", "payload", List.of("v"), "on_bad_row", "skip"), Payload.VALUES, 1, List.of("a: [2.0]")),
                Arguments.of("a byte order mark", utf8("\ufeffk,v\na,1\n"), kv, Payload.VALUES, 1, List.of("a: [1.0]")),
                Arguments.of("UTF-8 in header, key and sentence", utf8("k,sätze\nñ,Grüße\n"), Map.of("key", "k", "payload", List.of("sätze")), Payload.TEXT, 1, List.of("ñ: Grüße[]")),
                Arguments.of("gzipped, whatever its name", gzip(utf8("k\na\nb\n")), k, Payload.NONE, 1, List.of("a: []", "b: []")),
                Arguments.of("another delimiter", utf8("k;v\na;1\n"), Map.of("key", "k", "payload", List.of("v"), "delimiter", ";"), Payload.VALUES, 1, List.of("a: [1.0]")),
                Arguments.of("splits take rows in turn", utf8("k\na\nb\nc\nd\ne\n"), k, Payload.NONE, 2, List.of("a: []", "c: []", "e: []", "b: []", "d: []")),
                Arguments.of("fewer rows than splits", utf8("k\na\n"), k, Payload.NONE, 3, List.of("a: []")),
                Arguments.of("whole numbers as keys", utf8("k\n007\n +7\n-0\n18446744073709551615\n"), Map.of("key", "k", "key_type", "integer"), Payload.NONE, 1,
                        List.of("7: []", "7: []", "0: []", "18446744073709551615: []")),
                Arguments.of("words, lower case, each its own sentence", utf8("k\nTo be; ÄH!\n\"...\"\nx2\n"), Map.of("key", "k", "split", "words"), Payload.TEXT, 1,
                        List.of("to: to[]", "be: be[]", "äh: äh[]", "x2: x2[]")),
                Arguments.of("bad rows left out", utf8("k,v\na,1\nb,x\nc\nd\"e,1\n\"f\"g,1\nh,NaN\ni,2\n"), Map.of("key", "k", "payload", List.of("v"), "on_bad_row", "skip"), Payload.VALUES, 1,
                        List.of("a: [1.0]", "i: [2.0]")),
                Arguments.of("a bad row counts as the row that it is", utf8("k,v\na,1\nb\nc,3\nd,4\n"), Map.of("key", "k", "payload", List.of("v"), "on_bad_row", "skip"), Payload.VALUES, 2,
                        List.of("a: [1.0]", "c: [3.0]", "d: [4.0]")));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("files")
    void reads(String why, byte[] content, Map<String, ?> file, Payload payload, int splits, List<String> want) throws IOException {
        assertEquals(want, read(content, file, payload, splits), why);
    }

    static Stream<Arguments> badFiles() {
        Map<String, Object> k = Map.of("key", "k");
        Map<String, Object> kv = Map.of("key", "k", "payload", List.of("v"));
        byte[] zipped = gzip(utf8("k\n" + "some text\n".repeat(10_000)));
        byte[] cut = java.util.Arrays.copyOf(zipped, zipped.length - 20);
        return Stream.of(
                Arguments.of("not there", utf8(""), Map.of("key", "k", "path", "nowhere.csv"), Payload.NONE, "nowhere.csv: no such file on this TaskManager; give a path"),
                Arguments.of("a folder", utf8(""), Map.of("key", "k", "path", "/"), Payload.NONE, "is not a regular file"),
                Arguments.of("empty", utf8(""), k, Payload.NONE, "is empty; at least a header line and a row are needed"),
                Arguments.of("only a header", utf8("k\n"), k, Payload.NONE, "has no rows; at least one is needed"),
                Arguments.of("no such column", utf8("key,v\na,1\n"), k, Payload.NONE, "no column \"k\"; did you mean \"v\"? known are key, v"),
                Arguments.of("a column twice", utf8("k,k\na,1\n"), k, Payload.NONE, "column \"k\" is there more than once; rename all but one"),
                Arguments.of("an empty key", utf8("k,v\na,1\n,2\n"), kv, Payload.VALUES, "line 3, column \"k\": is empty, as a missing value is written; fix the row"),
                Arguments.of("zstd", new byte[] {0x28, (byte) 0xb5, 0x2f, (byte) 0xfd, 0}, k, Payload.NONE, "is compressed with zstd, bzip2 or xz, which jobs on Flink do not read"),
                Arguments.of("JSON", utf8("{\"k\": 1}"), k, Payload.NONE, "is JSON, which jobs on Flink do not read; convert it to CSV"),
                Arguments.of("not a number", utf8("k,v\na,1\nb,one\n"), kv, Payload.VALUES, "line 3, column \"v\": \"one\" is not a number; fix the row, or skip such rows with on_bad_row: skip"),
                Arguments.of("infinite", utf8("k,v\na,1e999\n"), kv, Payload.VALUES, "line 2, column \"v\": Infinity is not a finite number"),
                Arguments.of("fields missing", utf8("k,v\na\n"), kv, Payload.VALUES, "line 2: 1 fields where the header has 2"),
                Arguments.of("not a whole number", utf8("k\n1.5\n"), Map.of("key", "k", "key_type", "integer"), Payload.NONE, "\"1.5\" is not a whole number of 64 bits"),
                Arguments.of("too large a whole number", utf8("k\n18446744073709551616\n"), Map.of("key", "k", "key_type", "integer"), Payload.NONE, "is not a whole number of 64 bits"),
                Arguments.of("a quote amid a field", utf8("k\na\"b\n"), k, Payload.NONE, "line 2: there is a quote in a field without quotes around it"),
                Arguments.of("quotes that never end", utf8("k\n\"a\nb\n"), k, Payload.NONE, "line 2: the file ends within quotes"),
                Arguments.of("no row can be used", utf8("k,v\na,x\nb,y\n"), Map.of("key", "k", "payload", List.of("v"), "on_bad_row", "skip"), Payload.VALUES,
                        "none of the 2 rows can be used; the first bad one: line 2, column \"v\": \"x\" is not a number"),
                Arguments.of("no word", utf8("k\n...\n"), Map.of("key", "k", "split", "words"), Payload.TEXT, "there is no word in any of the rows"),
                Arguments.of("truncated gzip", cut, k, Payload.NONE, "the gzip data end early: the file is truncated"),
                Arguments.of("Parquet", utf8("PAR1xxxx"), k, Payload.NONE, "is Arrow or Parquet, which jobs on Flink do not read; convert it to CSV"),
                Arguments.of("binary", new byte[] {'k', 0, 1}, k, Payload.NONE, "is binary; convert it to CSV"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("badFiles")
    void saysWhatIsWrong(String why, byte[] content, Map<String, ?> file, Payload payload, String want) {
        IOException e = assertThrows(IOException.class, () -> read(content, file, payload, 1), why);
        assertTrue(e.getMessage().startsWith("source: ") && e.getMessage().contains(want), why + ": " + e.getMessage());
    }
}
