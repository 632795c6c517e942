package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	"google.golang.org/grpc/status"

	"github.com/saspart/saspart/loop/reports"
	"github.com/saspart/saspart/policy"
	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/wire"
)

// Options are the parts of a server.
type Options struct {
	Name   string                           // program and version, told to clients
	Model  *Model                           // decides until SetModel
	Tokens func() Tokens                    // of which clients must send one; nil: none
	Only   int                              // the only number of workers that jobs may have; 0: any
	TLS    credentials.TransportCredentials // nil: no encryption
	// Reflect says that peers may ask for the protocol by gRPC reflection.
	Reflect bool
	Log     *slog.Logger
	Now     func() time.Time
	// Watch, if not nil, is called with every window of a job before the window is answered.
	// It must not block, and must not change or keep the window.
	Watch func(job string, a *reports.Assembled)
	// Learn says how well routers that learn from windows see them, and Seed is that of the
	// noise. Measurements of real jobs are as good as they are: the zero value leaves them.
	Learn policy.BlurConfig
	Seed  uint64
}

// Server answers the windows of many jobs, which share nothing but the model. Its methods
// may be called from any goroutine.
type Server struct {
	pb.UnimplementedPolicyServiceServer

	config  Config
	name    string
	only    int // workers of a job; 0: any
	learn   policy.BlurConfig
	seed    uint64 // of learn's noise
	watch   func(job string, a *reports.Assembled)
	log     *slog.Logger
	now     func() time.Time
	metrics *metrics
	grpc    *grpc.Server
	health  *health.Server
	model   atomic.Pointer[Model]
	models  atomic.Uint64 // generations so far

	streams   atomic.Int64
	receivers sync.WaitGroup
	lanes     lanes
	memory    ledger
	deciders  sync.WaitGroup
	draining  chan struct{}
	drain     sync.Once

	mu   sync.Mutex
	jobs map[string]*job
}

// New returns a server that serves once Serve is called. config must be valid.
func New(config Config, o Options) *Server {
	s := &Server{
		config: config, name: o.Name, only: o.Only, learn: o.Learn, seed: o.Seed, log: slog.New(newQuiet(o.Log.Handler())), now: o.Now, watch: o.Watch,
		lanes: newLanes(), memory: ledger{limit: config.Limits.Memory}, draining: make(chan struct{}), jobs: map[string]*job{}, health: health.NewServer(),
	}
	s.metrics = newMetrics(s)
	s.SetModel(o.Model)
	guard := &guard{server: s, tokens: o.Tokens}
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(wire.Codec{}),
		grpc.MaxRecvMsgSize(config.Limits.Message), grpc.MaxConcurrentStreams(uint32(config.Limits.PerClient)),
		grpc.MaxHeaderListSize(16 << 10), grpc.ConnectionTimeout(config.Hello),
		// Windows of a fixed size: estimating one costs a ping for every report.
		grpc.StaticStreamWindowSize(wire.FlowWindow), grpc.StaticConnWindowSize(wire.FlowWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{
			Time: config.Keepalive.Time, Timeout: config.Keepalive.Timeout,
			MaxConnectionIdle: config.Keepalive.Idle, MaxConnectionAge: config.Keepalive.Age, MaxConnectionAgeGrace: config.Drain,
		}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: config.Keepalive.Time / 2, PermitWithoutStream: true}),
		grpc.StreamInterceptor(guard.stream), grpc.UnaryInterceptor(guard.unary),
	}
	if o.TLS != nil {
		options = append(options, grpc.Creds(&watchedTLS{o.TLS, s}))
	}
	s.grpc = grpc.NewServer(options...)
	pb.RegisterPolicyServiceServer(s.grpc, s)
	healthpb.RegisterHealthServer(s.grpc, s.health)
	s.health.SetServingStatus(pb.PolicyService_ServiceDesc.ServiceName, healthpb.HealthCheckResponse_SERVING)
	if o.Reflect {
		reflection.Register(s.grpc)
	}
	return s
}

// Serve takes connections from l until Stop, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	limits := s.config.Limits
	return s.grpc.Serve(s.door(l, doorLimits{limits.Strangers, limits.Connections, limits.HostConnections}))
}

// door bounds the connections of l.
func (s *Server) door(l net.Listener, limits doorLimits) net.Listener {
	return newDoor(l, limits, budget{rate: s.config.Limits.PerSecond}, func(reason string, c net.Conn) {
		s.metrics.refused.WithLabelValues(reason).Inc()
		s.log.Warn("connection closed", "reason", reason, "peer", c.RemoteAddr().String())
	})
}

// HTTPListener bounds the connections for the pages of Handler: if there are too many, the
// oldest is closed for a new one.
func (s *Server) HTTPListener(l net.Listener) net.Listener {
	limits := s.config.Limits
	return s.door(l, doorLimits{strangers: limits.HTTP, host: limits.HostConnections})
}

// SetModel makes another model decide for all jobs, after it has watched Config.Warm of
// their windows. It returns false, and changes nothing, if the model has the digest of the
// present one.
func (s *Server) SetModel(m *Model) bool {
	if old := s.model.Load(); old != nil && m.Digest != "" && old.Digest == m.Digest {
		return false
	}
	served := *m
	served.generation = s.models.Add(1)
	s.model.Store(&served)
	return true
}

func (s *Server) currentModel() *Model { return s.model.Load() }

