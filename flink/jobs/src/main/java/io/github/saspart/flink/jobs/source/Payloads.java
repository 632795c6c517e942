package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Pcg;
import java.util.Arrays;

/**
 * The payloads of synthetic records, made beforehand and drawn from, so that a record costs its source
 * little. Immutable, and shared by the splits of a reader.
 */
final class Payloads {
    // Powers of two, large enough that repetition does not show in a state and small enough for a cache.
    private static final int SENTENCES = 1 << 12;
    private static final int CLASSES = 1 << 6; // distributions of values; a key has one by its hash
    private static final int LISTS = 1 << 10; // starting points per class

    private static final String CONSONANTS = "bdfghjklmnprstvz";
    private static final String VOWELS = "aeiou";

    private final Payload kind;
    private final String[] sentences;
    private final double[][] runs; // of values, per class; a list is a section, and neighbouring lists overlap
    private final int perRecord;

    Payloads(Payload kind, SourceConfig config, long seed) {
        this.kind = kind;
        sentences = kind == Payload.TEXT
                ? sentences(config.sentences, Streams.pcg(seed, Streams.SENTENCES, 0)) : null;
        runs = kind == Payload.VALUES ? runs(config.values, Streams.pcg(seed, Streams.VALUES, 0)) : null;
        perRecord = config.values.perRecord;
    }

    /** A record of the key with a payload. */
    Event event(byte[] key, long hash, Pcg rng) {
        switch (kind) {
            case TEXT:
                return new Event(key, sentences[(int) (rng.nextLong() & SENTENCES - 1)]);
            case VALUES:
                double[] run = runs[(int) (hash & CLASSES - 1)];
                int from = (int) (rng.nextLong() & LISTS - 1);
                return new Event(key, Arrays.copyOfRange(run, from, from + perRecord));
            default:
                return new Event(key, "");
        }
    }

    private static String[] sentences(SourceConfig.Sentences config, Pcg rng) {
        AliasTable words = AliasTable.zipf(config.vocabulary, config.exponent);
        String[] out = new String[SENTENCES];
        StringBuilder sentence = new StringBuilder();
        for (int i = 0; i < SENTENCES; i++) {
            sentence.setLength(0);
            for (int w = 0; w < config.words; w++) {
                if (w > 0) {
                    sentence.append(' ');
                }
                spell(sentence, words.pick(rng.nextLong()));
            }
            out[i] = sentence.toString();
        }
        return out;
    }

    /** Writes number {@code n} in syllables: a distinct, pronounceable word for every number. */
    private static void spell(StringBuilder word, int n) {
        for (;;) {
            word.append(CONSONANTS.charAt(n % CONSONANTS.length()));
            n /= CONSONANTS.length();
            word.append(VOWELS.charAt(n % VOWELS.length()));
            n /= VOWELS.length();
            if (n == 0) {
                return;
            }
            n--; // so that no word is another one with a trailing "ba"
        }
    }

    private static double[][] runs(SourceConfig.Values config, Pcg rng) {
        double[][] out = new double[CLASSES][LISTS + config.perRecord];
        for (double[] run : out) {
            double mean = config.mean + config.between * Ziggurat.normal(rng);
            for (int i = 0; i < run.length; i++) {
                run[i] = mean + config.within * Ziggurat.normal(rng);
            }
        }
        return out;
    }
}
