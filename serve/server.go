package serve

import (
	"context"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/netutil"
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
	Name  string                           // program and version, told to clients
	Model *Model                           // decides until SetModel
	Token string                           // that clients must send; "": none
	Only  int                              // the only number of workers that jobs may have; 0: any
	TLS   credentials.TransportCredentials // nil: no encryption
	Log   *slog.Logger
	Now   func() time.Time
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
	draining  chan struct{}
	drain     sync.Once

	mu      sync.Mutex
	jobs    map[string]*job
	clients map[string]*client // those with streams, by address and port
}

// New returns a server that serves once Serve is called. config must be valid.
func New(config Config, o Options) *Server {
	s := &Server{
		config: config, name: o.Name, only: o.Only, learn: o.Learn, seed: o.Seed, log: o.Log, now: o.Now, watch: o.Watch,
		draining: make(chan struct{}), jobs: map[string]*job{}, clients: map[string]*client{}, health: health.NewServer(),
	}
	s.metrics = newMetrics(s)
	s.SetModel(o.Model)
	guard := &guard{server: s, token: o.Token}
	options := []grpc.ServerOption{
		grpc.ForceServerCodecV2(wire.Codec{}),
		grpc.MaxRecvMsgSize(config.Limits.Message), grpc.MaxConcurrentStreams(uint32(config.Limits.PerClient)),
		grpc.MaxHeaderListSize(16 << 10), grpc.ConnectionTimeout(config.Hello),
		// Windows of a fixed size: estimating one costs a ping for every report.
		grpc.StaticStreamWindowSize(wire.FlowWindow), grpc.StaticConnWindowSize(wire.FlowWindow),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: config.Keepalive.Time, Timeout: config.Keepalive.Timeout}),
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
	reflection.Register(s.grpc)
	return s
}

// Serve takes connections from l until Stop, and then returns nil.
func (s *Server) Serve(l net.Listener) error {
	return s.grpc.Serve(netutil.LimitListener(l, s.config.Limits.Connections))
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
	s.receivers.Wait()
	for _, j := range s.list() {
		s.forget(j)
	}
}

// ready reports whether the server accepts streams.
func (s *Server) ready() bool {
	select {
	case <-s.draining:
		return false
	default:
		return true
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

// jobOf returns the job of a hello; it is created if there is none. reason is the label
// under which an error is counted.
func (s *Server) jobOf(h *wire.Hello) (*job, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.jobs[h.Job]
	if old != nil && old.instance == h.Instance {
		if old.shape != h.Shape {
			return nil, "shape", status.Errorf(codes.FailedPrecondition, "the subtasks of job %s do not agree on its shape: %+v and %+v", h.Job, old.shape, h.Shape)
		}
		return old, "", nil
	}
	if old != nil && old.busy() {
		return nil, "taken", status.Errorf(codes.AlreadyExists, "a job of the name %s is attached by another instance; give this one another name, or end that", h.Job)
	}
	if old == nil && len(s.jobs) >= s.config.Limits.Jobs {
		return nil, "jobs", status.Errorf(codes.ResourceExhausted, "the server has %d jobs, its limit", len(s.jobs))
	}
	if old != nil {
		old.close()
	}
	j := newJob(s, h)
	s.jobs[h.Job] = j
	s.log.Info("job attached", "job", j.name, "workers", j.shape.Workers, "partitioners", j.shape.Partitioners, "analytic", j.decider.analytic)
	return j, "", nil
}

// forget drops a job if it has no streams.
func (s *Server) forget(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.jobs[j.name] != j || j.busy() {
		return
	}
	j.close()
	delete(s.jobs, j.name)
	s.log.Info("job forgotten", "job", j.name)
}

// list returns the jobs, sorted by name.
func (s *Server) list() []*job {
	s.mu.Lock()
	defer s.mu.Unlock()
	jobs := make([]*job, 0, len(s.jobs))
	for _, j := range s.jobs {
		jobs = append(jobs, j)
	}
	slices.SortFunc(jobs, func(a, b *job) int { return strings.Compare(a.name, b.name) })
	return jobs
}

// busy reports whether a job has streams.
func (j *job) busy() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.streams) > 0
}
