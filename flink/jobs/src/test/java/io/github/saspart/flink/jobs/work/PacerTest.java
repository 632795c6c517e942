package io.github.saspart.flink.jobs.work;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.jobs.source.Event;
import io.github.saspart.flink.jobs.task.Task;
import io.github.saspart.flink.jobs.task.TaskConfig;
import io.github.saspart.flink.routing.Settings;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** A subtask is as busy as its work is said to take, on a clock of the test's. */
class PacerTest {
    private static final long MS = 1_000_000;

    private long busy = 5 * MS;
    private long slept;
    private long late; // how much longer sleeps take than asked

    private final Pacer pacer = new Pacer(() -> busy, ns -> {
        slept += ns;
        busy += ns + late;
    });

    /** Books work, which really takes some time. */
    private void work(double ns, long takes) {
        pacer.book(ns);
        busy += takes;
    }

    @Test
    void busyTimeIsTheTimeBooked() {
        late = MS / 3;
        Random random = new Random(1);
        double booked = 0;
        for (int i = 0; i < 100_000; i++) {
            double ns = random.nextInt(20_000);
            booked += ns;
            work(ns, random.nextInt(3000));
        }
        assertEquals(booked, busy - 5 * MS, 2 * MS, "in the long run and up to the last sleep");
    }

    @Test
    void doesNotSleepForLittle() {
        for (int i = 0; i < 10; i++) {
            work(MS / 10, 0);
        }
        assertEquals(0, slept);
        work(MS / 10, 0);
        assertEquals(1.1 * MS, slept, 1);
    }

    @Test
    void catchesUpAfterBeingHeldUp() {
        work(0, 100 * MS); // the machine kept it from running
        for (int i = 0; i < 100; i++) {
            work(MS, 0);
        }
        assertEquals(0, slept, "the work of a tenth of a second is caught up with");
        for (int i = 0; i < 10; i++) {
            work(MS, 0);
        }
        assertTrue(slept > 8 * MS && slept <= 10 * MS, slept + " ns slept for the rest");
    }

    @Test
    void isNotOwedMoreThanAMachinesHiccup() {
        work(0, 10_000 * MS);
        for (int i = 0; i < 300; i++) {
            work(MS, 0);
        }
        assertTrue(slept >= 45 * MS && slept <= 50 * MS, slept + " ns slept of the 50 that are past the slack");
    }

    @Test
    void costsAreThoseOfTheConfiguration() {
        Map<String, Object> costs = Map.of("record_ns", 1_000_000, "unit_ns", 100_000, "emit_ns", 10_000, "pane_ns", 1000, "merge_ns", 100, "entry_ns", 10);
        WorkConfig config = new WorkConfig(Settings.of(Map.of("speeds", List.of(1, 0.5), "work_ratio", 3, "costs", costs)), 2);
        checkCosts(Task.of(new TaskConfig(Settings.of(Map.of()), "wordcount"), false), config);
    }

    private <ACC> void checkCosts(Task<ACC> task, WorkConfig config) {
        long[] clock = {0};
        Emulation<ACC> emulation = new Emulation<>(task, config);
        emulation.open(() -> clock[0], ns -> clock[0] += ns);
        ACC state = task.add(new Event(new byte[0], "a b c"), task.createAccumulator());
        double expected = 0;
        for (int i = 0; i < 1000; i++) {
            assertEquals(3, emulation.record(1, new Event(new byte[0], "a b c")));
            emulation.record(0, new Event(new byte[0], ""));
            emulation.pane(0, state);
            emulation.emit(1, state);
            emulation.merge(1, state);
            expected += 2 * 3 * (1_000_000 + 3 * 100_000) + 3 * 1_000_000 + 3 * 1000 + 2 * 10_000 + 100 + 3 * 10;
        }
        assertEquals(expected, clock[0], 2 * MS);
    }
}
