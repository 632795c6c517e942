package io.github.saspart.flink;

import io.github.saspart.v1.AttachRequest;
import io.github.saspart.v1.AttachResponse;
import io.github.saspart.v1.Hello;
import io.github.saspart.v1.PartitionerReport;
import io.github.saspart.v1.PolicyServiceGrpc;
import io.github.saspart.v1.Report;
import io.github.saspart.v1.Role;
import io.github.saspart.v1.Welcome;
import io.grpc.Server;
import io.grpc.StatusRuntimeException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;

/** A policy server on loopback that welcomes every client, keeps all messages, and answers as a test wants. */
final class FakeServer extends PolicyServiceGrpc.PolicyServiceImplBase implements AutoCloseable {
    private static final long PATIENCE_SECONDS = 120;

    final List<Hello> hellos = new CopyOnWriteArrayList<>();
    final List<Report> reports = new CopyOnWriteArrayList<>();
    private final List<Stream> partitioners = new CopyOnWriteArrayList<>();
    private final Server server;
    private volatile AttachResponse standing; // what partitioners that attach get

    /** Listens on this port of loopback, 0 for any. */
    FakeServer(int port) throws IOException {
        server = NettyServerBuilder.forAddress(new InetSocketAddress("127.0.0.1", port)).addService(this).build().start();
    }

    int port() {
        return server.getPort();
    }

    @Override
    public StreamObserver<AttachRequest> attach(StreamObserver<AttachResponse> answers) {
        return new Stream(answers);
    }

    private final class Stream implements StreamObserver<AttachRequest> {
        private final StreamObserver<AttachResponse> answers;

        Stream(StreamObserver<AttachResponse> answers) {
            this.answers = answers;
        }

        @Override
        public void onNext(AttachRequest request) {
            if (request.hasHello()) {
                say(AttachResponse.newBuilder().setWelcome(Welcome.newBuilder().setProtocol(1)).build());
                if (request.getHello().getSubtasks(0).getRole() == Role.ROLE_PARTITIONER) {
                    partitioners.add(this);
                    if (standing != null) {
                        say(standing);
                    }
                }
                hellos.add(request.getHello());
            } else {
                reports.add(request.getReport());
            }
        }

        synchronized void say(AttachResponse response) {
            try {
                answers.onNext(response);
            } catch (StatusRuntimeException e) { // it has given up, and attaches again
                partitioners.remove(this);
            }
        }

        @Override
        public void onError(Throwable error) {
            partitioners.remove(this);
        }

        @Override
        public void onCompleted() {
            partitioners.remove(this);
            answers.onCompleted();
        }
    }

    /** Says something to every partitioner, and to those that attach later, until something else is said so. */
    void sayFromNowOn(AttachResponse response) {
        standing = response;
        say(response);
    }

    /** Says something to every partitioner. */
    void say(AttachResponse response) {
        for (Stream s : partitioners) {
            s.say(response);
        }
    }

    /** Waits until the latest reports of the given number of partitioners are as wanted. */
    void awaitPartitioners(int n, String what, Predicate<PartitionerReport> wanted) throws InterruptedException {
        await(what, () -> {
            Map<Integer, Boolean> latest = new HashMap<>();
            reports.forEach(r -> r.getPartitionersList().forEach(p -> latest.put(p.getIndex(), wanted.test(p))));
            return latest.values().stream().filter(ok -> ok).count() >= n;
        });
    }

    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long until = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > until) {
                throw new AssertionError("within " + PATIENCE_SECONDS + " s it did not happen that " + what);
            }
            Thread.sleep(10);
        }
    }

    @Override
    public void close() throws InterruptedException {
        server.shutdownNow();
        server.awaitTermination(10, TimeUnit.SECONDS);
    }
}
