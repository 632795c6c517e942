package io.github.saspart.flink.internal.report;

import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;

/** A count that one thread raises and others may read, without a lock or a fence. */
public final class Count {
    private static final VarHandle VALUE;

    static {
        try {
            VALUE = MethodHandles.lookup().findVarHandle(Count.class, "value", long.class);
        } catch (ReflectiveOperationException e) {
            throw new ExceptionInInitializerError(e);
        }
    }

    private long value;
    private long taken; // the reader's

    /** Raises the count; on the thread that owns it. */
    public void add(long n) {
        VALUE.setOpaque(this, value + n);
    }

    /** By how much the count has risen since the last call; on the one thread that reads it. */
    public long take() {
        long now = (long) VALUE.getOpaque(this);
        long since = now - taken;
        taken = now;
        return since;
    }
}
