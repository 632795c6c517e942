package client

import (
	"context"
	"errors"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/wire"
)

// A connection that has been silent for askAfter is pinged, and closed if the ping is not
// answered within cutAfter.
const (
	askAfter = 10 * time.Second
	cutAfter = 5 * time.Second
)

// mostMessage bounds a message of the server, in bytes: enough for a route for MaxWorkers.
const mostMessage = 64 << 20

// dial makes a connection for one stream. Each attempt makes its own, so that only run
// decides how long to wait between them.
func dial(c *Config) (*grpc.ClientConn, error) {
	creds := c.TLS
	if creds == nil {
		creds = insecure.NewCredentials()
	}
	return grpc.NewClient(c.Address,
		grpc.WithTransportCredentials(creds),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.DefaultConfig, MinConnectTimeout: cutAfter}),
		grpc.WithStaticStreamWindowSize(wire.FlowWindow), grpc.WithStaticConnWindowSize(wire.FlowWindow),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: askAfter, Timeout: cutAfter}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(mostMessage), grpc.ForceCodecV2(wire.Codec{})),
	)
}

// run keeps a stream open until ctx is done.
func (c *Client) run(ctx context.Context) {
	defer close(c.done)
	failures := 0
	for ctx.Err() == nil {
		welcomed, err := c.attach(ctx)
		if welcomed {
			failures = 0
		}
		c.mu.Lock()
		c.status.Connected = false
		if err != nil && ctx.Err() == nil {
			c.status.Error = status.Convert(err).Message()
			c.config.Log.Warn("not attached to the policy server", "error", c.status.Error)
		}
		c.wake()
		c.mu.Unlock()
		pause := time.NewTimer(c.config.BackOff.wait(failures, c.config.Jitter))
		failures++
		select {
		case <-ctx.Done():
		case <-pause.C:
		}
		pause.Stop()
	}
}

// attach opens a stream and serves it until it ends. It returns whether the server
// welcomed it, and why it ended.
func (c *Client) attach(ctx context.Context) (welcomed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if c.config.Token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.config.Token)
	}
	conn, err := dial(&c.config)
	if err != nil {
		return false, err
	}
	defer conn.Close() // any error has been reported by the stream
	stream, err := pb.NewPolicyServiceClient(conn).Attach(ctx)
	if err != nil {
		return false, err
	}
	h := c.config.hello()
	hello := wire.WriteHello(h)
	if route := c.routeInForce(); route != nil {
		hello.Route = wire.WriteRoute(route)
	}
	if err := stream.Send(&pb.AttachRequest{Message: &pb.AttachRequest_Hello{Hello: hello}}); err != nil && !errors.Is(err, io.EOF) {
		return false, err
	}
	first, err := stream.Recv() // its error also says why Send failed
	if err != nil {
		return false, err
	}
	if first.GetWelcome() == nil {
		return false, status.Error(codes.FailedPrecondition, "the server did not begin with a welcome; is it another service?")
	}
	c.welcome(first.GetWelcome())
	c.rejected.Store(false)
	pack := func(f wire.Frame) wire.Frame { return f }
	if first.GetWelcome().GetCompact() {
		packer := wire.NewPacker(h)
		pack = func(f wire.Frame) wire.Frame {
			if c.rejected.Swap(false) {
				packer.Forget()
			}
			return packer.Pack(f)
		}
	}
	ended := make(chan error, 1)
	received := make(chan struct{})
	go func() {
		defer close(received)
		ended <- c.receive(stream)
	}()
	defer func() {
		cancel()
		<-received
	}()
	for {
		select {
		case err := <-ended:
			return true, err
		case <-ctx.Done():
			return true, ctx.Err()
		case <-c.work:
			for frame := c.next(); frame != nil; frame = c.next() {
				if err := stream.SendMsg(pack(frame)); err != nil {
					return true, <-ended // its error says why
				}
			}
		}
	}
}

// routeInForce returns the route in force, which a hello passes to the server.
func (c *Client) routeInForce() *policy.Route {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.tell = nil
	return c.route.Load()
}

// receive processes the server's messages until the stream ends.
func (c *Client) receive(stream pb.PolicyService_AttachClient) error {
	var base *policy.Route // the last that came
	for {
		var received wire.Received
		if err := stream.RecvMsg(&received); err != nil {
			return err
		}
		answer, m, err := wire.ReadResponse(received.Bytes(), c.config.Shape.Workers, base, mostMessage)
		received.Free()
		switch {
		case err != nil:
			return status.Error(codes.Internal, err.Error())
		case answer != nil:
			if answer.Route != nil {
				base = answer.Route
			}
			c.decided(answer)
		case m.GetNotice() != nil:
			c.noticed(m.GetNotice())
		case m.GetControl() != nil && c.config.Control != nil:
			wanted, err := wire.ReadControl(m.GetControl())
			if err != nil {
				c.config.Log.Warn("the policy server sent an impossible control", "error", err)
				continue
			}
			c.config.Control(wanted)
		}
	}
}

func (c *Client) welcome(w *pb.Welcome) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.status.Connected, c.status.Error = true, ""
	c.status.Attached++
	c.model(w.GetModel())
	c.wake()
}

// model notes which model decides at the server. The caller holds the lock.
func (c *Client) model(m *pb.Model) {
	c.status.Model, c.status.Reason = m.GetName(), m.GetReason()
	if c.status.Reason != "" {
		c.config.Log.Warn("the server's model does not fit this job; routes are analytic", "reason", c.status.Reason)
	}
}

func (c *Client) noticed(n *pb.Notice) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.config.Log.Info("from the policy server", "notice", n.GetText())
	switch n.GetKind() {
	case pb.Notice_KIND_MODEL:
		c.model(n.GetModel())
	case pb.Notice_KIND_REJECTED:
		c.status.Rejected++
		c.rejected.Store(true)
	}
}
