package serve

import (
	"context"
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
	tokens func() Tokens // nil: none is needed
}

func (g *guard) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	t, err := g.check(ss.Context(), info.FullMethod)
	if err != nil {
		return err
	}
	if t != nil {
		ss = &known{ss, context.WithValue(ss.Context(), tokenKey{}, t)}
	}
	return handler(srv, ss)
}

func (g *guard) unary(ctx context.Context, req any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	if _, err := g.check(ctx, info.FullMethod); err != nil {
		return nil, err
	}
	return handler(ctx, req)
}

// check returns the token that was shown; nil: none is needed.
func (g *guard) check(ctx context.Context, method string) (*Token, error) {
	if g.tokens == nil || method == healthpb.Health_Check_FullMethodName {
		return nil, nil
	}
	md, _ := metadata.FromIncomingContext(ctx)
	if shown := md.Get("authorization"); len(shown) == 1 {
		if t := g.tokens().find(bearer(shown[0])); t != nil {
			return t, nil
		}
	}
	return nil, g.server.refuse(ctx, "token", codes.Unauthenticated, "a bearer token is needed, and none or a wrong one was shown")
}

// bearer returns the token of an authorization header, "" if there is none.
func bearer(header string) string {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return ""
	}
	return strings.TrimSpace(token)
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
