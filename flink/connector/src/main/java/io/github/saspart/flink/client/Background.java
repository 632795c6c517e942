package io.github.saspart.flink.client;

import java.util.concurrent.Executor;
import java.util.concurrent.Future;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The one thread of this process on which subtasks are measured and the policy server is talked to.
 * It is there while it has something to do, and a little longer.
 */
public final class Background implements Executor {
    /** The process's, or rather the class loader's: each job has its own. */
    public static final Background THREAD = new Background();

    private static final Logger LOG = LoggerFactory.getLogger(Background.class);

    private final ScheduledThreadPoolExecutor executor;

    private Background() {
        executor = new ScheduledThreadPoolExecutor(1, task -> {
            Thread thread = new Thread(task, "saspart");
            thread.setDaemon(true);
            return thread;
        });
        executor.setRemoveOnCancelPolicy(true);
        executor.setKeepAliveTime(2, TimeUnit.SECONDS);
        executor.allowCoreThreadTimeOut(true);
    }

    /** Runs a task soon, after those handed over before. What it throws is logged. */
    @Override
    public void execute(Runnable task) {
        executor.execute(guarded(task));
    }

    /** Runs a task after some time, unless it is cancelled before. What it throws is logged. */
    public Future<?> after(long millis, Runnable task) throws RejectedExecutionException {
        return executor.schedule(guarded(task), millis, TimeUnit.MILLISECONDS);
    }

    private static Runnable guarded(Runnable task) {
        return () -> {
            try {
                task.run();
            } catch (RuntimeException e) {
                LOG.warn("measuring or the connection to the policy server failed; the job continues", e);
            }
        };
    }
}
