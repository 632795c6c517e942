package io.github.saspart.flink.routing;

import java.util.ArrayList;
import java.util.List;

/**
 * {@code table}: follows the three-tier routes of a controller, and starts with the route that names
 * no key. A named key's records cycle through its {@link Sequence} of workers, which keeps its shares to
 * within two records at every moment; a placed key's sequence has one worker. All other keys go to
 * their slot's worker. A {@link Layout} makes this O(1) per record whatever P is.
 *
 * <p>A split key's records are always marked to be merged. A moved key is marked while aggregation
 * windows straddle the move: for the first windowSlides - 1 slides of the route. So is every key of a
 * moved slot. A key that is no longer named stays in the table for as long, because its history differs
 * from that of its slot's other keys.
 *
 * <p>Subtasks start at staggered positions of a sequence, so that they don't send to the same worker
 * in step. A key that stays split continues at its position: restarting with every route would favour
 * the first workers.
 *
 * <p>Once capacities have come, {@link Bounds} keep the workers within them.
 *
 * <p>While it is unattended, keys that the route does not name go by {@link ChoicesRouter}, which also
 * counts the records of named keys.
 */
final class TableRouter implements Router, Follower, Limited, Unattended {
    /** In place of a worker: the key has several. */
    private static final int SPLIT = -1;

    private final Options options;
    private final Env env;
    private final Bounds bounds;
    private long overflowed;

    private Layout layout;
    private Placed[] placed; // by entry, null if free: what the next marks depend on
    private long[] slotUntil; // by slot: the first slide that needs no mark
    private long expiry; // the first slide at which a mark comes off

    private ChoicesRouter alone; // null unless unattended
    private int scattered; // MERGE while windows reach back to when keys went by alone
    private long scatteredUntil;

    TableRouter(Options options, Env env) {
        this.options = options;
        this.env = env;
        bounds = new Bounds(options.table, env, this::splits);
        follow(Route.hash(env.workers), 0);
    }

    /** What has to be remembered of a key in the table. */
    private static final class Placed {
        final long hash;
        final int worker; // or SPLIT
        final boolean named; // by the route; false: it is here for its mark alone
        long until; // the first slide at which it needs no mark, unless split
        boolean kept; // used by follow: the new route names the key too

        Placed(long hash, int worker, boolean named) {
            this.hash = hash;
            this.worker = worker;
            this.named = named;
        }
    }

    @Override
    public int route(long hash, byte[] key, int offset, int length) {
        if (alone == null) {
            int destination = layout.route(hash) | scattered;
            int kept = bounds.keep(hash, destination);
            if (Router.worker(kept) != Router.worker(destination)) {
                overflowed++;
            }
            return kept;
        }
        int entry = layout.find(hash);
        if (entry < 0 || !placed[entry].named) {
            return alone.route(hash, key, offset, length) | scattered;
        }
        int destination = layout.route(hash) | scattered;
        alone.sent(Router.worker(destination));
        return destination;
    }

    @Override
    public void endSlide(long slide) {
        if (slide + 1 >= expiry) {
            mark(slide + 1);
        }
        if (slide + 1 >= scatteredUntil) {
            scattered = 0;
        }
        bounds.endSlide();
    }

    @Override
    public void within(Capacities capacities) {
        if (alone == null) {
            bounds.within(capacities);
        }
    }

    @Override
    public long takeOverflowed() {
        long n = overflowed;
        overflowed = 0;
        return n;
    }

    /** Whether the route splits a key. */
    private boolean splits(long hash) {
        int entry = layout.find(hash);
        return entry >= 0 && layout.turns(entry) > 1;
    }

    @Override
    public void unattended(boolean alone, long slide) {
        if (alone == (this.alone != null)) {
            return;
        }
        if (!alone) {
            scatter(slide);
        }
        bounds.release(); // what the capacities were says nothing about now
        this.alone = alone ? new ChoicesRouter(options, env) : null;
    }

