package io.github.saspart.flink.jobs;

/** The job for word counts of each key's sentences; {@link Arguments} has its arguments. */
public final class WordCountJob {
    private WordCountJob() {}

    /** Submits the job. */
    public static void main(String[] args) throws Exception {
        AggregationJob.run(Arguments.parse(args, "wordcount"));
    }
}
