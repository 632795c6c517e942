package io.github.saspart.flink.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.github.saspart.flink.routing.Hashing;
import java.util.HashSet;
import java.util.Set;
import org.apache.flink.runtime.state.KeyGroupRange;
import org.apache.flink.runtime.state.KeyGroupRangeAssignment;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OwnGroupsTest {
    /** Flink assigns every key of a worker to that worker, and codes differ about as often as hashes do. */
    @ParameterizedTest
    @CsvSource({"1, 1", "128, 8", "128, 100", "64, 64", "4096, 1024", "32768, 3"})
    void allKeysAreTheWorkersOwn(int groups, int workers) {
        for (int worker : new int[] {0, workers / 2, workers - 1}) {
            KeyGroupRange range = KeyGroupRangeAssignment.computeKeyGroupRangeForOperatorIndex(groups, workers, worker);
            OwnGroups own = new OwnGroups(groups, range);
            Set<Integer> codes = new HashSet<>();
            Set<Integer> used = new HashSet<>();
            int n = 20_000;
            for (int i = 0; i < n; i++) {
                int code = own.code(Hashing.hash(("key " + i).getBytes()));
                codes.add(code);
                used.add(KeyGroupRangeAssignment.computeKeyGroupForKeyHash(code, groups));
                assertEquals(worker, KeyGroupRangeAssignment.assignKeyToParallelOperator(new StateKey<>(code, 0, "k"), groups, workers));
            }
            // 2^31 codes share the groups: at worst 65,536 for one of 32,768.
            assertTrue(codes.size() > n * 0.8, codes.size() + " codes for " + n + " keys");
            assertTrue(used.size() >= Math.min(range.getNumberOfKeyGroups(), n / 20) * 0.9, "groups used: " + used.size());
        }
    }

    /** The ends of what a hash can be. */
    @ParameterizedTest
    @CsvSource({"0", "-1", "9223372036854775807", "-9223372036854775808", "4294967295", "-4294967296"})
    void extremeHashes(long hash) {
        for (int groups : new int[] {1, 7, 128, 32_768}) {
            KeyGroupRange range = new KeyGroupRange(groups / 2, groups - 1);
            int group = KeyGroupRangeAssignment.computeKeyGroupForKeyHash(new OwnGroups(groups, range).code(hash), groups);
            assertTrue(range.contains(group), group + " is not in " + range);
        }
    }
}
