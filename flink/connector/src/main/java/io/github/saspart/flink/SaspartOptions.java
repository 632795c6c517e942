package io.github.saspart.flink;

import io.github.saspart.flink.routing.Options;
import io.github.saspart.flink.routing.Route;
import java.io.Serializable;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * How {@link Saspart} partitions a stream. Made by {@link #builder}; immutable.
 *
 * <p>The buffers of the Flink cluster matter more than any of these options: they bound how many records
 * wait in front of a worker. Those records were routed earlier, so a new route shows only when they are
 * processed. With the settings of docs/flink.md, "On a cluster", this takes less than a second instead of
 * ten where a record takes a millisecond. They cost most of the peak throughput of a job that does next to
 * nothing per record.
 */
public final class SaspartOptions implements Serializable {
    private static final long serialVersionUID = 1;

    private final Builder is;

    private SaspartOptions(Builder is) {
        this.is = is;
    }

    /** Options of a job of that name, with that number of workers and all else as by default. */
    public static Builder builder(String job, int workers) {
        return new Builder(job, workers);
    }

    /** The job's name, as the policy server shows it. */
    public String job() {
        return is.job;
    }

    /** This run of the job; empty: Flink's id of the job. */
    public String instance() {
        return is.instance;
    }

    /** Workers, P. */
    public int workers() {
        return is.workers;
    }

    /** Reducers. */
    public int reducers() {
        return is.reducers;
    }

    /** Partitioner subtasks; 0: as many as the stream's producer has. */
    public int partitioners() {
        return is.partitioners;
    }

    /** The partitioner's name and options, as in an experiment file. */
    public Map<String, Object> partitioner() {
        return is.partitioner;
    }

    /** Host and port of the policy server; empty: none. */
    public String server() {
        return is.server;
    }

    /** Bearer token for the server; empty: none. */
    public String token() {
        return is.token;
    }

    /** Whether the connection to the server is encrypted. */
    public boolean tls() {
        return is.tls;
    }

    /** PEM file, or its text, of the authorities that the server's certificate is checked against; empty: the JVM's. */
    public String authorities() {
        return is.authorities;
    }

    /** PEM file of the certificate that the server is shown; empty: none. */
    public String certificate() {
        return is.certificate;
    }

    /** PEM file of the key that belongs to {@link #certificate}. */
    public String key() {
        return is.key;
    }

    /** Length of a slide where no window gives it, ms. */
    public long slideMillis() {
        return is.slideMillis;
    }

    /** Slides in a metric window. */
    public int metricSlides() {
        return is.metricSlides;
    }

    /** Hash slots counted; 0: 4096, or more for many workers. */
    public int slots() {
        return is.slots;
    }

    /** Heavy keys reported per slide; 0: four per worker, at least 64. */
    public int hotKeys() {
        return is.hotKeys > 0 ? is.hotKeys : Math.max(64, 4 * is.workers);
    }

    /** After this long without an answer of the server the job continues without it, ms. */
    public long staleAfterMillis() {
        return is.staleAfterMillis;
    }

    /** Seed of the partitioners' random choices. */
    public long seed() {
        return is.seed;
    }

    /** Begins the names and ids of the operators. */
    public String uid() {
        return is.uid;
    }

    /** Whether the time from a record's event time until it is done is measured. */
    public boolean latency() {
        return is.latency;
    }

    /** Turns keys into bytes; null: as built in for their type. */
    public KeyBytes<?> keyBytes() {
        return is.keyBytes;
    }

    /** Called with each piece of work; may be null. */
    public WorkFunction<?, ?> work() {
        return is.work;
    }

    /** Receives control messages of the server's owner; may be null. */
    public ControlListener control() {
        return is.control;
    }

    /** Tells at what rate records are due; null: as they come. */
    public OfferedRate offered() {
        return is.offered;
    }

    /** Collects options; {@link #build} checks them. */
    public static final class Builder implements Serializable, Cloneable {
        private static final long serialVersionUID = 1;

        private final String job;
        private final int workers;
        private String instance = "";
        private int reducers = 2;
        private int partitioners;
        private HashMap<String, Object> partitioner = new HashMap<>(Map.of("name", "table"));
        private String server = "";
        private String token = "";
        private boolean tls;
        private String authorities = "";
        private String certificate = "";
        private String key = "";
        private long slideMillis = 500;
        private int metricSlides = 2;
        private int slots;
        private int hotKeys;
        private long staleAfterMillis = 5000;
        private long seed = 1;
        private String uid = "saspart";
        private boolean latency;
        private KeyBytes<?> keyBytes;
        private WorkFunction<?, ?> work;
        private ControlListener control;
        private OfferedRate offered;

        private Builder(String job, int workers) {
            this.job = job;
            this.workers = workers;
        }

        /** Names this run of the job, the same for all of its processes and for no other run. */
        public Builder instance(String instance) {
            this.instance = instance;
            return this;
        }

        /** Sets the number of subtasks that merge the partial results of split keys. */
        public Builder reducers(int reducers) {
            this.reducers = reducers;
            return this;
        }

        /** Sets the number of subtasks that route records. By default each producer has its own, chained to it. */
        public Builder partitioners(int partitioners) {
            this.partitioners = partitioners;
            return this;
        }

        /** Partitions by this name with the default options. {@code table}, the default, follows the server. */
        public Builder partitioner(String name) {
            return partitioner(Map.of("name", name));
        }

        /** Partitions by this name and these options, in the names and the nesting of an experiment file. */
        public Builder partitioner(Map<String, ?> nameAndOptions) {
            partitioner = new HashMap<>(nameAndOptions);
            return this;
        }

        /** Attaches the job to the policy server at {@code host:port}. */
        public Builder server(String address) {
            server = address;
            return this;
        }

        /** Shows the server a bearer token. */
        public Builder token(String token) {
            this.token = token;
            return this;
        }

        /**
         * Encrypts the connection to the server.
         *
         * @param authorities PEM file, on each TaskManager, of the authorities that vouch for the
         *     server, or the text of such a file; empty for those of the JVM
         */
        public Builder tls(String authorities) {
            tls = true;
            this.authorities = authorities;
            return this;
        }

        /** Shows the server a certificate: PEM files, on each TaskManager, of it and of its key. */
        public Builder certificate(String certificate, String key) {
            tls = true;
            this.certificate = certificate;
            this.key = key;
            return this;
        }

        /** Sets the length of a slide for {@link Saspart#partition}; an aggregation has its window's. */
        public Builder slide(Duration slide) {
            slideMillis = slide.toMillis();
            return this;
        }

        /** Sets the number of slides in a metric window, which the server answers. */
        public Builder metricSlides(int slides) {
            metricSlides = slides;
            return this;
        }

        /** Sets the number of hash slots whose load is counted, a power of two. */
        public Builder slots(int slots) {
            this.slots = slots;
            return this;
        }

        /** Sets how many heavy keys are reported per slide. */
        public Builder hotKeys(int keys) {
            hotKeys = keys;
            return this;
        }

        /** Sets after how long without an answer of the server the job continues without it. */
        public Builder staleAfter(Duration time) {
            staleAfterMillis = time.toMillis();
            return this;
        }

        /** Seeds the partitioners' random choices. */
        public Builder seed(long seed) {
            this.seed = seed;
            return this;
        }

        /** Begins the names and ids of the operators. Two uses in one job need two of them. */
        public Builder uid(String prefix) {
            uid = prefix;
            return this;
        }

        /** Measures the time from a record's event time until it is done, for jobs whose events are of now. */
        public Builder latency(boolean measured) {
            latency = measured;
            return this;
        }

        /** Turns keys into bytes by this function. */
        public Builder keyBytes(KeyBytes<?> function) {
            keyBytes = function;
            return this;
        }

        /** Tells this function of each piece of work. */
        public Builder work(WorkFunction<?, ?> function) {
            work = function;
            return this;
        }

        /** Tells this listener what the server's owner wants. */
        public Builder control(ControlListener listener) {
            control = listener;
            return this;
        }

        /** Asks this function for the rate at which records are due. */
        public Builder offered(OfferedRate rate) {
            offered = rate;
            return this;
        }

        /** The options; an {@link IllegalArgumentException} names all that are impossible. */
        public SaspartOptions build() {
            List<String> problems = new ArrayList<>();
            check(problems);
            if (!problems.isEmpty()) {
                throw new IllegalArgumentException("saspart options: " + String.join("; ", problems));
            }
            try {
                return new SaspartOptions((Builder) clone());
            } catch (CloneNotSupportedException e) {
                throw new AssertionError(e);
            }
        }

        private void check(List<String> problems) {
            name("job", job, false, problems);
            name("instance", instance, true, problems);
            name("uid", uid, false, problems);
            whole("workers", workers, 1, Route.MAX_WORKERS, problems);
            whole("reducers", reducers, 1, Route.MAX_WORKERS, problems);
            whole("partitioners", partitioners, 0, 1 << 12, problems);
            whole("slide", slideMillis, 1, 3_600_000, problems);
            whole("metricSlides", metricSlides, 1, 1 << 10, problems);
            whole("hotKeys", hotKeys, 0, 4 * Math.max(64, 4 * workers), problems);
            whole("staleAfter", staleAfterMillis, 1, Long.MAX_VALUE, problems);
            if (slots != 0 && (slots < 2 || slots > 1 << 19 || Integer.bitCount(slots) != 1)) {
                problems.add("slots is " + slots + "; it must be a power of two from 2 to 2^19, or 0 for as many as fit the workers");
            }
            if (!server.isEmpty() && !server.matches(".+:\\d{1,5}")) {
                problems.add("server is \"" + server + "\"; it must be host:port, or empty for none");
            }
            if (certificate.isEmpty() != key.isEmpty()) {
                problems.add("certificate and its key go together; one of the files is not named");
            }
            try {
                Options.of(partitioner);
            } catch (IllegalArgumentException e) {
                problems.add("partitioner: " + e.getMessage());
            }
        }

        private static void name(String what, String text, boolean empty, List<String> problems) {
            if (text == null || !empty && text.isEmpty() || text.length() > 200 || text.chars().anyMatch(Character::isISOControl)) {
                problems.add(what + " is \"" + text + "\"; it must be 1 to 200 printable characters");
            }
        }

        private static void whole(String what, long value, long least, long most, List<String> problems) {
            if (value < least || value > most) {
                problems.add(what + " is " + value + "; it must be from " + least + " to " + most);
            }
        }
    }
}
