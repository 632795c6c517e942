package io.github.saspart.flink.routing;

/**
 * Turns the slide numbers of {@link Router#endSlide} into single steps, so that a slide without
 * records ages state as much as any other.
 */
final class SlideClock {
    private long now;

    /** The current slide. */
    long now() {
        return now;
    }

    /**
     * Passes the end of a slide, and returns how many slides ended by that, at most {@code most}:
     * after that many steps nothing is left to age.
     */
    int passed(long slide, int most) {
        int steps = ahead(slide, most);
        now = Math.max(now, slide + 1);
        return steps;
    }

    /** What {@link #passed} would return, without passing. */
    int ahead(long slide, int most) {
        return (int) Math.max(0, Math.min(slide + 1 - now, most));
    }
}
