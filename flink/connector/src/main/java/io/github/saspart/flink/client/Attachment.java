package io.github.saspart.flink.client;

import io.github.saspart.flink.routing.Capacities;
import io.github.saspart.flink.routing.Route;
import io.github.saspart.v1.AttachRequest;
import io.github.saspart.v1.AttachResponse;
import io.github.saspart.v1.Decision;
import io.github.saspart.v1.Hello;
import io.github.saspart.v1.Notice;
import io.github.saspart.v1.PolicyServiceGrpc;
import io.github.saspart.v1.Report;
import io.github.saspart.v1.Role;
import io.github.saspart.v1.Shape;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Random;
import java.util.concurrent.Future;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A subtask's stream to the policy server: it is opened again whenever it has ended, and reports that
 * cannot be sent are dropped, the oldest first. Everything but {@link #open} and {@link #close} happens
 * on the background thread.
 */
public final class Attachment implements AutoCloseable {
    private static final Logger LOGGER = LoggerFactory.getLogger(Attachment.class);
    private static final Sparing LOG = new Sparing(LOGGER, System::currentTimeMillis); // of the background thread
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    /** Reports that wait to be sent. */
    static final int MOST_REPORTS = 8;

    private static final long WELCOME_MILLIS = 5000; // a server that takes longer is given up

    private final Server server;
    private final Hello hello;
    private final Listener listener;
    private final Freshness freshness;
    private final BackOff backOff = new BackOff(new Random());
    private final ArrayDeque<Report> queue = new ArrayDeque<>();

    private ManagedChannel channel; // null before it is opened, and if that failed
    private Stream stream; // null between attempts
    private Route route; // the newest of the server's
    private boolean complained; // since it was last welcomed
    private boolean closed;

    /**
     * Prepares an attachment.
     *
     * @param hello the stream's first message, without the route
     * @param route in force; null for the initial route
     * @param staleAfterMillis without an answer for so long, the subtask is unattended
     */
    public Attachment(Server server, Hello hello, Route route, long staleAfterMillis, Listener listener) {
        this.server = server;
        this.hello = hello;
        this.route = route;
        this.listener = listener;
        long window = Math.max(1, hello.getShape().getSlideNs() / 1_000_000 * hello.getShape().getSlides());
        freshness = new Freshness(staleAfterMillis, window);
    }

    /** Begins to attach. */
    public void open() {
        channel = server.acquire();
        Background.THREAD.execute(this::attach);
    }

    /** Detaches. */
    @Override
    public void close() {
        Background.THREAD.execute(() -> {
            if (closed || channel == null) {
                return;
            }
            closed = true;
            if (stream != null) {
                stream.finish();
            }
            server.release();
        });
    }

    /** Hands over what the subtask measured in a slide. On the background thread. */
    public void report(Report report) {
        if (closed) {
            return;
        }
        long window = Long.divideUnsigned(report.getSlide(), hello.getShape().getSlides());
        if (freshness.reported(System.currentTimeMillis(), window)) {
            tell("policy server {} does not answer; {} continues without it", server.address(), hello.getJob());
            listener.alone(true);
        }
        if (queue.size() == MOST_REPORTS) {
            queue.remove();
        }
        queue.add(report);
        if (stream != null) {
            stream.send();
        }
    }

    /** Logs a warning, which need not come from every worker too. */
    private void tell(String format, Object... args) {
        if (hello.getSubtasks(0).getRole() == Role.ROLE_PARTITIONER) {
            LOG.warn(format, args);
        } else {
            LOGGER.debug(format, args);
        }
    }

    private void attach() {
        if (closed) {
            return;
        }
        channel.resetConnectBackoff(); // how long to wait is decided here
        Metadata headers = new Metadata();
        if (!server.token().isEmpty()) {
            headers.put(AUTHORIZATION, "Bearer " + server.token());
        }
        stream = new Stream();
        PolicyServiceGrpc.newStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(headers))
                .attach(stream);
        stream.hello();
    }

    /** One attempt, and what comes of it. */
    private final class Stream implements ClientResponseObserver<AttachRequest, AttachResponse> {
        private ClientCallStreamObserver<AttachRequest> requests;
        private Future<?> patience;
        private boolean welcomed;
        private Packer packer; // null: the server takes none
        private Route base; // the last route that came; null: none

        @Override
        public void beforeStart(ClientCallStreamObserver<AttachRequest> requests) {
            this.requests = requests;
            requests.setOnReadyHandler(this::send);
        }

        void hello() {
            Hello.Builder begin = hello.toBuilder().setCompact(true);
            if (route != null) {
                begin.setRoute(Wire.write(route));
            }
            requests.onNext(AttachRequest.newBuilder().setHello(begin).build());
            patience = Background.THREAD.after(WELCOME_MILLIS, () -> {
                if (!welcomed) {
                    requests.cancel("no welcome within " + WELCOME_MILLIS + " ms", null);
                }
            });
        }

        /** Sends what is queued, as far as the connection takes it. */
        void send() {
            while (welcomed && stream == this && requests.isReady() && !queue.isEmpty()) {
                Report report = queue.remove();
                requests.onNext(
                        packer == null ? AttachRequest.newBuilder().setReport(report).build() : packer.request(report));
            }
        }

        void finish() {
            if (welcomed) {
                requests.onCompleted();
            } else {
                requests.cancel("the subtask has ended", null);
            }
        }

        @Override
        public void onNext(AttachResponse response) {
            if (closed) {
                return;
            }
            switch (response.getMessageCase()) {
                case WELCOME:
                    welcomed = true;
                    if (response.getWelcome().getCompact()) {
                        Shape shape = hello.getShape();
                        packer = new Packer(Math.max(Math.max(64, 4 * shape.getWorkers()), shape.getHotKeys()));
                    }
                    patience.cancel(false);
                    backOff.reset();
                    complained = false;
                    LOG.info("attached to policy server {}: model {} {}", server.address(),
                            response.getWelcome().getModel().getName(), response.getWelcome().getModel().getReason());
                    listener.model(response.getWelcome().getModel());
                    send();
                    return;
                case DECISION:
                    decided(response.getDecision());
                    return;
                case PACKED:
                    try {
                        decided(Wire.unpack(response.getPacked(), Server.MOST_BYTES));
                    } catch (IOException e) {
                        requests.cancel("a decision cannot be read", e);
                    }
                    return;
                case CONTROL:
                    listener.control(response.getControl());
                    return;
                case NOTICE:
                    Notice notice = response.getNotice();
                    LOG.info("policy server {}: {}", server.address(), notice.getText());
                    if (notice.hasModel()) {
                        listener.model(notice.getModel());
                    }
                    if (packer != null && notice.getKind() == Notice.Kind.KIND_REJECTED) {
                        packer.forget();
                    }
                    return;
                default: // of a later version
            }
        }

        private void decided(Decision decision) {
            Route next = null;
            Capacities capacities;
            try {
                if (decision.hasRoute()) {
                    next = Wire.route(decision.getRoute(), hello.getShape().getWorkers());
                } else if (decision.hasChange()) {
                    if (base == null || base.version() != decision.getChange().getBase()) { // a new stream gets it whole
                        requests.cancel("a decision changes a route that did not come on this stream", null);
                        return;
                    }
                    next = Wire.change(decision.getChange(), base);
                }
                capacities = Wire.capacities(decision, hello.getShape().getWorkers());
            } catch (IllegalArgumentException e) { // what cannot be followed is no answer
                LOG.warn("policy server {} sent what cannot be followed: {}", server.address(), e.getMessage());
                return;
            }
            if (next != null) {
                base = next;
            }
            adopt(decision, next, capacities);
        }

        @Override
        public void onError(Throwable error) {
            Status status = Status.fromThrowable(error);
            String cause = status.getCause() == null ? "" : ": " + status.getCause().getMessage();
            end((status.getCode() + ": " + status.getDescription() + cause).lines().findFirst().orElse(""));
        }

        @Override
        public void onCompleted() {
            end("the stream has ended");
        }

        private void end(String why) {
            patience.cancel(false);
            stream = null;
            if (!closed) {
                if (!complained) {
                    tell("not attached to policy server {}: {}; trying again", server.address(), why);
                }
                complained = true;
                Background.THREAD.after(backOff.next(), Attachment.this::attach);
            }
        }
    }

    private void adopt(Decision decision, Route next, Capacities capacities) {
        boolean alone = freshness.stale();
        if (!freshness.answered(System.currentTimeMillis(), decision.getWindow())) {
            return;
        }
        if (alone) {
            LOG.info("policy server {} answers again", server.address());
            listener.alone(false);
        }
        double[] busy = Wire.busy(decision, hello.getShape().getWorkers());
        if (busy != null) {
            listener.busy(busy);
        }
        if (decision.getSharesCount() > 0) {
            listener.shares(Wire.shares(decision));
        }
        if (capacities != null) {
            listener.capacities(capacities);
        }
        if (next != null && (route == null || Long.compareUnsigned(next.version(), route.version()) > 0)) {
            route = next;
            listener.route(next, decision.getStart());
        }
    }
}
