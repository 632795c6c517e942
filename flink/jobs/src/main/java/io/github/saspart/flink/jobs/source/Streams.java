package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Pcg;

/**
 * The random streams of a seed, kept apart by their purpose and by an index within it (a split, a
 * phase).
 */
final class Streams {
    static final int KEYS = 1;
    static final int SHUFFLE = 2;
    static final int PHASE = 3;
    static final int SENTENCES = 4;
    static final int VALUES = 5;
    static final int PAYLOAD = 6;
    static final int ARRIVALS = 7;

    private Streams() {}

    /** Mixes what it is given first, since a PCG's streams from neighbouring states resemble each other. */
    static Pcg pcg(long seed, int purpose, long index) {
        long hi = mix(seed + 0x9e3779b97f4a7c15L * purpose);
        return new Pcg(hi, mix(hi ^ (index + 1) * 0xd1342543de82ef95L));
    }

    /** The finaliser of splitmix64 (Steele, Lea and Flood 2014): it spreads every bit over all others. */
    private static long mix(long x) {
        x = (x ^ x >>> 30) * 0xbf58476d1ce4e5b9L;
        x = (x ^ x >>> 27) * 0x94d049bb133111ebL;
        return x ^ x >>> 31;
    }
}