// Stop refuses new streams, sends a notice on the open ones and ends them. It returns when
// they have ended; streams that are still open when ctx is done are closed.
func (s *Server) Stop(ctx context.Context) {
	s.drain.Do(func() {
		s.health.Shutdown()
		close(s.draining)
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.grpc.GracefulStop()
	}()
	select {
	case <-done:
	case <-ctx.Done():
		s.grpc.Stop()
		<-done
	}
	for _, j := range s.list() {
		s.forget(j, true)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		s.receivers.Wait()
		s.deciders.Wait()
	}()
	select {
	case <-ended:
	case <-ctx.Done(): // a decision cannot be interrupted
	}
}

// open reports whether the server accepts streams.
func (s *Server) open() bool {
	select {
	case <-s.draining:
		return false
	default:
		return true
	}
}

// ready returns why the server does not serve jobs as it should, nil if it does: it accepts
// no streams, or the decision of another job would wait too long.
func (s *Server) ready(ctx context.Context) error {
	if !s.open() {
		return errors.New("draining")
	}
	ctx, cancel := context.WithTimeout(ctx, s.config.Decide)
	defer cancel()
	select {
	case s.lanes.fast <- struct{}{}:
		s.lanes.fast.leave()
		return nil
	case <-ctx.Done():
		return fmt.Errorf("a decision would wait longer than %v", s.config.Decide)
	}
}

// enter counts a new stream, and returns false if there are too many.
func (s *Server) enter() bool {
	if s.streams.Add(1) > int64(s.config.Limits.Streams) {
		s.streams.Add(-1)
		return false
	}
	return true
}

// jobOf returns the job of a hello from a host; it is created if there is none. reason is
// the label under which an error is counted.
func (s *Server) jobOf(h *wire.Hello, host string) (*job, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.jobs[h.Job]
	if old != nil && old.instance == h.Instance {
		if old.shape != h.Shape {
			return nil, "shape", status.Errorf(codes.FailedPrecondition, "the subtasks of job %s do not agree on its shape: %+v and %+v", h.Job, old.shape, h.Shape)
		}
		return old, "", nil
	}
	if old != nil {
		if !old.close(func() bool { return len(old.streams) == 0 }) {
			return nil, "taken", status.Errorf(codes.AlreadyExists, "a job of the name %s is attached by another instance; give this one another name, or end that", h.Job)
		}
		s.drop(old)
	}
	if reason, err := s.makeSpace(&h.Shape, host); err != nil {
		return nil, reason, err
	}
	j := newJob(s, h, host)
	s.jobs[h.Job] = j
	s.log.Info("job attached", "job", j.name, "workers", j.shape.Workers, "partitioners", j.shape.Partitioners, "analytic", j.decider.analytic)
	return j, "", nil
}

// makeSpace makes space for another job of a host. If there are too many, or too little memory,
// the job is dropped that has been without streams for the longest time, of the host if it
// has too many.
func (s *Server) makeSpace(shape *reports.Shape, host string) (reason string, err error) {
	own := map[string]*job{}
	for name, j := range s.jobs {
		if j.host == host {
			own[name] = j
		}
	}
	l := s.config.Limits
	if len(own) >= l.HostJobs && !s.evict(own) {
		return "host", status.Errorf(codes.ResourceExhausted, "%d jobs of this host are attached, the limit for one", len(own))
	}
	if len(s.jobs) >= l.Jobs && !s.evict(s.jobs) {
		return "jobs", status.Errorf(codes.ResourceExhausted, "%d jobs are attached, the server's limit", len(s.jobs))
	}
	if bytes := jobBytes(shape); !s.reserve(bytes) {
		return "memory", status.Errorf(codes.ResourceExhausted, "a job of this shape takes about %d MiB; the server has %d MiB for all, of which %d MiB are taken: attach with fewer workers, hot keys or slots, or later", mebi(bytes), mebi(l.Memory), mebi(s.memory.now()))
	}
	return "", nil
}

// reserve takes memory, if need be that of jobs without streams, which it drops; false if that
// is not enough. The caller holds the lock.
func (s *Server) reserve(bytes int64) bool {
	for !s.memory.take(bytes) {
		if bytes > s.config.Limits.Memory || !s.evict(s.jobs) {
			return false
		}
	}
	return true
}

func mebi(bytes int64) int64 { return (bytes + 1<<20 - 1) >> 20 }

// drop removes a job that is closed. The caller holds the lock.
func (s *Server) drop(j *job) {
	delete(s.jobs, j.name)
	s.memory.give(jobBytes(&j.shape))
}

// evict drops the job that has been without streams for the longest time; false if each has
// some.
func (s *Server) evict(jobs map[string]*job) bool {
	var oldest *job
	var since time.Time
	for _, j := range jobs {
		if t, idle := j.idle(); idle && (oldest == nil || t.Before(since)) {
			oldest, since = j, t
		}
	}
	if oldest == nil || !oldest.close(func() bool { return len(oldest.streams) == 0 }) {
		return false
	}
	s.drop(oldest)
	s.log.Info("job dropped for another one", "job", oldest.name)
	return true
}

// forget drops a job that has had no streams for Config.Linger, or any job.
func (s *Server) forget(j *job, any bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	idle := func() bool { return any || len(j.streams) == 0 && s.now().Sub(j.emptied) >= s.config.Linger }
	if s.jobs[j.name] != j || !j.close(idle) {
		return
	}
	s.drop(j)
	s.log.Info("job forgotten", "job", j.name)
}

// list returns the jobs, sorted by name.
func (s *Server) list() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Values(s.jobs), func(a, b *job) int { return strings.Compare(a.name, b.name) })
}
