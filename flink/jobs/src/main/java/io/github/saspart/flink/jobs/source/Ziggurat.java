package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Pcg;

/**
 * Normal and exponential numbers by the ziggurat method (Marsaglia and Tsang, Journal of Statistical
 * Software 5/8, 2000). Precision and order of draws are those of Go's {@code math/rand/v2}: the same
 * generator gives the same numbers.
 *
 * <p>The density is covered by layers of equal area: layer {@code i} is as wide as {@code x[i]}, and
 * what lies left of {@code x[i-1]} is below the density for certain.
 */
final class Ziggurat {
    private static final double NORMAL_TAIL = 3.442619855899; // where the lowest layer's tail begins
    private static final double NORMAL_AREA = 9.91256303526217e-3; // of a layer
    private static final double EXPONENTIAL_TAIL = 7.69711747013104972;
    private static final double EXPONENTIAL_AREA = 3.949659822581572e-3;

    private static final Layers NORMAL = new Layers(128, 0x1p31, NORMAL_TAIL, NORMAL_AREA) {
        @Override
        double density(double x) {
            return Math.exp(-.5 * x * x);
        }

        @Override
        double inverse(double y) {
            return Math.sqrt(-2 * Math.log(y));
        }
    };
    private static final Layers EXPONENTIAL = new Layers(256, 0x1p32, EXPONENTIAL_TAIL, EXPONENTIAL_AREA) {
        @Override
        double density(double x) {
            return Math.exp(-x);
        }

        @Override
        double inverse(double y) {
            return -Math.log(y);
        }
    };

    private Ziggurat() {}

    /** A normal number with mean 0 and standard deviation 1. */
    static double normal(Pcg rng) {
        for (;;) {
            long bits = rng.nextLong();
            int j = (int) bits;
            int i = (int) (bits >>> 32) & 0x7f;
            double x = j * (double) NORMAL.width[i];
            if (Math.abs((long) j) < NORMAL.inside[i]) {
                return x;
            }
            if (i == 0) {
                return j > 0 ? normalTail(rng) : -normalTail(rng);
            }
            if (NORMAL.isBelow(i, x, rng)) {
                return x;
            }
        }
    }

    private static double normalTail(Pcg rng) {
        for (;;) {
            double x = -Math.log(rng.nextDouble()) * (1.0 / NORMAL_TAIL);
            double y = -Math.log(rng.nextDouble());
            if (y + y >= x * x) {
                return NORMAL_TAIL + x;
            }
        }
    }

    /** An exponential number with mean 1. */
    static double exponential(Pcg rng) {
        for (;;) {
            long bits = rng.nextLong();
            long j = bits & 0xffffffffL;
            int i = (int) (bits >>> 32) & 0xff;
            double x = j * (double) EXPONENTIAL.width[i];
            if (j < EXPONENTIAL.inside[i]) {
                return x;
            }
            if (i == 0) {
                return EXPONENTIAL_TAIL - Math.log(rng.nextDouble());
            }
            if (EXPONENTIAL.isBelow(i, x, rng)) {
                return x;
            }
        }
    }

    private abstract static class Layers {
        final long[] inside; // draws below this are under the density for certain
        final float[] width; // of a layer, per unit of a draw
        final float[] height; // of the density at a layer's right edge

        Layers(int n, double draws, double tail, double area) {
            inside = new long[n];
            width = new float[n];
            height = new float[n];
            double base = area / density(tail); // as wide as the lowest layer would be without its tail
            inside[0] = (long) (tail / base * draws);
            width[0] = (float) (base / draws);
            height[0] = 1;
            double x = tail;
            for (int i = n - 1; i > 0; i--) {
                width[i] = (float) (x / draws);
                height[i] = (float) density(x);
                if (i > 1) {
                    double outer = x;
                    x = inverse(area / x + density(x));
                    inside[i] = (long) (x / outer * draws);
                }
            }
        }

        abstract double density(double x);

        abstract double inverse(double y);

        /** Whether a point at {@code x} and at a random height of layer {@code i} is under the density. */
        final boolean isBelow(int i, double x, Pcg rng) {
            return height[i] + (float) rng.nextDouble() * (height[i - 1] - height[i]) < (float) density(x);
        }
    }
}
