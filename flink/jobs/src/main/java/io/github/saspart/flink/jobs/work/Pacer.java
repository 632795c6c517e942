package io.github.saspart.flink.jobs.work;

import java.util.function.LongSupplier;

/**
 * Makes a subtask as busy as its work is said to take: it sleeps while the time booked is ahead of the
 * time that the subtask has really been busy. Being woken late costs nothing, for what is booked later is
 * then behind, so that busy times are exact in the long run.
 */
final class Pacer {
    /** How far the booked time gets ahead before the subtask sleeps, ns: long enough for a sleep to be worth it. */
    private static final double AHEAD = 1e6;
    /** How far it may fall behind and still catch up, ns: longer than a busy machine keeps a thread from running. */
    private static final double BEHIND = 250e6;

    /** Sleeps for some ns, or longer. */
    interface Sleeper {
        void sleep(long ns);
    }

    private final LongSupplier busy;
    private final Sleeper sleeper;
    private double booked;
    private double seen; // of busy, when last looked at

    /** @param busy how long the subtask has been busy by now, ns */
    Pacer(LongSupplier busy, Sleeper sleeper) {
        this.busy = busy;
        this.sleeper = sleeper;
        seen = busy.getAsLong();
        booked = seen;
    }

    /** Books work of some ns. */
    void book(double ns) {
        booked += ns;
        if (booked - seen <= AHEAD) {
            return; // certainly: busy time never falls
        }
        seen = busy.getAsLong();
        booked = Math.max(booked, seen - BEHIND);
        if (booked - seen > AHEAD) {
            sleeper.sleep((long) (booked - seen));
        }
    }
}
