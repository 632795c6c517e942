package io.github.saspart.flink.routing;

/**
 * {@code wchoices} (Nasir et al.: When two choices are not enough, ICDE 2016). A key with at least
 * 1/(5P) of this subtask's records, as SpaceSaving counts them, is a head key. Its records go to the
 * least loaded of all P workers; all others go by {@link PkgRouter}. Loads are the records that this
 * subtask has sent since the start. O(1) amortised per record.
 *
 * <p>The published code adds the sketch's error to counts that contain it already; here that is only
 * done on request.
 */
final class ChoicesRouter implements Router {
    private final boolean published;
    private final double inverse; // 1 over the frequency from which a key is a head key
    private final SpaceSaving sketch;
    private final long[] loads;
    private final Least least = new Least();
    private final int merge;

    ChoicesRouter(Options options, Env env) {
        published = options.published;
        inverse = options.choices.head * env.workers;
        sketch = new SpaceSaving(counters(options.choices, env.workers));
        loads = new long[env.workers];
        merge = env.workers == 1 ? 0 : MERGE;
    }

    private static int counters(Options.Choices options, int workers) {
        if (options.counters > 0) {
            return options.counters;
        }
        return (int) Math.ceil(Math.min(4 * Math.max(options.head, 1) * workers, 1 << 20));
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        int c = sketch.count(hash);
        long count = published ? sketch.countOf(c) + sketch.errorOf(c) : sketch.countOf(c);
        if (count * inverse < sketch.total()) {
            return PkgRouter.lighter(hash, loads) | merge;
        }
        int to = least.find(loads);
        loads[to]++;
        return to | merge;
    }

    @Override
    public void endSlide(long slide) {}

    /** Takes into account a record that another rule has sent to a worker. */
    void sent(int worker) {
        sketch.pass();
        loads[worker]++;
    }
}
