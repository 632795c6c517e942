package io.github.saspart.flink.internal.split;

import java.io.DataInput;
import java.io.DataOutput;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;

/** Keys that one map of keys to workers has elsewhere than another: by slot, and by name. */
final class Moves {
    /** No key. */
    static final Moves NONE = new Moves(0);
    /** Every key. */
    static final Moves ALL = new Moves(0);

    private final int slots; // a power of two, or 0 for NONE and ALL
    private final long[] bits; // by slot
    private final List<Long> keys = new ArrayList<>();

    /** Makes an empty set of slots and keys. */
    Moves(int slots) {
        this.slots = slots;
        this.bits = new long[(slots + 63) / 64];
    }

    void addSlot(int slot) {
        bits[slot >>> 6] |= 1L << slot;
    }

    void addKey(long hash) {
        keys.add(hash);
    }

    /** How many slots there are; 0 where none moved, and where everything may have. */
    int slots() {
        return slots;
    }

    /** The keys that are named, beside those of the slots. */
    List<Long> keys() {
        return keys;
    }

    /** Whether a slot moved. */
    boolean hasSlot(int slot) {
        return (bits[slot >>> 6] & 1L << slot) != 0;
    }

    void write(DataOutput out) throws IOException {
        out.writeInt(this == ALL ? -1 : slots);
        for (long b : bits) {
            out.writeLong(b);
        }
        out.writeInt(keys.size());
        for (long k : keys) {
            out.writeLong(k);
        }
    }

    static Moves read(DataInput in) throws IOException {
        int slots = in.readInt();
        Moves moves = slots == -1 ? ALL : slots == 0 ? NONE : new Moves(slots);
        for (int i = 0; i < moves.bits.length; i++) {
            moves.bits[i] = in.readLong();
        }
        for (int n = in.readInt(); n > 0; n--) {
            moves.addKey(in.readLong());
        }
        return moves;
    }
}
