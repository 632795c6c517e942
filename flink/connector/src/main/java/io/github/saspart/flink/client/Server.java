package io.github.saspart.flink.client;

import io.grpc.ManagedChannel;
import io.grpc.netty.shaded.io.grpc.netty.GrpcSslContexts;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.netty.shaded.io.netty.handler.ssl.SslContextBuilder;
import java.io.ByteArrayInputStream;
import java.io.File;
import java.io.Serializable;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLException;

/** A policy server and how to reach it. The streams of a process to the same server share a connection. */
public final class Server implements Serializable {
    private static final long serialVersionUID = 1;

    /** What one message of the server may have: a route for as many workers as there can be. */
    static final int MOST_BYTES = 64 << 20;

    private static final long LEAVE_MILLIS = 2000;

    private static final String PEM = "-----BEGIN "; // what no file is called

    private static final Map<Server, Shared> CONNECTIONS = new HashMap<>(); // guarded by itself

    private final String address;
    private final String token;
    private final boolean tls;
    private final String authorities;
    private final String certificate;
    private final String key;

    /**
     * Describes a server.
     *
     * @param address host:port
     * @param token bearer token; may be empty
     * @param tls whether the connection is encrypted
     * @param authorities trusted certificates, a PEM file or its text; empty: those of the JVM
     * @param certificate client certificate, a PEM file; may be empty
     * @param key PEM file of the certificate's key
     */
    public Server(String address, String token, boolean tls, String authorities, String certificate, String key) {
        this.address = address;
        this.token = token;
        this.tls = tls;
        this.authorities = authorities;
        this.certificate = certificate;
        this.key = key;
    }

    /** A connection and how many streams use it. */
    private static final class Shared {
        final ManagedChannel channel;
        int users;

        Shared(ManagedChannel channel) {
            this.channel = channel;
        }
    }

    /** Host and port. */
    String address() {
        return address;
    }

    /** The bearer token; empty: none. */
    String token() {
        return token;
    }

    /** The process's connection, to be given back with {@link #release}. */
    ManagedChannel acquire() {
        synchronized (CONNECTIONS) {
            Shared shared = CONNECTIONS.get(this);
            if (shared == null) {
                shared = new Shared(connect());
                CONNECTIONS.put(this, shared);
            }
            shared.users++;
            return shared.channel;
        }
    }

    /** Gives a connection back; it ends with its last user. */
    void release() {
        synchronized (CONNECTIONS) {
            Shared shared = CONNECTIONS.get(this);
            if (--shared.users == 0) {
                CONNECTIONS.remove(this);
                shared.channel.shutdown(); // when the server has heard that the streams have ended
                Background.THREAD.after(LEAVE_MILLIS, shared.channel::shutdownNow);
            }
        }
    }

    private ManagedChannel connect() {
        NettyChannelBuilder builder = NettyChannelBuilder.forTarget(address)
                .executor(Background.THREAD)
                .maxInboundMessageSize(MOST_BYTES)
                .keepAliveTime(10, TimeUnit.SECONDS)
                .keepAliveTimeout(5, TimeUnit.SECONDS);
        if (!tls) {
            return builder.usePlaintext().build();
        }
        try {
            SslContextBuilder context = GrpcSslContexts.forClient();
            if (authorities.startsWith(PEM)) {
                context.trustManager(new ByteArrayInputStream(authorities.getBytes(StandardCharsets.US_ASCII)));
            } else if (!authorities.isEmpty()) {
                context.trustManager(new File(authorities));
            }
            if (!certificate.isEmpty()) {
                context.keyManager(new File(certificate), new File(key));
            }
            return builder.sslContext(context.build()).build();
        } catch (SSLException | IllegalArgumentException e) {
            throw new IllegalArgumentException(
                    "policy server " + address + ": certificates " + authorities + " " + certificate + " " + key
                            + " cannot be used on this machine: " + e.getMessage(), e);
        }
    }

    @Override
    public boolean equals(Object other) {
        if (!(other instanceof Server)) {
            return false;
        }
        Server s = (Server) other;
        return address.equals(s.address)
                && token.equals(s.token)
                && tls == s.tls
                && authorities.equals(s.authorities)
                && certificate.equals(s.certificate)
                && key.equals(s.key);
    }

    @Override
    public int hashCode() {
        return Objects.hash(address, token, tls);
    }
}
