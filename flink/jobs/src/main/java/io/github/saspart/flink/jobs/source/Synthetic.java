package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.routing.Pcg;
import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/**
 * Records drawn at random. A generator for keys and another one for payloads keep the keys the same
 * whatever the payload is. All that depends on time follows from the records' offsets, so that the two
 * generators are the whole position.
 */
abstract class Synthetic implements Records {
    private static final Keys DRIFTING = Keys.named("key-drifting");

    private final Payloads payloads;
    private Pcg payload;
    Pcg rng;

    private Synthetic(Payloads payloads, long seed, int split) {
        this.payloads = payloads;
        rng = Streams.pcg(seed, Streams.KEYS, split);
        payload = Streams.pcg(seed, Streams.PAYLOAD, split);
    }

    static Opener opener(SourceConfig config, Payloads payloads, long seed) {
        // The drifting key is one of those asked for.
        int n = config.kind.equals("drift") ? config.keys - 1 : config.keys;
        Keys numbered = Keys.numbered(n);
        Keys keys = config.shuffle ? numbered.dealt(Streams.pcg(seed, Streams.SHUFFLE, 0)) : numbered;
        switch (config.kind) {
            case "zipf-sequence":
                AliasTable[] tables = new AliasTable[config.sequence.exponents.length];
                for (int i = 0; i < tables.length; i++) {
                    tables[i] = AliasTable.zipf(n, config.sequence.exponents[i]);
                }
                return (split, splits) -> new Sequence(config.sequence, tables, keys, payloads, seed, split);
            case "drift":
                AliasTable background = AliasTable.zipf(n, config.exponent);
                return (split, splits) -> new Drift(config.drift, background, keys, payloads, seed, split);
            default:
                AliasTable table = AliasTable.zipf(n, config.exponent);
                return (split, splits) -> new Zipf(table, keys, payloads, seed, split);
        }
    }

    final Event event(Keys keys, int rank) {
        return payloads.event(keys.names[rank], keys.hashes[rank], payload);
    }

    @Override
    public void save(DataOutput out) throws IOException {
        for (Pcg pcg : new Pcg[] {rng, payload}) {
            out.writeLong(pcg.high());
            out.writeLong(pcg.low());
        }
    }

    @Override
    public void restore(DataInput in) throws IOException {
        rng = new Pcg(in.readLong(), in.readLong());
        payload = new Pcg(in.readLong(), in.readLong());
    }

    /** One distribution that never changes. */
    private static final class Zipf extends Synthetic {
        private final AliasTable table;
        private final Keys keys;

        Zipf(AliasTable table, Keys keys, Payloads payloads, long seed, int split) {
            super(payloads, seed, split);
            this.table = table;
            this.keys = keys;
        }

        @Override
        public Event next(long offset) {
            return event(keys, table.pick(rng.nextLong()));
        }
    }

    /**
     * A distribution that is exchanged every interval of event time: the exponents take turns for ever,
     * and with reshuffle the keys get new ranks, so that other keys become hot. What a phase
     * looks like depends on the seed and its number alone, so all splits change to the same.
     */
    private static final class Sequence extends Synthetic {
        private final SourceConfig.Sequence config;
        private final long interval;
        private final AliasTable[] tables;
        private final Keys first;
        private final long seed;
        private long phase;
        private Keys keys;

        Sequence(SourceConfig.Sequence config, AliasTable[] tables, Keys keys, Payloads payloads, long seed, int split) {
            super(payloads, seed, split);
            this.config = config;
            this.interval = config.intervalNanos;
            this.tables = tables;
            this.first = keys;
            this.seed = seed;
            this.keys = keys;
        }

        @Override
        public Event next(long offset) {
            if (offset / interval != phase) {
                phase = offset / interval;
                if (config.reshuffle) {
                    keys = first.dealt(Streams.pcg(seed, Streams.PHASE, phase));
                }
            }
            return event(keys, tables[(int) (phase % tables.length)].pick(rng.nextLong()));
        }
    }

    /**
     * One key has a probability that moves linearly from low to high and back in each period of event
     * time; the others share the rest by a zipf law.
     */
    private static final class Drift extends Synthetic {
        private final SourceConfig.Drift config;
        private final long period;
        private final AliasTable table;
        private final Keys keys;

        Drift(SourceConfig.Drift config, AliasTable table, Keys keys, Payloads payloads, long seed, int split) {
            super(payloads, seed, split);
            this.config = config;
            this.period = config.periodNanos;
            this.table = table;
            this.keys = keys;
        }

        @Override
        public Event next(long offset) {
            double at = 2 * (double) (offset % period) / period;
            double probability = config.low + (config.high - config.low) * (1 - Math.abs(at - 1));
            double u = (rng.nextLong() >>> 11) * 0x1p-53;
            // Drawn in any case, so that the background does not depend on the bounds.
            int other = table.pick(rng.nextLong());
            return u < probability ? event(DRIFTING, 0) : event(keys, other);
        }
    }
}
