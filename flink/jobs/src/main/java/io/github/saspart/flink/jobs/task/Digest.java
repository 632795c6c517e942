package io.github.saspart.flink.jobs.task;

import com.tdunning.math.stats.MergingDigest;
import io.github.saspart.flink.jobs.PlainType;
import java.io.IOException;
import java.lang.reflect.Type;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInfo;
import org.apache.flink.api.common.typeinfo.TypeInfoFactory;
import org.apache.flink.api.common.typeinfo.TypeInformation;
import org.apache.flink.api.common.typeutils.SimpleTypeSerializerSnapshot;
import org.apache.flink.api.common.typeutils.TypeSerializerSnapshot;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/**
 * A summary of finite values. However the records were split over partial states and ordered, their
 * number and that of the values, minimum, maximum and sum are the same. Quantiles are exact while there
 * are no more than {@link #EXACT} values; past that they are estimates of a t-digest.
 */
@TypeInfo(Digest.TypeFactory.class)
public final class Digest {
    /**
     * Values kept as they are before a t-digest begins, which takes some kB: most keys of a skewed stream
     * never have as many in a slide.
     */
    static final int EXACT = 128;

    /**
     * What a compression stands for is a matter of the implementation; that of the Go jobs makes about so
     * many centroids for each unit of it.
     */
    private static final double CENTROIDS = 10;

    private final double compression;
    long records;
    private long values;
    private double min = Double.POSITIVE_INFINITY;
    private double max = Double.NEGATIVE_INFINITY;
    // The sum in twice the precision of a double (Knuth's two-sum), so that the order does not matter.
    private double sum;
    private double sumRest;
    private double[] few = {}; // all values, of which there are no more than EXACT
    private MergingDigest many; // all values, if there are more; else null

    Digest(double compression) {
        this.compression = compression;
    }

    void add(double value) {
        values++;
        min = Math.min(min, value);
        max = Math.max(max, value);
        addToSum(value);
        keep(value);
    }

    void merge(Digest from) {
        records += from.records;
        min = Math.min(min, from.min);
        max = Math.max(max, from.max);
        addToSum(from.sum);
        addToSum(from.sumRest);
        if (from.many != null) {
            spill();
            values += from.values;
            many.add(List.of(from.many));
            return;
        }
        for (int i = 0; i < from.values; i++) {
            values++;
            keep(from.few[i]);
        }
    }

    /** Values while they are kept, centroids after that. */
    long size() {
        return many == null ? values : many.centroidCount();
    }

    private void addToSum(double value) {
        double s = sum + value;
        double part = s - sum;
        double rest = (sum - (s - part)) + (value - part) + sumRest;
        sum = s + rest;
        sumRest = rest - (sum - s);
    }

    /** Takes in a value that has been counted. */
    private void keep(double value) {
        if (many == null && values > EXACT) {
            spill();
        }
        if (many != null) {
            many.add(value);
            return;
        }
        int at = (int) values - 1;
        if (at == few.length) {
            few = Arrays.copyOf(few, Math.min(EXACT, Math.max(8, 2 * at)));
        }
        few[at] = value;
    }

    /** Moves the values kept so far into a t-digest. */
    private void spill() {
        if (many != null) {
            return;
        }
        many = new MergingDigest(CENTROIDS * compression);
        int n = (int) Math.min(values, EXACT);
        for (int i = 0; i < n && i < few.length; i++) {
            many.add(few[i]);
        }
        few = new double[0];
    }

    /** What has been seen, without the quantiles: "2 records: values=3 min=1 max=4 sum=7". */
    String exact() {
        String out = records + " records: values=" + values;
        return values == 0 ? out : out + " min=" + Numbers.shortest(min) + " max=" + Numbers.shortest(max)
                + " sum=" + Numbers.shortest(sum + sumRest);
    }

    /** What has been seen, and quantiles: "... p50=2". */
    String text(double[] quantiles) {
        StringBuilder out = new StringBuilder(exact());
        if (values == 0) {
            return out.toString();
        }
        double[] sorted = Arrays.copyOf(few, many == null ? (int) values : 0);
        Arrays.sort(sorted);
        for (double q : quantiles) {
            double value = many == null ? between(sorted, q) : Math.min(Math.max(many.quantile(q), min), max);
            out.append(" p").append(Numbers.rounded(100 * q, 6)).append('=').append(Numbers.rounded(value, 9));
        }
        return out.toString();
    }

    /** The value below which a share {@code q} of the values lies, interpolated between neighbours. */
    private static double between(double[] sorted, double q) {
        double at = q * (sorted.length - 1);
        int i = (int) at;
        if (i + 1 >= sorted.length) {
            return sorted[sorted.length - 1];
        }
        double share = at - i;
        return sorted[i] * (1 - share) + sorted[i + 1] * share;
    }

    /** Named by the annotation. */
    public static final class TypeFactory extends TypeInfoFactory<Digest> {
        @Override
        public TypeInformation<Digest> createTypeInfo(Type type, Map<String, TypeInformation<?>> parameters) {
            return new PlainType<>(Digest.class, Serializer.INSTANCE);
        }
    }

    /** Writes the fields in order; the values are a list, or a t-digest in its own form after its length. */
    static final class Serializer extends StateSerializer<Digest> {
        static final Serializer INSTANCE = new Serializer();

        private static final long serialVersionUID = 1;

        @Override
        public Digest createInstance() {
            return new Digest(20);
        }

        @Override
        public Digest copy(Digest from) {
            Digest to = new Digest(from.compression);
            to.records = from.records;
            to.values = from.values;
            to.min = from.min;
            to.max = from.max;
            to.sum = from.sum;
            to.sumRest = from.sumRest;
            to.few = from.few.clone();
            to.many = from.many == null ? null : MergingDigest.fromBytes(ByteBuffer.wrap(bytes(from.many)));
            return to;
        }

        @Override
        public void serialize(Digest state, DataOutputView out) throws IOException {
            out.writeDouble(state.compression);
            out.writeLong(state.records);
            out.writeLong(state.values);
            out.writeDouble(state.min);
            out.writeDouble(state.max);
            out.writeDouble(state.sum);
            out.writeDouble(state.sumRest);
            if (state.many == null) {
                for (int i = 0; i < state.values; i++) {
                    out.writeDouble(state.few[i]);
                }
                return;
            }
            byte[] digest = bytes(state.many);
            out.writeInt(digest.length);
            out.write(digest);
        }

        @Override
        public Digest deserialize(DataInputView in) throws IOException {
            Digest state = new Digest(in.readDouble());
            state.records = in.readLong();
            state.values = in.readLong();
            state.min = in.readDouble();
            state.max = in.readDouble();
            state.sum = in.readDouble();
            state.sumRest = in.readDouble();
            if (state.values <= EXACT) {
                state.few = new double[(int) state.values];
                for (int i = 0; i < state.few.length; i++) {
                    state.few[i] = in.readDouble();
                }
                return state;
            }
            byte[] digest = new byte[in.readInt()];
            in.readFully(digest);
            state.many = MergingDigest.fromBytes(ByteBuffer.wrap(digest));
            return state;
        }

        private static byte[] bytes(MergingDigest digest) {
            byte[] out = new byte[digest.byteSize()];
            digest.asBytes(ByteBuffer.wrap(out));
            return out;
        }

        @Override
        public TypeSerializerSnapshot<Digest> snapshotConfiguration() {
            return new Snapshot();
        }
    }

    /** The one format there is. */
    public static final class Snapshot extends SimpleTypeSerializerSnapshot<Digest> {
        public Snapshot() {
            super(() -> Serializer.INSTANCE);
        }
    }
}
