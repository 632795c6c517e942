package io.github.saspart.flink;

import java.io.Serializable;
import java.math.BigInteger;
import java.time.Duration;

/**
 * Sliding windows of event time, as Flink's: each is {@code size} long, and one begins every {@code slide}. Records
 * are aggregated in panes, which windows share. A pane is as long as a slide, or as the greatest common divisor of
 * slide and size. Partitioners adopt routes with panes, so the slide that a policy server sees is a pane.
 */
public final class WindowSpec implements Serializable {
    private static final long serialVersionUID = 2;

    private final long paneMillis;
    private final int panes;
    private final int step;
    private final long offsetMillis;

    private WindowSpec(long paneMillis, int panes, int step, long offsetMillis) {
        this.paneMillis = paneMillis;
        this.panes = panes;
        this.step = step;
        this.offsetMillis = offsetMillis;
    }

    /** Windows that begin at the multiples of {@code slide} since the epoch. */
    public static WindowSpec sliding(Duration size, Duration slide) {
        return sliding(size, slide, Duration.ZERO);
    }

    /**
     * Windows that begin {@code offset} after the multiples of {@code slide} since the epoch. A record between two
     * windows, where the slide is longer than the size, is in none.
     *
     * @param size whole milliseconds, at least one
     * @param slide whole milliseconds, at least one
     * @param offset shorter than the slide; negative for windows that begin before its multiples
     */
    public static WindowSpec sliding(Duration size, Duration slide, Duration offset) {
        long step = millis("slide", slide);
        long whole = millis("size", size);
        if (offset.abs().compareTo(slide) >= 0 || offset.toNanosPart() % 1_000_000 != 0) {
            throw new IllegalArgumentException(
                    "window: offset is " + offset + "; it must be whole milliseconds, and shorter than the slide, " + slide);
        }
        long pane = BigInteger.valueOf(whole).gcd(BigInteger.valueOf(step)).longValueExact();
        if (Math.max(whole, step) / pane > 1 << 20) {
            throw new IllegalArgumentException(
                    "window: size is " + size + " and slide is " + slide + "; their greatest common divisor, the length of a"
                            + " pane, is " + pane + " ms, and must go into each at most 2^20 times");
        }
        // Panes begin wherever a window does.
        return new WindowSpec(pane, (int) (whole / pane), (int) (step / pane), Math.floorMod(offset.toMillis(), step));
    }

    /** Windows without overlap, which begin at the multiples of {@code size} since the epoch. */
    public static WindowSpec tumbling(Duration size) {
        return sliding(size, size);
    }

    /** Windows without overlap, which begin {@code offset} after the multiples of {@code size} since the epoch. */
    public static WindowSpec tumbling(Duration size, Duration offset) {
        return sliding(size, size, offset);
    }

    private static long millis(String what, Duration d) {
        if (d.isNegative() || d.isZero() || d.toNanosPart() % 1_000_000 != 0 || d.compareTo(Duration.ofDays(365)) > 0) {
            throw new IllegalArgumentException(
                    "window: " + what + " is " + d + "; it must be whole milliseconds, from 1 to a year");
        }
        return d.toMillis();
    }

    /** Length of a pane, ms. */
    public long paneMillis() {
        return paneMillis;
    }

    /** Panes in a window. */
    public int panes() {
        return panes;
    }

    /** Panes from the beginning of a window to that of the next. */
    public int step() {
        return step;
    }

    /** From the epoch to the beginning of a window, ms, less than a slide. */
    public long offsetMillis() {
        return offsetMillis;
    }
}
