package io.github.saspart.flink.routing;

import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/**
 * Keeps the hot keys of {@link DaltonOfflineRouter} in order of weight, without letting noise reorder
 * them. It tracks the hot keys and their challengers, up to four times as many; every slide their
 * shares of the records are smoothed. The keys are ordered anew when one outweighs a better ranked
 * one by the hysteresis. With a list of keys given, only the shares are measured.
 */
final class Ranks {
    private static final Comparator<RankedKey> HEAVIEST_FIRST = (a, b) ->
            a.share != b.share ? Double.compare(b.share, a.share) : Long.compareUnsigned(a.hash, b.hash);

    private final double workers;
    private final int limit; // hot keys
    private final boolean fixed;
    private final double hysteresis;
    private final double smoothing;
    private final double temperature;

    private List<RankedKey> keys = new ArrayList<>(); // the hot ones by rank, then their challengers
    private int hot;
    private boolean settled; // the keys' stretches have been set
    private final HashIndex index = new HashIndex();
    private RankedKey[] byNumber = new RankedKey[16];
    private int numbers; // given out so far
    private final ArrayDeque<Integer> free = new ArrayDeque<>(); // a stack of numbers

    Ranks(Options.DaltonOffline options, int workers) {
        this.workers = workers;
        hysteresis = options.hysteresis;
        smoothing = options.smoothing;
        temperature = options.temperature;
        for (String name : options.keys) {
            track(Hashing.hash(name.getBytes(StandardCharsets.UTF_8)), 0);
        }
        fixed = !keys.isEmpty();
        limit = fixed ? keys.size() : options.hotKeys;
        hot = keys.size();
    }

    /** What is known of a key, null if it isn't tracked. */
    RankedKey find(long hash) {
        int k = index.get(hash);
        return k < 0 ? null : byNumber[k];
    }

    /** All keys that are tracked, the first {@link #hot} by rank. */
    List<RankedKey> keys() {
        return keys;
    }

    /** How many keys are hot. */
    int hot() {
        return hot;
    }

    private void track(long hash, double share) {
        int number = free.isEmpty() ? numbers++ : free.pop();
        if (number == byNumber.length) {
            byNumber = Arrays.copyOf(byNumber, 2 * number);
        }
        RankedKey k = new RankedKey(hash, number, share, temperature);
        byNumber[number] = k;
        index.put(hash, number);
        keys.add(k);
    }

    /**
     * Processes the counts of a slide with records, and returns whether the mask should follow. It should
     * if the order changed, or if a key's stretch of the line of P workers changed by more than one worker
     * and more than the hysteresis.
     */
    boolean measure(SpaceSaving slide) {
        double total = slide.total();
        double weight = settled ? smoothing : 1;
        for (RankedKey k : keys) {
            k.share += weight * (slide.estimate(k.hash) / total - k.share);
        }
        if (fixed) {
            return !settled || moved();
        }
        for (SpaceSaving.HotKey h : slide.top(2 * limit)) {
            if (index.get(h.hash) < 0) {
                track(h.hash, weight * h.count / total);
            }
        }
        if (!disordered()) {
            return moved();
        }
        keys.sort(HEAVIEST_FIRST);
        hot = Math.min(limit, keys.size());
        return true;
    }

    /** Whether a key outweighs a better ranked key by the hysteresis, or a rank is free. */
    private boolean disordered() {
        if (hot < Math.min(limit, keys.size())) {
            return true;
        }
        double least = Double.POSITIVE_INFINITY;
        for (int i = 0; i < keys.size(); i++) {
            double share = keys.get(i).share;
            if (share > (1 + hysteresis) * least) {
                return true;
            }
            if (i < hot) {
                least = Math.min(least, share);
            }
        }
        return false;
    }

    /** Compares the stretches with those of the mask in force. */
    private boolean moved() {
        double scale = scale();
        for (RankedKey k : keys.subList(0, hot)) {
            if (Math.abs(k.share * scale - k.stretch) > Math.max(1, hysteresis * k.stretch)) {
                return true;
            }
        }
        return false;
    }

    /** Turns a hot key's share into its stretch of the line of P workers. */
    private double scale() {
        double sum = 0;
        for (RankedKey k : keys.subList(0, hot)) {
            sum += k.share;
        }
        return sum == 0 ? 0 : workers / sum;
    }

    /** Notes the stretches that a new mask is made from: the shares of the hot keys by rank. */
    double[] settle() {
        double[] shares = new double[hot];
        double scale = scale();
        for (int i = 0; i < hot; i++) {
            RankedKey k = keys.get(i);
            shares[i] = k.share;
            k.stretch = k.share * scale;
        }
        settled = true;
        return shares;
    }

    /**
     * Drops the lightest challengers, down to four tracked keys per hot one, save those that still
     * have to be merged in slide now.
     */
    void forget(long now) {
        if (fixed || keys.size() <= 4 * limit) {
            return;
        }
        keys.subList(hot, keys.size()).sort(HEAVIEST_FIRST);
        List<RankedKey> kept = new ArrayList<>(keys.subList(0, 4 * limit));
        for (RankedKey k : keys.subList(4 * limit, keys.size())) {
            if (k.mixed >= now) {
                kept.add(k);
                continue;
            }
            index.remove(k.hash);
            byNumber[k.number] = null;
            free.push(k.number);
        }
        keys = kept;
    }
}
