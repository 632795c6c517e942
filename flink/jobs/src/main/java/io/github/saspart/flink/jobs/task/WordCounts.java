package io.github.saspart.flink.jobs.task;

import io.github.saspart.flink.jobs.PlainType;
import java.io.IOException;
import java.lang.reflect.Type;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.flink.api.common.typeinfo.TypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInfoFactory;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.base.StringSerializer;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** Words and how often they came in a number of records. */
@TypeInfo(WordCounts.TypeFactory.class)
public final class WordCounts {
    long records;
    private final HashMap<String, Counter> counts = new HashMap<>();

    /** A count that is changed in place, so that a known word costs a look-up and no more. */
    private static final class Counter {
        long n;
    }

    void add(String word, long n) {
        Counter counter = counts.get(word);
        if (counter == null) {
            counter = new Counter();
            counts.put(word, counter);
        }
        counter.n += n;
    }

    void merge(WordCounts from) {
        records += from.records;
        from.counts.forEach((word, counter) -> add(word, counter.n));
    }

    int size() {
        return counts.size();
    }

    /** The records and, sorted, the words: "3 records: a=2 to=1". */
    @Override
    public String toString() {
        StringBuilder out = new StringBuilder().append(records).append(" records:");
        new TreeMap<>(counts).forEach((word, counter) -> out.append(' ').append(word).append('=').append(counter.n));
        return out.toString();
    }

    /** Named by the annotation. */
    public static final class TypeFactory extends TypeInfoFactory<WordCounts> {
        @Override
        public TypeInformation<WordCounts> createTypeInfo(Type type, Map<String, TypeInformation<?>> parameters) {
            return new PlainType<>(WordCounts.class, Serializer.INSTANCE);
        }
    }

    /** Writes the records, the number of words, and each word with its count. */
    static final class Serializer extends StateSerializer<WordCounts> {
        static final Serializer INSTANCE = new Serializer();

        private static final long serialVersionUID = 1;

        @Override
        public WordCounts createInstance() {
            return new WordCounts();
        }

        @Override
        public WordCounts copy(WordCounts from) {
            WordCounts to = new WordCounts();
            to.merge(from);
            return to;
        }

        @Override
        public void serialize(WordCounts state, DataOutputView out) throws IOException {
            out.writeLong(state.records);
            out.writeInt(state.counts.size());
            for (Map.Entry<String, Counter> e : state.counts.entrySet()) {
                StringSerializer.INSTANCE.serialize(e.getKey(), out);
                out.writeLong(e.getValue().n);
            }
        }

        @Override
        public WordCounts deserialize(DataInputView in) throws IOException {
            WordCounts state = new WordCounts();
            state.records = in.readLong();
            for (int n = in.readInt(); n > 0; n--) {
                state.add(StringSerializer.INSTANCE.deserialize(in), in.readLong());
            }
            return state;
        }

        @Override
        public TypeSerializerSnapshot<WordCounts> snapshotConfiguration() {
            return new Snapshot();
        }
    }

    /** The one format there is. */
    public static final class Snapshot extends SimpleTypeSerializerSnapshot<WordCounts> {
        public Snapshot() {
            super(() -> Serializer.INSTANCE);
        }
    }
}
