package io.github.saspart.flink.internal.split;

import java.io.Serializable;

/** Numbers slides: slide s begins s times its length after the offset, which is in ms since the epoch. */
public final class Slides implements Serializable {
    private static final long serialVersionUID = 1;

    /** Before every slide, with room below. */
    public static final long FIRST = -(1L << 60);
    /** After every slide, with room above. */
    public static final long LAST = 1L << 60;

    private final long length;
    private final long offset;

    /** Slides of a length in ms; {@code offset} is not negative. */
    public Slides(long length, long offset) {
        this.length = length;
        this.offset = offset;
    }

    /** The slide that a time is in. */
    public long of(long millis) {
        long slide = Math.floorDiv(Math.max(millis, Long.MIN_VALUE + offset) - offset, length);
        return Math.min(Math.max(slide, FIRST + 1), LAST - 1);
    }

    /** The last slide that has ended when a watermark has been reached: no record up to it is to come. */
    public long ended(long watermark) {
        return watermark == Long.MAX_VALUE ? LAST : of(watermark + 1) - 1;
    }

    /** When a slide begins that some time is in. */
    public long begin(long slide) {
        return slide * length + offset;
    }

    /** The last ms of a slide; at the end of time the one before the last. */
    public long lastMilli(long slide) {
        return slide >= (Long.MAX_VALUE - offset) / length - 1 ? Long.MAX_VALUE - 1 : begin(slide + 1) - 1;
    }
}
