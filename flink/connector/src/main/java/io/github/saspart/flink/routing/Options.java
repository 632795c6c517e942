package io.github.saspart.flink.routing;

import java.io.Serializable;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The name of a partitioner and its options, in the names, with the bounds and with the defaults that
 * experiment files have. The options of partitioners other than the named one are checked too, but
 * change nothing; those of partitioners that the policy server computes mean something there.
 */
public final class Options implements Serializable {
    private static final long serialVersionUID = 1;

    /** One of {@link Routers#names}. */
    public final String name;
    /** Behave as the public code does where that has a fault; off mends it. */
    public final boolean published;
    /** Of {@code table}, and of partitioners whose routes the policy server computes. */
    public final Table table;
    /** Of {@code wchoices}, and of {@code table} while no server answers. */
    public final Choices choices;
    /** Of {@code dagreedy}. */
    public final DaGreedy daGreedy;
    /** Of {@code flexd}. */
    public final FlexD flexD;
    /** Of {@code dalton-original} and {@code dalton-metrics}. */
    public final Dalton dalton;
    /** Of {@code dalton-offline}. */
    public final DaltonOffline daltonOffline;

    private Options(Settings s) {
        name = s.text("name", "hash");
        published = s.flag("published", false);
        table = new Table(s.section("table"));
        choices = new Choices(s.section("choices"));
        daGreedy = new DaGreedy(s.section("dagreedy"));
        flexD = new FlexD(s.section("flexd"));
        dalton = new Dalton(s.section("dalton"));
        daltonOffline = new DaltonOffline(s.section("dalton_offline"));
        // An experiment file has these too: they are for the policy server, or for partitioners of Go alone.
        s.leave("fish");
        s.leave("waterfill");
        s.leave("saspartitioner");
        if (!Routers.names().contains(name)) {
            String remedy = Names.explain(name, Routers.names());
            s.problem("name", "is \"" + name + "\", which is no partitioner here; " + remedy);
        }
    }

    /** Reads the options below {@code settings}, where impossible ones are noted. */
    public static Options read(Settings settings) {
        return new Options(settings);
    }

    /** The options in this tree; an {@link IllegalArgumentException} tells all that is wrong with them. */
    public static Options of(Map<String, ?> tree) {
        Settings settings = Settings.of(tree);
        Options options = read(settings);
        settings.finish();
        return options;
    }

    /** A partitioner with the default options. */
    public static Options of(String name) {
        return of(Map.of("name", name));
    }

    /** How routers keep workers within their capacities while they follow a route. */
    public static final class Table implements Serializable {
        private static final long serialVersionUID = 1;

        /** How far a worker may be ahead of its capacity, as a part of the records of a slide; 0: routes are followed to the letter. */
        public final double bound;
        /** Bounds by which its worker must be ahead before a light key that is not split goes elsewhere. */
        public final double patience;
        /** Most workers that a key overflows to before random ones; a power of two. */
        public final int candidates;
        /** Bounds by which a worker may be behind: what an idle worker is sent at once. */
        public final double credit;
        /** Slides in which what workers are ahead or behind by is forgotten. */
        public final int decay;

        private Table(Settings s) {
            bound = s.real("bound", 0.02, 0, 1);
            patience = s.real("patience", 4, 1, 1e3);
            candidates = (int) s.whole("candidates", 16, 2, 64);
            credit = s.real("credit", 3, 0, 1e3);
            decay = (int) s.whole("decay", 8, 1, 1_000_000);
            if (Integer.bitCount(candidates) != 1) {
                s.problem("candidates", "is " + candidates + "; it must be a power of two from 2 to 64");
            }
        }
    }

    /** The constants of {@code wchoices}. */
    public static final class Choices implements Serializable {
        private static final long serialVersionUID = 1;

        /** Keys with at least 1/(head*P) of the records are head keys. */
        public final double head;
        /** Size of the sketch; 0 for 4 per key that could be a head key: 4*head*P. */
        public final int counters;

        private Choices(Settings s) {
            head = s.real("head", 5, 1e-3, 1e6);
            counters = (int) s.whole("counters", 0, 0, 1 << 24);
            s.leave("epsilon"); // these two are of dchoices
            s.leave("refresh");
        }
    }

    /** The constants of {@code dagreedy}. */
    public static final class DaGreedy implements Serializable {
        private static final long serialVersionUID = 1;

        /** A key is hot above a slide's total / (divisor * P). */
        public final double divisor;
        /** Weight of being where the key already is, against the load's; from 0 to 1. */
        public final double affinity;

        private DaGreedy(Settings s) {
            divisor = s.real("divisor", 1, 1e-6, 1e6);
            affinity = s.real("affinity", 0.5, 0, 1);
        }
    }

    /** The constants of {@code flexd}. */
    public static final class FlexD implements Serializable {
        private static final long serialVersionUID = 1;

        /** A key is hot from this frequency on. */
        public final double threshold;
        /** A key's bar rises by this factor with every worker. */
        public final double growth;
        /** Frequencies, bars and workers start anew so often, in ns. */
        public final long refreshNanos;
        /** Records below which frequencies are not trusted; published: none. */
        public final int settle;

