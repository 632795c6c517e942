package serve

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// guard checks the token of every call except health checks, which end at once. It never logs
// what a client sent.
type guard struct {
	server *Server
	token  func() string // nil: none is needed
}

func (g *guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if err := g.check(ss.Context(), info.FullMethod); err != nil {
		return err
	}
	return handler(srv, ss)
}

func (g *guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if err := g.check(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

func (g *guard) check(ctx context.Context, method string) error {
	if g.token == nil || method == healthpb.Health_Check_FullMethodName {
		return nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	shown := md.Get("authorization")
	if len(shown) == 1 && sameToken(bearer(shown[0]), g.token()) {
		return nil
	}
	return g.server.refuse(ctx, "token", codes.Unauthenticated, "a bearer token is needed, and none or a wrong one was shown")
}

// bearer returns the token of an authorization header, "" if there is none.
func bearer(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
}

// sameToken compares tokens in a time that does not depend on them or their lengths.
func sameToken(shown, token string) bool {
	a, b := sha256.Sum256([]byte(shown)), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}

// watchedTLS counts and logs failed handshakes, which the gRPC library does not report.
type watchedTLS struct {
	credentials.TransportCredentials
	server *Server
}

// ServerHandshake implements credentials.TransportCredentials.
func (w *watchedTLS) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := w.TransportCredentials.ServerHandshake(c)
	if err != nil {
		w.server.metrics.refused.WithLabelValues("tls").Inc()
		w.server.log.Warn("connection refused", "reason", "tls", "peer", c.RemoteAddr().String(), "error", err)
	}
	return conn, info, err
}

// Clone implements credentials.TransportCredentials.
func (w *watchedTLS) Clone() credentials.TransportCredentials {
	return &watchedTLS{w.TransportCredentials.Clone(), w.server}
}
