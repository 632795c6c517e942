package io.github.saspart.flink.internal;

import io.github.saspart.flink.SaspartOptions;
import io.github.saspart.flink.client.Attachment;
import io.github.saspart.flink.client.Listener;
import io.github.saspart.flink.client.Server;
import io.github.saspart.flink.internal.report.Reporter;
import io.github.saspart.flink.routing.Env;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.Hello;
import io.github.saspart.v1.Role;
import io.github.saspart.v1.Shape;
import io.github.saspart.v1.Subtasks;
import java.io.Serializable;
import org.apache.flink.api.common.JobID;
import org.apache.flink.api.common.operators.MailboxExecutor;
import org.apache.flink.metrics.MetricGroup;

/** A job's options and size, for all of its subtasks. */
public final class Plan implements Serializable {
    private static final long serialVersionUID = 1;

    final SaspartOptions options;
    final int partitioners;
    final int reducers; // 0: nothing is aggregated
    final long length; // of a slide, ms
    final int slides; // in an aggregation window

    /**
     * Holds the plan.
     *
     * @param partitioners how many partitioner subtasks there are
     * @param reducers how many reducer subtasks there are; 0: records are not aggregated
     * @param length of a slide, ms
     * @param slides in an aggregation window
     */
    public Plan(SaspartOptions options, int partitioners, int reducers, long length, int slides) {
        this.options = options;
        this.partitioners = partitioners;
        this.reducers = reducers;
        this.length = length;
        this.slides = slides;
    }

    /** The job's options. */
    public SaspartOptions options() {
        return options;
    }

    /** The environment of a partitioner subtask's router. */
    Env env(int subtask, int subtasks) {
        return new Env(
                options.workers(), subtask, subtasks, length * 1_000_000, slides, options.metricSlides(), options.seed());
    }

    /** The group of an operator's metrics. */
    static MetricGroup metrics(MetricGroup operator) {
        return operator.addGroup("saspart");
    }

    /** The number of hash slots that are counted. */
    int slots() {
        return options.slots() > 0 ? options.slots() : Route.slotCount(options.workers());
    }

    /** What attaches a subtask to the policy server and reports about it; null if there is no server. */
    Reporter reporter(
            Role role, int index, JobID job, Route route, Listener listener, MailboxExecutor mailbox, Reporter.Measure measure) {
        if (options.server().isEmpty()) {
            return null;
        }
        Server server = new Server(
                options.server(), options.token(), options.tls(),
                options.authorities(), options.certificate(), options.key());
        Hello hello = Hello.newBuilder()
                .setProtocol(1)
                .setClient("saspart-flink 0.1.0")
                .setJob(options.job())
                .setInstance(options.instance().isEmpty() ? job.toHexString() : options.instance())
                .setShape(Shape.newBuilder()
                        .setWorkers(options.workers())
                        .setPartitioners(partitioners)
                        .setReducers(reducers)
                        .setSlots(slots())
                        .setSlides(options.metricSlides())
                        .setSlideNs(length * 1_000_000)
                        .setHotKeys(options.hotKeys()))
                .addSubtasks(Subtasks.newBuilder().setRole(role).setFirst(index).setCount(1))
                .build();
        Attachment attachment = new Attachment(server, hello, route, options.staleAfterMillis(), listener);
        return new Reporter(attachment, length, mailbox, measure);
    }
}
