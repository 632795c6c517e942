package io.github.saspart.flink.jobs.check;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.jobs.Arguments;
import io.github.saspart.flink.jobs.JobConfig;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The check of results finds what it is there to find. */
class CheckResultsTest {
    private static final long START = 1_000_000; // ms, the start of a slide

    @TempDir
    Path dir;

    /** What the check says of the right results once they have been changed. */
    private String check(Consumer<List<String>> change) throws Exception {
        JobConfig config = Arguments.parse(new String[] {
            "--slide_ms", "100", "--window_ms", "200", "--rate", "100", "--records", "50", "--source.keys", "5",
            "--task.name", "tdigest", "--results", dir.toString(), "--checkpoint_ms", "100"
        }, "tdigest");
        List<String> lines = new ArrayList<>();
        Expected.of(config).windows.forEach((slide, texts) ->
                texts.forEach((key, text) -> lines.add((START + slide * 100) + "\t" + key + "\t" + text + " p50=1")));
        change.accept(lines);
        Files.write(dir.resolve(".part-0.inprogress"), List.of("not finished"));
        Files.createDirectories(dir.resolve("2026"));
        Files.write(dir.resolve("2026/part-1"), lines.subList(0, lines.size() / 2));
        Files.write(dir.resolve("part-0"), lines.subList(lines.size() / 2, lines.size()));
        return CheckResults.check(config);
    }

    @Test
    void acceptsWhatIsRight() throws Exception {
        assertEquals("", check(lines -> {}));
    }

    @Test
    void findsWhatIsMissing() throws Exception {
        String said = check(lines -> lines.remove(3));
        assertTrue(said.contains("missing; it should be") && said.lines().count() == 1, said);
    }

    @Test
    void findsWhatIsThereTwice() throws Exception {
        String said = check(lines -> lines.add(lines.get(3)));
        assertTrue(said.endsWith("there twice"), said);
    }

    @Test
    void findsWhatIsWrong() throws Exception {
        String said = check(lines -> lines.set(3, lines.get(3).replace("records", "record")));
        assertTrue(said.contains("record: ") && said.contains("; it should be"), said);
    }

    @Test
    void findsWhatShouldNotBeThere() throws Exception {
        String said = check(lines -> lines.add(lines.get(3).replace("key-", "other-")));
        assertTrue(said.contains("other-") && said.contains("nothing should be there"), said);
        said = check(lines -> lines.add("9" + lines.get(3)));
        assertTrue(said.contains("nothing should be there, but 1 results"), said);
    }

    @Test
    void saysHowMuchMoreThereIs() throws Exception {
        String said = check(lines -> lines.subList(2, lines.size()).clear());
        assertTrue(said.matches("(?s).*and \\d+ more"), said);
    }

    @Test
    void noResultsAreNotRight() throws Exception {
        assertTrue(check(List::clear).contains("there are 0 results, and 6 windows should have some"));
    }
}
