package io.github.saspart.flink.routing;

import java.util.Arrays;

/**
 * Counts keys exactly, by hash, in an open-addressing table that is cleared in O(1). Memory is
 * bounded: at the limit the rarest keys are dropped, at least half of them at once, and start again
 * from 0 when they return. A count is therefore never too high, and for a key heavier than the
 * dropped ones it is exact.
 */
final class KeyCounts {
  /** Bounds a table of exact counts: 2^20 slots of 16 bytes hold some 650,000 keys. */
  static final int DEFAULT_SLOTS = 1 << 20;

  private static final long MOST = 0xffff_ffffL;

  private final int limit;
  // Slot i: the hash at 2i; generation << 32 | count at 2i+1. One of another generation is empty.
  private long[] slots;
  private long[] spare; // the other half of the last rebuild, once there was one at the limit
  private int shift;
  private long generation = 1;
  private int size;

  /** Makes a table that grows up to limit slots, a power of two of at least 16. */
  KeyCounts(int limit) {
    this.limit = limit;
    use(new long[2 * Math.min(1024, limit)]);
  }

  private void use(long[] table) {
    slots = table;
    shift = 64 - Integer.numberOfTrailingZeros(table.length / 2);
  }

  /** The number of keys in the table. */
  int size() {
    return size;
  }

  /** Counts a record of the key and returns its count. */
  long inc(long hash) {
    int mask = slots.length / 2 - 1;
    for (int i = HashIndex.first(hash, shift); ; i = (i + 1) & mask) {
      long cell = slots[2 * i + 1];
      if (cell >>> 32 != generation) {
        if (size >= slots.length / 2 * 5 / 8) {
          makeRoom();
          return inc(hash);
        }
        slots[2 * i] = hash;
        slots[2 * i + 1] = generation << 32 | 1;
        size++;
        return 1;
      }
      if (slots[2 * i] == hash) {
        if ((cell & MOST) < MOST) {
          slots[2 * i + 1] = ++cell;
        }
        return cell & MOST;
      }
    }
  }

  /** Forgets all keys. */
  void clear() {
    size = 0;
    generation++;
    if (generation > MOST) { // wrapped: slots of 2^32 clears ago would come back to life
      Arrays.fill(slots, 0);
      generation = 1;
    }
  }

  /** Doubles the table, or at the limit drops the rarest keys. */
  private void makeRoom() {
    long[] old = slots;
    long oldGeneration = generation;
    long least = 0;
    if (old.length / 2 < limit) {
      use(new long[2 * old.length]);
    } else {
      for (int left = size; left > size / 2; ) {
        least = Math.max(1, 2 * least);
        left = heavierThan(least);
      }
      if (spare == null) {
        spare = new long[old.length];
      }
      Arrays.fill(spare, 0);
      use(spare);
      spare = old;
    }
    size = 0;
    generation = 1;
    for (int i = 0; i < old.length; i += 2) {
      long cell = old[i + 1];
      if (cell >>> 32 == oldGeneration && (cell & MOST) > least) {
        insert(old[i], cell & MOST);
      }
    }
  }

  /** How many keys have a count above least. */
  private int heavierThan(long least) {
    int n = 0;
    for (int i = 1; i < slots.length; i += 2) {
      if (slots[i] >>> 32 == generation && (slots[i] & MOST) > least) {
        n++;
      }
    }
    return n;
  }

  /** Adds a key that is not in the table, which has room. */
  private void insert(long hash, long count) {
    int mask = slots.length / 2 - 1;
    int i = HashIndex.first(hash, shift);
    while (slots[2 * i + 1] >>> 32 == generation) {
      i = (i + 1) & mask;
    }
    slots[2 * i] = hash;
    slots[2 * i + 1] = generation << 32 | count;
    size++;
  }
}
