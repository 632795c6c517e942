package io.github.saspart.flink.jobs.check;

import io.github.saspart.flink.jobs.JobConfig;
import io.github.saspart.flink.jobs.Results;
import io.github.saspart.flink.jobs.source.Event;
import io.github.saspart.flink.jobs.source.StreamReplay;
import io.github.saspart.flink.jobs.task.Task;
import java.io.IOException;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;

/** The results of a job whose stream ends, computed on one thread: by the end of the window and the key. */
final class Expected {
    /** For each window, by its end in slides since the stream's start: the exact text of each key. */
    final TreeMap<Long, Map<String, String>> windows = new TreeMap<>();

    /** Records of the stream. */
    final long records;

    private Expected(long records) {
        this.records = records;
    }

    /** The results of the stream that {@code config} describes. */
    static Expected of(JobConfig config) throws IOException {
        return of(config, Task.of(config.task, true));
    }

    private static <ACC> Expected of(JobConfig config, Task<ACC> task) throws IOException {
        int slides = (int) (config.windowMillis / config.slideMillis);
        TreeMap<Long, Map<String, ACC>> open = new TreeMap<>(); // by the window's end
        long records = 0;
        try (StreamReplay stream = new StreamReplay(config.stream, 0)) {
            for (Event event = stream.next(); event != null; event = stream.next()) {
                records++;
                long slide = stream.time() / config.stream.slideNanos;
                String key = Results.escaped(event.key);
                for (long end = slide + 1; end <= slide + slides; end++) {
                    Map<String, ACC> states = open.computeIfAbsent(end, e -> new HashMap<>());
                    ACC state = states.getOrDefault(key, null);
                    states.put(key, task.add(event, state == null ? task.createAccumulator() : state));
                }
            }
        }
        Expected out = new Expected(records);
        open.forEach((end, states) -> {
            Map<String, String> texts = new HashMap<>();
            states.forEach((key, state) -> texts.put(key, task.exact(state)));
            out.windows.put(end, texts);
        });
        return out;
    }
}
