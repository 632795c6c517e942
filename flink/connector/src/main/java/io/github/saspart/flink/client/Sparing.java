package io.github.saspart.flink.client;

import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;
import org.slf4j.Logger;

/**
 * A log that leaves lines out if there are many alike: a server that comes and goes would otherwise fill the disk
 * with lines of every subtask. The next line says how many were left out. Belongs to one thread.
 */
final class Sparing {
    /** Lines of a format that may come at once. */
    static final int AT_ONCE = 10;
    /** How long it takes until one more may, ms. */
    static final long EACH_MILLIS = 10_000;

    private final Logger log;
    private final LongSupplier clock; // ms
    private final Map<String, Lines> lines = new HashMap<>(); // by format, which are constants

    Sparing(Logger log, LongSupplier clock) {
        this.log = log;
        this.clock = clock;
    }

    /** The lines of a format. */
    private static final class Lines {
        long paidUntil; // when all lines so far are made up for
        int leftOut;
    }

    /** Logs a line that people may want to know of. */
    void info(String format, Object... args) {
        if (pass(format)) {
            log.info(format, args);
        }
    }

    /** Logs a line that people should know of. */
    void warn(String format, Object... args) {
        if (pass(format)) {
            log.warn(format, args);
        }
    }

    private boolean pass(String format) {
        Lines of = lines.computeIfAbsent(format, f -> new Lines());
        long now = clock.getAsLong();
        long until = Math.max(of.paidUntil, now) + EACH_MILLIS;
        if (until > now + AT_ONCE * EACH_MILLIS) {
            of.leftOut++;
            return false;
        }
        of.paidUntil = until;
        if (of.leftOut > 0) {
            log.info("{} lines like the next one were left out", of.leftOut);
            of.leftOut = 0;
        }
        return true;
    }
}
