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
    private static final int WORDS = 1 << 14; // of the text that sentences of unequal length are parts of
    private static final int LENGTHS = 1 << 12; // of sentences; a key has one by its hash
    private static final int CLASSES = 1 << 6; // distributions of values; a key has one by its hash
    private static final int LISTS = 1 << 10; // starting points per class

    private static final String CONSONANTS = "bdfghjklmnprstvz";
    private static final String VOWELS = "aeiou";

    private final Payload kind;
    private final String[] sentences; // null: parts of a text
    private final Text text;
    private final double[][] runs; // of values, per class; a list is a section, and neighbouring lists overlap
    private final int perRecord;

    Payloads(Payload kind, SourceConfig config, long seed) {
        this.kind = kind;
        boolean unequal = config.sentences.spread > 0;
        text = kind == Payload.TEXT && unequal ? new Text(config.sentences, seed) : null;
        sentences = kind == Payload.TEXT && !unequal
                ? sentences(config.sentences, Streams.pcg(seed, Streams.SENTENCES, 0)) : null;
        runs = kind == Payload.VALUES ? runs(config.values, Streams.pcg(seed, Streams.VALUES, 0)) : null;
        perRecord = config.values.perRecord;
    }

    /** A record of the key with a payload. */
    Event event(byte[] key, long hash, Pcg rng) {
        switch (kind) {
            case TEXT:
                long random = rng.nextLong();
                return new Event(key, text == null ? sentences[(int) (random & SENTENCES - 1)] : text.sentence(hash, random));
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

    /** A long text, of which a sentence is a part. Its length depends on the key. */
    private static final class Text {
        private final String all;
        private final int[] ends; // of the words
        private final int[] words = new int[LENGTHS]; // of a sentence

        Text(SourceConfig.Sentences config, long seed) {
            Pcg rng = Streams.pcg(seed, Streams.SENTENCES, 0);
            AliasTable table = AliasTable.zipf(config.vocabulary, config.exponent);
            StringBuilder text = new StringBuilder();
            ends = new int[WORDS + config.most];
            for (int i = 0; i < ends.length; i++) {
                text.append(' ');
                spell(text, table.pick(rng.nextLong()));
                ends[i] = text.length();
            }
            all = text.toString();
            rng = Streams.pcg(seed, Streams.SENTENCES, 1);
            for (int i = 0; i < LENGTHS; i++) {
                long n = Math.round(config.words * Math.exp(config.spread * Ziggurat.normal(rng)));
                words[i] = (int) Math.min(Math.max(n, 1), config.most);
            }
        }

        /** A sentence of the key of a hash; random decides where it begins. */
        String sentence(long hash, long random) {
            int first = (int) (random & WORDS - 1); // a word that is not part of it
            return all.substring(ends[first] + 1, ends[first + words[(int) (hash >>> 20) & LENGTHS - 1]]);
        }
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
