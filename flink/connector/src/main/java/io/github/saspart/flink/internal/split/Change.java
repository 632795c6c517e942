package io.github.saspart.flink.internal.split;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;

/** That a partitioner subtask went over to another map. */
final class Change {
    /** Counts the subtask's changes. */
    final long number;
    /** The first slide all of whose records go by the map. */
    final long from;
    /** The first slide of which records do; before {@link #from} there may be others. */
    final long earliest;
    /** Windows that begin before this slide, and end with {@link #earliest} or later, merge what is moved. */
    final long until;
    /** The map's {@link RouteMap#id}. */
    final long map;
    /** The keys that the map has elsewhere than the previous map. */
    final Moves moves;

    Change(long number, long from, long earliest, long until, long map, Moves moves) {
        this.number = number;
        this.from = from;
        this.earliest = earliest;
        this.until = until;
        this.map = map;
        this.moves = moves;
    }

    /** The same change, of which records of a slide have been, too. */
    Change with(long slide) {
        return slide >= earliest ? this : new Change(number, from, slide, until, map, moves);
    }

    void write(DataOutput out) throws IOException {
        out.writeLong(number);
        out.writeLong(from);
        out.writeLong(earliest);
        out.writeLong(until);
        out.writeLong(map);
        moves.write(out);
    }

    static Change read(DataInput in) throws IOException {
        return new Change(in.readLong(), in.readLong(), in.readLong(), in.readLong(), in.readLong(), Moves.read(in));
    }
}
