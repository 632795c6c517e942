package io.github.saspart.flink.routing;

import java.util.List;

/**
 * A {@link Router} whose subtasks exchange what they learned ({@code dalton-original} and {@code
 * dalton-metrics}). Once per slide every subtask's share is collected, and all of them are handed
 * to every subtask at a later slide boundary.
 */
public interface Sharer {
    /** A snapshot of what this subtask knows that the others should, in a form of its own. */
    byte[] share();

    /**
     * Merges the snapshots of all subtasks.
     *
     * @param shares by subtask, its own among them; null or empty where one is missing. One that
     *     cannot be read is left out
     */
    void absorb(List<byte[]> shares);
}