        private FlexD(Settings s) {
            threshold = s.real("threshold", 0.01, 1e-6, 1);
            growth = s.real("growth", 1.1, 1.0001, 1e6);
            refreshNanos = s.duration("refresh", Duration.ofMinutes(1)).toNanos();
            settle = (int) s.whole("settle", 1000, 0, 1 << 30);
        }
    }

    /** The constants of {@code dalton-original} and {@code dalton-metrics}. */
    public static final class Dalton implements Serializable {
        private static final long serialVersionUID = 1;

        /** Weight of the latest reward in Q. */
        public final double learningRate;
        /** Share of hot records that explore. */
        public final double epsilon;
        /** Q of a worker never tried; below every reward. */
        public final double initial;
        /** Weight of the load in the reward, against fragmentation ({@code dalton-original}). */
        public final double balance;
        /** maxSplit at the start. */
        public final int splitMin;
        /** maxSplit at most. */
        public final int splitMax;
        /** maxSplit rises once this share of the hot keys has reached it. */
        public final double splitShare;
        /** Distinct keys in a slide from which on they are counted by sketch; 0 never. */
        public final int sketchFrom;
        /** Count-Min: error, as a share of the slide's records. */
        public final double sketchEpsilon;
        /** Count-Min: how surely the error is within epsilon. */
        public final double sketchConfidence;

        private Dalton(Settings s) {
            learningRate = s.real("learning_rate", 0.1, 0, 1);
            epsilon = s.real("epsilon", 0.1, 0, 1);
            initial = s.real("initial", -2, -1e6, 1e6);
            balance = s.real("balance", 0.5, 0, 1);
            splitMin = (int) s.whole("split_min", 2, 1, 1 << 15);
            splitMax = (int) s.whole("split_max", 6, splitMin, 1 << 15);
            splitShare = s.real("split_share", 0.7, 0, 1);
            sketchFrom = (int) s.whole("sketch_from", 10000, 0, 1 << 30);
            sketchEpsilon = s.real("sketch_epsilon", 0.05, 1e-6, 1);
            sketchConfidence = s.real("sketch_confidence", 0.9, 0, 0.999999);
        }
    }

    /** The constants of {@code dalton-offline}. */
    public static final class DaltonOffline implements Serializable {
        private static final long serialVersionUID = 1;

        /** Keys treated as hot, heaviest first; the true hot ones are learned. */
        public final int hotKeys;
        /** The hot keys themselves, heaviest first, instead of finding them. */
        public final List<String> keys;
        /** Which workers a true hot key may use. */
        public final Mask mask;
        /** Weight of the latest reward in Q. */
        public final double learningRate;
        /** Share of hot records that explore. */
        public final double epsilon;
        /** Of the softmax that exploits; 0 is argmax. */
        public final double temperature;
        /** Size of the sketch that finds the hot keys. */
        public final int counters;
        /** By how much a key must outweigh another to take over its rank. */
        public final double hysteresis;
        /** Weight of the latest slide in the shares that ranks and mask follow. */
        public final double smoothing;

        private DaltonOffline(Settings s) {
            hotKeys = (int) s.whole("hot_keys", 10, 1, 1 << 12);
            keys = List.copyOf(s.texts("keys"));
            mask = new Mask(s.section("mask"));
            learningRate = s.real("learning_rate", 0.1, 0, 1);
            epsilon = s.real("epsilon", 0.1, 0, 1);
            temperature = s.real("temperature", 0, 0, 1e6);
            counters = (int) s.whole("counters", 1024, 1, 1 << 20);
            hysteresis = s.real("hysteresis", 0.2, 0, 1e6);
            smoothing = s.real("smoothing", 0.2, 1e-3, 1);
            if (counters < hotKeys) {
                s.problem("counters", "is " + counters + ", below hot_keys, " + hotKeys + "; some could not be found");
            }
            Set<String> seen = new HashSet<>();
            for (int i = 0; i < keys.size(); i++) {
                if (!seen.add(keys.get(i))) {
                    s.problem("keys[" + i + "]", "is \"" + keys.get(i) + "\", which is in the list already");
                }
            }
        }
    }

    /** The form of the mask of {@code dalton-offline}. */
    public static final class Mask implements Serializable {
        private static final long serialVersionUID = 1;

        /** This many keys, the first ones, may use every worker. */
        public final int spread;
        /** Keys in the mask; 0 derives the number from the key distribution. */
        public final int trueHot;
        /** Derive it as the reference's code does, faults included. */
        public final boolean published;

        private Mask(Settings s) {
            spread = (int) s.whole("spread", 0, 0, Route.MAX_WORKERS);
            trueHot = (int) s.whole("true_hot", 0, 0, 1 << 20);
            published = s.flag("published", false);
            s.whole("reach", 0, 0, 0); // masks of light keys are for learned policies, which the server follows
        }
    }
}
