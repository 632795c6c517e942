package io.github.saspart.flink.routing;

/**
 * A {@link Router} that can do without the server that makes its routes ({@code table}): while no
 * server answers, keys that the last route does not name go by {@code wchoices}.
 */
public interface Unattended {
    /**
     * Tells that the server has fallen silent, or is back. Called at a slide boundary.
     *
     * @param alone whether no server answers
     * @param slide the first slide that is routed so
     */
    void unattended(boolean alone, long slide);
}
