package io.github.saspart.flink.jobs.source;

import io.github.saspart.flink.jobs.PlainType;
import java.lang.reflect.Type;
import java.util.Map;
import org.apache.flink.api.common.typeinfo.TypeInfoFactory;
import org.apache.flink.api.common.typeinfo.TypeInformation;

/** The type information that gives Flink the {@link EventSerializer}. */
final class EventType {
    private EventType() {}

    static TypeInformation<Event> get() {
        return new PlainType<>(Event.class, EventSerializer.INSTANCE);
    }

    /** Named by the annotation of {@link Event}. */
    public static final class Factory extends TypeInfoFactory<Event> {
        @Override
        public TypeInformation<Event> createTypeInfo(Type type, Map<String, TypeInformation<?>> parameters) {
            return get();
        }
    }
}
