package io.github.saspart.flink.jobs.task;

import java.io.IOException;
import org.apache.flink.api.common.typeutils.base.TypeSerializerSingleton;
import org.apache.flink.core.memory.DataInputView;
import org.apache.flink.core.memory.DataOutputView;

/** What the serializers of states that change in place have in common. */
abstract class StateSerializer<S> extends TypeSerializerSingleton<S> {
    private static final long serialVersionUID = 1;

    @Override
    public final boolean isImmutableType() {
        return false;
    }

    @Override
    public final int getLength() {
        return -1;
    }

    @Override
    public final S copy(S from, S reuse) {
        return copy(from);
    }

    @Override
    public final S deserialize(S reuse, DataInputView in) throws IOException {
        return deserialize(in);
    }

    @Override
    public final void copy(DataInputView in, DataOutputView out) throws IOException {
        serialize(deserialize(in), out);
    }
}
