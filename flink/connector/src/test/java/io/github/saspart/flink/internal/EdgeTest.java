package io.github.saspart.flink.internal;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.github.saspart.flink.routing.Hashing;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;
import org.apache.flink.api.common.serialization.SerializerConfigImpl;
import org.apache.flink.api.common.typeinfo.Types;
import org.apache.flink.util.InstantiationUtil;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Edges between partitioners and workers, each by itself. */
class EdgeTest {
    private static BareEdge<String, String> edge(int workers) {
        return new BareEdge<>(record -> record, KeyCodec.of(Types.STRING, null, new SerializerConfigImpl()), workers);
    }

    private static int channel(BareEdge<String, String> edge, String record, int running) throws Exception {
        return edge.partition(edge.getKey(record), running);
    }

    /** As at a worker that is restored: all that are asked say the same, and one of them takes the record. */
    @ParameterizedTest
    @CsvSource({"4, 4", "3, 3", "7, 5"})
    void withoutAPartitionerRecordsAreAtHome(int workers, int running) throws Exception {
        for (int i = 0; i < 1000; i++) {
            String record = "r" + i;
            long home = Long.remainderUnsigned(Hashing.hash(record.getBytes(StandardCharsets.UTF_8)), workers);
            for (int asked = 0; asked < 2; asked++) {
                assertEquals(home % running, channel(edge(workers), record, running), record);
            }
        }
    }

    @Test
    void edgesFollowTheirOwnPartitioner() throws Exception {
        Heading[] headings = {new Heading(0), new Heading(1)};
        BareEdge<?, ?>[] edges = new BareEdge<?, ?>[headings.length];
        for (int i = 0; i < headings.length; i++) {
            BareEdge<String, String> edge = edge(8);
            Heading heading = headings[i];
            edges[i] = edge;
            int first = i;
            heading.offer(() -> assertEquals(first, unchecked(edge, 8)));
        }
        for (int round = 0; round < 3; round++) {
            for (int i = 0; i < headings.length; i++) {
                headings[i].worker = 2 * round + i;
                int wanted = headings[i].worker;
                @SuppressWarnings("unchecked")
                BareEdge<String, String> edge = (BareEdge<String, String>) edges[i];
                assertEquals(wanted, unchecked(edge, 8));
                assertEquals(wanted, CompletableFuture.supplyAsync(() -> unchecked(edge, 8)).join(), "on another thread");
                assertEquals(wanted % 2, unchecked(edge, 2), "two workers run");
            }
        }
        BareEdge<?, ?> copy = InstantiationUtil.clone(edges[0]);
        @SuppressWarnings("unchecked")
        BareEdge<String, String> copied = (BareEdge<String, String>) copy;
        assertEquals(channel(edge(8), "any", 8), channel(copied, "any", 8), "a copy has no partitioner");
    }

    private static int unchecked(BareEdge<String, String> edge, int running) {
        try {
            return channel(edge, "any", running);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    /** Or records would silently go home. */
    @Test
    void aPartitionerWithoutItsEdgeIsRefused() {
        Heading heading = new Heading(1);
        assertThrows(IllegalStateException.class, () -> heading.offer(() -> {}));
        assertEquals(null, Heading.take(), "nothing is left on the thread");
    }
}
