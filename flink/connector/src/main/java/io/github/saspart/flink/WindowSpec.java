package io.github.saspart.flink;

import java.io.Serializable;
import java.time.Duration;

/** Sliding windows of event time: each is {@code size} long, and one ends every {@code slide}. */
public final class WindowSpec implements Serializable {
    private static final long serialVersionUID = 1;

    private final long slideMillis;
    private final int slides;

    private WindowSpec(long slideMillis, int slides) {
        this.slideMillis = slideMillis;
        this.slides = slides;
    }

    /**
     * Windows that end at the multiples of {@code slide} since the epoch.
     *
     * @param size a multiple of {@code slide}
     * @param slide whole milliseconds, at least one
     */
    public static WindowSpec sliding(Duration size, Duration slide) {
        long length = millis("slide", slide);
        long whole = millis("size", size);
        if (whole % length != 0 || whole / length > 1 << 20) {
            throw new IllegalArgumentException(
                    "window: size is " + size + "; it must be a multiple of the slide, " + slide + ", up to 2^20 of them");
        }
        return new WindowSpec(length, (int) (whole / length));
    }

    /** Windows without overlap. */
    public static WindowSpec tumbling(Duration size) {
        return sliding(size, size);
    }

    private static long millis(String what, Duration d) {
        if (d.isNegative() || d.isZero() || d.toNanosPart() % 1_000_000 != 0 || d.compareTo(Duration.ofDays(365)) > 0) {
            throw new IllegalArgumentException(
                    "window: " + what + " is " + d + "; it must be whole milliseconds, from 1 to a year");
        }
        return d.toMillis();
    }

    /** Length of a slide, ms. */
    public long slideMillis() {
        return slideMillis;
    }

    /** Slides in a window. */
    public int slides() {
        return slides;
    }
}
