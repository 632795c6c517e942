package io.github.saspart.flink.routing;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;

/** Every partitioner by name. */
public final class Routers {
    private static final Map<String, BiFunction<Options, Env, Router>> ROUTERS = new LinkedHashMap<>();

    // In the order in which they are shown. A new partitioner adds its row here.
    static {
        ROUTERS.put("hash", (options, env) -> new HashRouter(env));
        ROUTERS.put("pkg", (options, env) -> new PkgRouter(env));
        ROUTERS.put("wchoices", ChoicesRouter::new);
        ROUTERS.put("cam", CamRouter::new);
        ROUTERS.put("dagreedy", DaGreedyRouter::new);
        ROUTERS.put("flexd", FlexDRouter::new);
        ROUTERS.put("dalton-original", DaltonRouter::new);
        ROUTERS.put("dalton-metrics", DaltonMetricsRouter::new);
        ROUTERS.put("dalton-offline", DaltonOfflineRouter::new);
        // The policy server computes the routes of these.
        for (String name : List.of("table", "waterfill", "saspartitioner")) {
            ROUTERS.put(name, TableRouter::new);
        }
    }

    private Routers() {}

    /** The partitioners that {@link #create} knows, in the order in which they are shown. */
    public static List<String> names() {
        return List.copyOf(ROUTERS.keySet());
    }

    /**
     * Makes the router of one subtask. Those whose routes the policy server computes ({@code
     * waterfill}, {@code saspartitioner}) are a {@code table} here.
     */
    public static Router create(Options options, Env env) {
        return ROUTERS.get(options.name).apply(options, env);
    }
}
