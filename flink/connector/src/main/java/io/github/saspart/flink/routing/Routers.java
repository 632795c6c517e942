package io.github.saspart.flink.routing;

import java.util.List;

/** Every partitioner by name. */
public final class Routers {
    private static final List<String> NAMES =
            List.of("hash", "pkg", "wchoices", "cam", "dagreedy", "flexd", "dalton-original",
                    "dalton-metrics", "dalton-offline", "table", "waterfill", "saspartitioner");

    private Routers() {}

    /** The partitioners that {@link #create} knows, in the order people are shown them. */
    public static List<String> names() {
        return NAMES;
    }

    /**
     * Makes the router of one subtask. Those whose routes the policy server computes ({@code
     * waterfill}, {@code saspartitioner}) are a {@code table} here.
     */
    public static Router create(Options options, Env env) {
        switch (options.name) {
            case "hash":
                return new HashRouter(env);
            case "pkg":
                return new PkgRouter(env);
            case "wchoices":
                return new ChoicesRouter(options, env);
            case "cam":
                return new CamRouter(options, env);
            case "dagreedy":
                return new DaGreedyRouter(options, env);
            case "flexd":
                return new FlexDRouter(options, env);
            case "dalton-original":
                return new DaltonRouter(options, env);
            case "dalton-metrics":
                return new DaltonMetricsRouter(options, env);
            case "dalton-offline":
                return new DaltonOfflineRouter(options, env);
            default:
                return new TableRouter(options, env);
        }
    }
}
