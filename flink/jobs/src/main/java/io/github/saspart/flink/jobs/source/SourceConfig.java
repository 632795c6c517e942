package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Names;
import io.github.saspart.flink.routing.Settings;
import java.io.Serializable;
import java.time.Duration;
import java.util.List;
import java.util.Map;

/**
 * What the records of a job are, in the names, with the bounds and with the defaults of a Go job's {@code
 * source}.
 */
public final class SourceConfig implements Serializable {
    private static final long serialVersionUID = 1;

    /** The kinds of sources there are. */
    public static final List<String> KINDS = List.of("zipf", "zipf-sequence", "drift", "file");

    private static final int MAX_KEYS = 1 << 24;
    private static final double FAR = 1e100; // so that no sum overflows

    /** One of {@link #KINDS}. */
    public final String kind;
    /** All but file: distinct keys. */
    public final int keys;
    /** Zipf, drift: the key of rank r has a probability proportional to 1/r^exponent. */
    public final double exponent;
    /** All but file: keys' numbers say nothing of their ranks; false: key-0 is the most frequent. */
    public final boolean shuffle;
    /** Of a zipf-sequence. */
    public final Sequence sequence;
    /** Of a drift. */
    public final Drift drift;
    /** Of a file; null for others. */
    public final FileConfig file;
    /** Payload of word counts, all but file. */
    public final Sentences sentences;
    /** Payload of t-digests, all but file. */
    public final Values values;

    /** Reads the settings of a source for a task that reads {@code payload}. */
    public SourceConfig(Settings s, Payload payload) {
        kind = s.text("kind", "zipf");
        if (!KINDS.contains(kind)) {
            s.problem("kind", "is \"" + kind + "\"; " + Names.explain(kind, KINDS));
        }
        keys = (int) s.whole("keys", 10_000, kind.equals("drift") ? 2 : 1, MAX_KEYS);
        exponent = exponent(s, 1.5);
        shuffle = s.flag("shuffle", false);
        sequence = new Sequence(s.section("sequence"));
        drift = new Drift(s.section("drift"));
        sentences = new Sentences(s.section("sentences"));
        values = new Values(s.section("values"));
        if (kind.equals("file")) {
            file = new FileConfig(s.section("file"), payload);
        } else {
            file = null;
            s.leave("file");
        }
    }

    /** The source in this tree; an {@link IllegalArgumentException} tells all that is wrong with it. */
    public static SourceConfig of(Map<String, ?> tree, Payload payload) {
        Settings settings = Settings.of(tree);
        SourceConfig config = new SourceConfig(settings, payload);
        settings.finish();
        return config;
    }

    private static double exponent(Settings s, double otherwise) {
        return s.real("exponent", otherwise, 0, Double.MAX_VALUE);
    }

    /** How the distribution of a zipf-sequence changes. */
    public static final class Sequence implements Serializable {
        private static final long serialVersionUID = 1;

        /** In turn, from the start again after the last. */
        public final double[] exponents;
        /** Event time that each is in force, ns. */
        public final long intervalNanos;
        /** Deal the keys anew to the ranks at each change. */
        public final boolean reshuffle;

        private Sequence(Settings s) {
            exponents = s.has("exponents") ? s.reals("exponents") : new double[] {1, 1.5, 2};
            if (exponents.length == 0) {
                s.problem("exponents", "is empty; at least one is needed");
            }
            for (double e : exponents) {
                if (!(e >= 0 && e <= Double.MAX_VALUE)) {
                    s.problem("exponents", "holds " + e + "; an exponent must be a finite number of at least 0");
                }
            }
            intervalNanos = s.duration("interval", Duration.ofSeconds(30)).toNanos();
            reshuffle = s.flag("reshuffle", false);
        }
    }

    /** How the probability of the drifting key moves. */
    public static final class Drift implements Serializable {
        private static final long serialVersionUID = 1;

        /** The least probability. */
        public final double low;
        /** The greatest probability. */
        public final double high;
        /** Event time from low to high and back to low, ns. */
        public final long periodNanos;

        private Drift(Settings s) {
            low = s.real("low", 0.001, 0, 1);
            high = s.real("high", 0.03, 0, 1);
            periodNanos = s.duration("period", Duration.ofMinutes(1)).toNanos();
            if (low > high) {
                s.problem("low", "is " + low + ", above high, " + high);
            }
        }
    }

    /** Synthetic sentences. */
    public static final class Sentences implements Serializable {
        private static final long serialVersionUID = 1;

        /** Words per record; with spread: of the median key. */
        public final int words;
        /** Standard deviation of the log of a key's number of words; 0: all keys have as many. */
        public final double spread;
        /** With spread: words per record, at most. */
        public final int most;
        /** Distinct words. */
        public final int vocabulary;
        /** Of the zipf law of the words. */
        public final double exponent;

        private Sentences(Settings s) {
            words = (int) s.whole("words", 8, 1, 1000);
            spread = s.real("spread", 0, 0, 4);
            most = (int) s.whole("most", 80, 1, 1000);
            vocabulary = (int) s.whole("vocabulary", 1000, 1, 1 << 20);
            exponent = exponent(s, 1);
        }
    }

    /** Synthetic lists of values: normal, with a mean that depends on the key. */
    public static final class Values implements Serializable {
        private static final long serialVersionUID = 1;

        /** Values per record. */
        public final int perRecord;
        /** Of the keys' means. */
        public final double mean;
        /** Standard deviation of the keys' means. */
        public final double between;
        /** Standard deviation of one key's values. */
        public final double within;

        private Values(Settings s) {
            perRecord = (int) s.whole("per_record", 8, 1, 10_000);
            mean = s.real("mean", 100, -FAR, FAR);
            between = s.real("between", 20, 0, FAR);
            within = s.real("within", 10, 0, FAR);
        }
    }
}
