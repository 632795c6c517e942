package io.github.saspart.flink.client;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.junit.jupiter.api.Test;
import org.slf4j.Logger;

class SparingTest {
    private final List<String> lines = new ArrayList<>();
    private final AtomicLong clock = new AtomicLong(1_000_000);
    private final Sparing log = new Sparing(
            (Logger) Proxy.newProxyInstance(
                    getClass().getClassLoader(), new Class<?>[] {Logger.class},
                    (proxy, method, args) -> lines.add(method.getName() + " " + args[0] + " " + List.of((Object[]) firstArray(args)))),
            clock::get);

    private static Object[] firstArray(Object[] args) {
        return args[1] instanceof Object[] ? (Object[]) args[1] : new Object[] {args[1]};
    }

    /** A server that comes and goes twice a second for a minute. */
    @Test
    void linesOfAFlappingServerAreLimited() {
        for (int i = 0; i < 120; i++) {
            log.warn("gone: {}", i);
            log.info("back: {}", i);
            clock.addAndGet(500);
        }
        int formats = 2;
        assertEquals(Sparing.AT_ONCE * formats, lines.stream().filter(l -> l.matches(".*\\[[0-9]\\]")).count(), "the first ten of each");
        long later = lines.stream().filter(l -> l.matches("(warn gone|info back).*\\[[0-9]{2,}\\]")).count();
        assertEquals(formats * 60_000 / Sparing.EACH_MILLIS, later + formats, "then one in ten seconds");
        assertEquals(later, lines.stream().filter(l -> l.startsWith("info {} lines like the next one were left out")).count());
    }

    /** Lines that are rare all come, and a pause makes up for many. */
    @Test
    void othersAreNot() {
        for (int i = 0; i < 100; i++) {
            log.info("now and then: {}", i);
            clock.addAndGet(Sparing.EACH_MILLIS);
        }
        assertEquals(100, lines.size());
    }
}