    /** Takes O(slots + turns of the sequences) and allocates. */
    @Override
    public void follow(Route route, long slide) {
        if (route.workers() != env.workers) {
            throw new IllegalArgumentException(
                    route + ": the job has " + env.workers + " workers; it needs a route of as many");
        }
        if (alone != null) {
            scatter(slide);
        }
        // What has been routed before reaches into windows up to here.
        long straddles = slide <= 0 ? 0 : slide + env.windowSlides - 1;
        int n = Math.max(route.slots(), Layout.tableSize(2 * route.keys().size()));
        if (layout != null) {
            n = Math.max(n, layout.slots());
        }
        int[] workers = new int[n];
        long[] until = new long[n];
        for (int i = 0; i < n; i++) {
            workers[i] = route.slot((int) ((long) i * route.slots() / n));
            if (layout != null) {
                int was = (int) ((long) i * layout.slots() / n);
                until[i] = layout.slotWorker(was) == workers[i] ? slotUntil[was] : straddles;
            }
        }

        List<Route.Key> keys = new ArrayList<>(route.keys());
        List<Placed> states = new ArrayList<>();
        for (Route.Key k : keys) {
            states.add(moved(new Placed(k.hash(), k.size() == 1 ? k.worker(0) : SPLIT, true), straddles));
        }
        for (int e = 0; layout != null && e < placed.length; e++) {
            if (placed[e] == null || placed[e].kept) {
                continue;
            }
            long hash = placed[e].hash;
            int slot = (int) (hash >>> Bits.shiftFor(n));
            Placed s = moved(new Placed(hash, workers[slot], false), straddles);
            if (Math.max(s.until, until[slot]) > slide) {
                states.add(s);
                keys.add(new Route.Key(hash, new int[] {s.worker}, new double[] {1}));
            }
        }

        Layout next = new Layout(workers, keys);
        Placed[] byEntry = new Placed[next.size()];
        for (Placed s : states) {
            int e = next.find(s.hash);
            byEntry[e] = s;
            next.setPosition(e, position(s.hash, next.turns(e)));
        }
        layout = next;
        placed = byEntry;
        slotUntil = until;
        mark(slide);
        bounds.forget();
    }

    /** From now on every key may have been anywhere. */
    private void scatter(long slide) {
        scatteredUntil = slide + env.windowSlides - 1;
        scattered = slide < scatteredUntil && env.workers > 1 ? MERGE : 0;
    }

    /**
     * Completes the state of a key for a new route. Its mark lasts until {@code straddles} if the key had
     * another worker in this route, else as long as in this route.
     */
    private Placed moved(Placed s, long straddles) {
        if (layout == null) {
            return s;
        }
        int slot = layout.slotOf(s.hash);
        int was = layout.slotWorker(slot);
        long until = slotUntil[slot];
        int e = layout.find(s.hash);
        if (e >= 0) {
            placed[e].kept = true;
            was = placed[e].worker;
            until = placed[e].until;
        }
        s.until = was == SPLIT || was != s.worker ? straddles : until;
        return s;
    }

    /**
     * Where in its new sequence a key begins: as far as it had got in the one it has now, else at
     * the subtask's own place.
     */
    private int position(long hash, int turns) {
        int e = layout == null ? -1 : layout.find(hash);
        if (e >= 0 && placed[e].worker == SPLIT) {
            return (int) ((long) layout.position(e) * turns / layout.turns(e));
        }
        return (int) ((long) turns * env.subtask / env.subtasks);
    }

    /**
     * Marks what needs it in slide {@code now} and takes the mark off the rest. Split keys have it in
     * their sequences for good.
     */
    private void mark(long now) {
        expiry = Long.MAX_VALUE;
        for (int i = 0; i < slotUntil.length; i++) {
            layout.markSlot(i, lasts(slotUntil[i], now));
        }
        for (int e = 0; e < placed.length; e++) {
            if (placed[e] != null && placed[e].worker != SPLIT) {
                layout.markEntry(e, lasts(placed[e].until, now));
            }
        }
    }

    private boolean lasts(long until, long now) {
        if (until > now) {
            expiry = Math.min(expiry, until);
            return true;
        }
        return false;
    }
}
