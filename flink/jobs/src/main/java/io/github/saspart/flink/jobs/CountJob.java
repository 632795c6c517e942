package io.github.saspart.flink.jobs;

/** The job for counts of each key's records; {@link Arguments} has its arguments. */
public final class CountJob {
    private CountJob() {}

    /** Submits the job. */
    public static void main(String[] args) throws Exception {
        AggregationJob.run(Arguments.parse(args, "count"));
    }
}
