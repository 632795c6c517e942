package io.github.saspart.flink.jobs.source;

/** Which part of a record a task reads, so that a source makes nothing else. */
public enum Payload {
    /** The key is all. */
    NONE,
    /** A sentence. */
    TEXT,
    /** A list of numbers. */
    VALUES
}
