package io.github.saspart.flink.jobs.check;

import io.github.saspart.flink.jobs.Arguments;
import io.github.saspart.flink.jobs.JobConfig;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Compares the files that a job has written with a computation on one thread: every result has to be there,
 * once, and no other. The job's stream has to end, and its rate not to have been changed.
 *
 * <p>It is in the jar of the jobs, needs Flink's jars beside it, and is given the job's arguments, those of
 * its first run if it was rescaled:
 *
 * <pre>{@code
 * java -cp saspart-flink-jobs-0.1.0.jar:"FLINK/lib/*" io.github.saspart.flink.jobs.check.CheckResults --conf ...
 * }</pre>
 *
 * <p>It exits with 0 if all is well and with 1, after some differences, if not.
 */
public final class CheckResults {
    private static final int SHOWN = 10; // differences

    private final List<String> differences = new ArrayList<>();
    private int more;
    private int results;

    private CheckResults() {}

    /** Checks the results of the job that was given the same arguments. */
    public static void main(String[] args) throws IOException {
        JobConfig config = Arguments.parse(args, "wordcount");
        if (config.results.isEmpty() || config.stream.records == 0 && config.stream.durationNanos == 0) {
            System.err.println("check: needs the arguments of a job with results and with records or duration_ms above 0");
            System.exit(2);
        }
        String problem = check(config);
        if (!problem.isEmpty()) {
            System.err.println(problem);
            System.exit(1);
        }
    }

    /**
     * Checks a job's results, and says on standard output what it found right.
     *
     * @return the differences, one a line; empty if there are none
     */
    public static String check(JobConfig config) throws IOException {
        CheckResults check = new CheckResults();
        Expected expected = Expected.of(config);
        check.compare(expected, read(Paths.get(config.results)), config.slideMillis);
        if (check.more > 0) {
            check.differences.add("and " + check.more + " more");
        }
        if (check.differences.isEmpty()) {
            System.out.println("check: " + check.results + " results in " + expected.windows.size() + " windows of "
                    + expected.records + " records, each as one thread computes it");
        }
        return String.join("\n", check.differences);
    }

    private void compare(Expected expected, List<String[]> lines, long slideMillis) {
        if (lines.isEmpty() || expected.windows.isEmpty()) {
            if (!lines.isEmpty() || !expected.windows.isEmpty()) {
                differ("there are %d results, and %d windows should have some", lines.size(), expected.windows.size());
            }
            return;
        }
        // The start of the stream is not written down, but its first window is.
        long firstEnd = lines.stream().mapToLong(line -> Long.parseLong(line[0])).min().getAsLong();
        long start = firstEnd - expected.windows.firstKey() * slideMillis;
        Map<Long, Map<String, String>> seen = new HashMap<>();
        for (String[] line : lines) {
            long end = Long.parseLong(line[0]);
            if (seen.computeIfAbsent(end, e -> new HashMap<>()).put(line[1], line[2]) != null) {
                differ("window to %d, key %s: there twice", end, line[1]);
            }
        }
        expected.windows.forEach((slide, texts) -> {
            long end = start + slide * slideMillis;
            Map<String, String> got = seen.getOrDefault(end, new HashMap<>());
            texts.forEach((key, text) -> compare(end, key, text, got.remove(key)));
            got.forEach((key, text) -> differ("window to %d, key %s: nothing should be there, but %s", end, key, text));
            seen.remove(end);
        });
        seen.forEach((end, texts) -> differ("window to %d: nothing should be there, but %d results", end, texts.size()));
    }

    private void compare(long end, String key, String text, String got) {
        results++;
        if (got == null) {
            differ("window to %d, key %s: missing; it should be %s", end, key, text);
        } else if (!got.equals(text) && !got.startsWith(text + " p")) { // quantiles are estimates
            differ("window to %d, key %s: is %s; it should be %s", end, key, got, text);
        }
    }

    private void differ(String format, Object... args) {
        if (differences.size() < SHOWN) {
            differences.add(String.format(format, args));
        } else {
            more++;
        }
    }

    /** The lines of all finished files below a folder; those that hidden names mark are not. */
    private static List<String[]> read(Path folder) throws IOException {
        List<Path> files;
        try (Stream<Path> all = Files.walk(folder)) {
            files = all.filter(Files::isRegularFile)
                    .filter(file -> !file.getFileName().toString().startsWith("."))
                    .collect(Collectors.toList());
        }
        List<String[]> lines = new ArrayList<>();
        for (Path file : files) {
            for (String line : Files.readAllLines(file, StandardCharsets.UTF_8)) {
                String[] parts = line.split("\t", 3);
                if (parts.length != 3) {
                    throw new IOException("check: " + file + ": \"" + line + "\" is no result; name a folder that only the job wrote to");
                }
                lines.add(parts);
            }
        }
        return lines;
    }
}
