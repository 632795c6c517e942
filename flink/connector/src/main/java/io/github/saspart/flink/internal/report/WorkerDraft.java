package io.github.saspart.flink.internal.report;

import io.github.saspart.v1.Report;
import io.github.saspart.v1.WorkerReport;
import java.util.function.Consumer;

/** A worker's report on one slide. */
public final class WorkerDraft implements Reporter.Draft {
    private final WorkerReport.Builder report = WorkerReport.newBuilder();
    private final Runnable complete;

    private WorkerDraft(Consumer<WorkerReport.Builder> details) {
        complete = () -> details.accept(report);
    }

    /** What any thread can read: counts that are written by the worker's, its time and its queue. */
    public static WorkerDraft of(
            int worker, BusyTime time, Queue queue, Count records, Count units,
            Consumer<WorkerReport.Builder> details) {
        time.sample();
        WorkerDraft draft = new WorkerDraft(details);
        draft.report
                .setIndex(worker)
                .setRecords(records.take())
                .setUnits(units.take())
                .setBusy(time.busy())
                .setCpu(time.cpu())
                .setQueue(queue.fill());
        return draft;
    }

    @Override
    public void complete() {
        complete.run();
    }

    @Override
    public void write(Report.Builder to) {
        to.addWorkers(report);
    }
}
