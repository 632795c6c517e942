package io.github.saspart.flink.internal.split;

import io.github.saspart.flink.routing.Route;

/**
 * Which keys may have been at several workers, and until when: windows that begin before a key's slide
 * merge it. Grows with the keys that are named, not with the slides of a window.
 */
final class Spread {
    private long all = Slides.FIRST;
    private long[] bySlot = {Slides.FIRST, Slides.FIRST}; // a power of two of them
    private final LongMap byKey = new LongMap();

    /** Every key may have been, in windows that begin before a slide. */
    void all(long until) {
        all = Math.max(all, until);
    }

    /** A key may have been; no window that begins with {@code old} or earlier will be asked for, but later ones. */
    void key(long hash, long until, long old) {
        byKey.raise(hash, until, old);
    }

    /** The keys that a change moves may have been. */
    void change(Change change, long old) {
        if (change.moves == Moves.ALL) {
            all(change.until);
            return;
        }
        while (bySlot.length < change.moves.slots()) {
            long[] finer = new long[2 * bySlot.length];
            for (int i = 0; i < finer.length; i++) {
                finer[i] = bySlot[i / 2];
            }
            bySlot = finer;
        }
        int each = change.moves.slots() == 0 ? 0 : bySlot.length / change.moves.slots();
        for (int slot = 0; slot < change.moves.slots(); slot++) {
            for (int i = 0; change.moves.hasSlot(slot) && i < each; i++) {
                int at = slot * each + i;
                bySlot[at] = Math.max(bySlot[at], change.until);
            }
        }
        for (long hash : change.moves.keys()) {
            key(hash, change.until, old);
        }
    }

    /** Whether partial results of the key are merged in windows that begin with {@code first}. */
    boolean merges(long hash, long first) {
        return all > first || bySlot[Route.slotOf(hash, bySlot.length)] > first || byKey.get(hash) > first;
    }

    /** As {@link #merges}, but for keys that are named one by one. */
    boolean mergesUnnamed(long hash, long first) {
        return all > first || bySlot[Route.slotOf(hash, bySlot.length)] > first;
    }
}
