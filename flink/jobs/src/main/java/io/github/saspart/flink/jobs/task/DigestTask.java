package io.github.saspart.flink.jobs.task;

import io.github.saspart.flink.jobs.source.Event;

/**
 * Summarises the distribution of each key's values by a t-digest (Dunning and Ertl, Computing Extremely
 * Accurate Quantiles Using t-Digests, 2019), in the implementation of its first author.
 */
final class DigestTask extends Task<Digest> {
    private static final long serialVersionUID = 1;

    private final double compression;
    private final double[] quantiles;

    DigestTask(TaskConfig config, boolean renders) {
        super(renders);
        compression = config.compression;
        quantiles = config.quantiles;
    }

    @Override
    public Digest createAccumulator() {
        return new Digest(compression);
    }

    @Override
    public Digest add(Event event, Digest digest) {
        digest.records++;
        for (double value : event.values) {
            digest.add(value);
        }
        return digest;
    }

    @Override
    public Digest merge(Digest into, Digest from) {
        into.merge(from);
        return into;
    }

    @Override
    public long units(Event event) {
        return event.values.length;
    }

    @Override
    public long size(Digest digest) {
        return digest.size();
    }

    @Override
    public long records(Digest digest) {
        return digest.records;
    }

    @Override
    public String exact(Digest digest) {
        return digest.exact();
    }

    @Override
    String text(Digest digest) {
        return digest.text(quantiles);
    }
}
