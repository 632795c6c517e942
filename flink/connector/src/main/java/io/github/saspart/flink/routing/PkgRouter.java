package io.github.saspart.flink.routing;

/**
 * {@code pkg}, partial key grouping (Nasir et al.: The power of both choices, ICDE 2015). Of its key's
 * two hash choices, a record goes to the worker to which this subtask has sent fewer records so far, of
 * equals the first. A key whose two choices agree has one worker; all others have to be merged.
 */
final class PkgRouter implements Router {
    private final long[] loads; // records sent to each worker by this subtask

    PkgRouter(Env env) {
        loads = new long[env.workers];
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        return lighter(hash, loads);
    }

    @Override
    public void endSlide(long slide) {}

    /** Routes a record to the less loaded of its key's two first choices, and counts it. */
    static int lighter(long hash, long[] loads) {
        int a = choice(hash, 0, loads.length);
        int b = choice(hash, 1, loads.length);
        int to = loads[b] < loads[a] ? b : a;
        loads[to]++;
        return a == b ? to : to | MERGE;
    }

    /**
     * The i-th hash choice of a key among P workers, to which every subtask comes: the key's hash is
     * mixed anew for each i and its upper bits are scaled to the range.
     */
    static int choice(long hash, int i, int workers) {
        long x = hash + (i + 1) * Bits.MIX;
        x = (x ^ x >>> 30) * 0xbf58476d1ce4e5b9L;
        x ^= x >>> 27;
        return (int) Bits.mulHigh(x * 0x94d049bb133111ebL, workers);
    }
}
