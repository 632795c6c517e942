package io.github.saspart.flink.routing;

/** A {@link Router} that follows routes made elsewhere ({@code table}). */
public interface Follower {
    /**
     * Takes the route up. Called at a slide boundary that is the same for every subtask.
     *
     * @param route of as many workers as the job has
     * @param slide the first slide routed by it
     */
    void follow(Route route, long slide);
}
