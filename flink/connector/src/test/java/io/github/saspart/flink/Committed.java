package io.github.saspart.flink;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.flink.api.common.state.CheckpointListener;
import org.apache.flink.api.common.state.ListState;
import org.apache.flink.api.common.state.ListStateDescriptor;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.api.java.tuple.Tuple3;
import org.apache.flink.runtime.state.FunctionInitializationContext;
import org.apache.flink.runtime.state.FunctionSnapshotContext;
import org.apache.flink.streaming.api.checkpoint.CheckpointedFunction;

/**
 * A sink that shows results once and for all when the checkpoint that they came before is complete:
 * those of an attempt that failed are not among them.
 */
@SuppressWarnings("deprecation") // the new sinks' committers need far more code
final class Committed extends OldSink<Tuple3<String, Long, String>> implements CheckpointedFunction, CheckpointListener {
    private static final long serialVersionUID = 1;

    /** By sink and transaction; static as tests are in the same process. */
    private static final Map<String, Map<String, List<String>>> SHOWN = new ConcurrentHashMap<>();

    private final String name;
    private transient List<String> current;
    private transient Map<String, List<String>> pending; // by transaction
    private transient ListState<String> saved; // a transaction and a result in turn

    Committed(String name) {
        this.name = name;
        SHOWN.putIfAbsent(name, new ConcurrentHashMap<>());
    }

    /** How many results have been shown. */
    static int size(String name) {
        return SHOWN.get(name).values().stream().mapToInt(List::size).sum();
    }

    /** Fails unless each result was shown once, and no other one. */
    static void verify(String name, Map<String, String> expected) {
        Map<String, String> got = new HashMap<>();
        for (List<String> transaction : SHOWN.get(name).values()) {
            for (String result : transaction) {
                String[] parts = result.split("=");
                assertNull(got.put(parts[0], parts[1]), "two results of " + parts[0]);
            }
        }
        for (Map.Entry<String, String> e : expected.entrySet()) {
            assertEquals(e.getValue(), got.get(e.getKey()), "result of " + e.getKey());
        }
        assertEquals(expected.size(), got.size(), "number of results");
    }

    @Override
    public void invoke(Tuple3<String, Long, String> result, Context context) {
        current.add(result.f0 + "@" + result.f1 + "=" + result.f2);
    }

    @Override
    public void initializeState(FunctionInitializationContext context) throws Exception {
        current = new ArrayList<>();
        pending = new HashMap<>();
        saved = context.getOperatorStateStore().getListState(new ListStateDescriptor<>("pending", Types.STRING));
        String transaction = null;
        for (String s : saved.get()) {
            int at = s.indexOf('#');
            transaction = s.substring(0, at);
            pending.computeIfAbsent(transaction, t -> new ArrayList<>()).add(s.substring(at + 1));
        }
        show(); // what a complete checkpoint has
    }

    @Override
    public void snapshotState(FunctionSnapshotContext context) throws Exception {
        pending.put(getRuntimeContext().getTaskInfo().getIndexOfThisSubtask() + "-" + context.getCheckpointId(), current);
        current = new ArrayList<>();
        List<String> all = new ArrayList<>();
        pending.forEach((transaction, results) -> results.forEach(r -> all.add(transaction + "#" + r)));
        saved.update(all);
    }

    @Override
    public void notifyCheckpointComplete(long checkpoint) {
        show();
    }

    @Override
    public void close() {
        if (pending == null) {
            return;
        }
        pending.clear();
    }

    private void show() {
        pending.forEach((transaction, results) -> {
            List<String> shown = SHOWN.get(name).computeIfAbsent(transaction, t -> new ArrayList<>());
            if (shown.isEmpty()) {
                shown.addAll(results);
            }
        });
        pending.clear();
    }
}
