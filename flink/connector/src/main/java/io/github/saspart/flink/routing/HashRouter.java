package io.github.saspart.flink.routing;

/**
 * {@code hash}, key grouping: a key's worker is its hash mod P, so nothing is ever merged. The
 * baseline of every comparison.
 */
final class HashRouter implements Router {
    private final int workers;

    HashRouter(Env env) {
        workers = env.workers;
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        return Bits.mod(hash, workers);
    }

    @Override
    public void endSlide(long slide) {}
}
