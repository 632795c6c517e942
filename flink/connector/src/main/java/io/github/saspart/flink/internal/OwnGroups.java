package io.github.saspart.flink.internal;

import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;

/**
 * Finds hash codes for the keys of one worker, so that Flink assigns all of them to the worker's own key groups.
 *
 * <p>Flink's backends hold keyed state by key group, and the key group follows from the key's hash code. A worker
 * has state of keys that the partitioner sent to it, not those that Flink's hash would. So the state's keys have
 * codes of our own, which are found backwards: Flink's assignment is the remainder of a hash that can be inverted
 * (MurmurHash3's steps, each a bijection of 32 bits). Codes depend on the key's 64-bit hash alone, and differ as
 * hashes do.
 */
final class OwnGroups {
    private final int groups; // of the operator
    private final int first;
    private final int own;

    /** Of the subtask with this range of an operator's key groups. */
    OwnGroups(int groups, KeyGroupRange range) {
        this.groups = groups;
        this.first = range.getStartKeyGroup();
        this.own = range.getNumberOfKeyGroups();
        for (int i = 0; i < own; i++) {
            int code = code((long) i << 40 | Integer.toUnsignedLong((int) (((long) i << 32) / own)));
            int group = KeyGroupRangeAssignment.computeKeyGroupForKeyHash(code, groups);
            if (!range.contains(group)) {
                throw new IllegalStateException(
                        "this version of Flink assigns key groups by another hash than 1.20: code " + code + " goes to group "
                                + group + ", not into " + range);
            }
        }
    }

    /** A hash code for a key with this hash. */
    int code(long hash) {
        int group = first + (int) ((hash & 0xffffffffL) * own >>> 32);
        int wanted = (int) (hash >>> 33); // 31 bits
        wanted = wanted - wanted % groups + group;
        return inverse(wanted < 0 ? wanted - groups : wanted);
    }

    /** The number that {@link org.apache.flink.util.MathUtils#murmurHash} turns into a non-negative one. */
    private static int inverse(int hash) {
        int h = hash;
        h ^= h >>> 16;
        h *= 0x7ed1b41d; // inverse of 0xc2b2ae35 modulo 2^32
        h ^= h >>> 13 ^ h >>> 26;
        h *= 0xa5cb9243; // of 0x85ebca6b
        h ^= h >>> 16;
        h ^= 4;
        h -= 0xe6546b64;
        h *= 0xcccccccd; // of 5
        h = Integer.rotateRight(h, 13);
        h *= 0x56ed309b; // of 0x1b873593
        h = Integer.rotateRight(h, 15);
        h *= 0xdee13bb1; // of 0xcc9e2d51
        return h;
    }
}
