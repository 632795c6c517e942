package io.github.saspart.flink.jobs;

/** The job for summaries of the distribution of each key's values; {@link Arguments} has its arguments. */
public final class TDigestJob {
    private TDigestJob() {}

    /** Submits the job. */
    public static void main(String[] args) throws Exception {
        AggregationJob.run(Arguments.parse(args, "tdigest"));
    }
}
