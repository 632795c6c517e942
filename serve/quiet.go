package serve

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// quietLines is how many lines a second a log has with the same message, on average; twice
// as many and one more may come at once.
const quietLines = 5

// quiet is a log handler that leaves out lines if there are too many with the same message,
// so that peers cannot fill the disk. The next line says how many were left out. Messages
// are constants of this package, so there are few of them.
type quiet struct {
	slog.Handler
	state *quietState // shared with the handlers that are derived from this one
}

type quietState struct {
	mu       sync.Mutex
	messages map[string]*quietMessage
}

type quietMessage struct {
	budget budget
	left   int // lines left out since the last one
}

func newQuiet(h slog.Handler) *quiet {
	return &quiet{h, &quietState{messages: map[string]*quietMessage{}}}
}

// Handle implements slog.Handler.
func (q *quiet) Handle(ctx context.Context, r slog.Record) error {
	left, ok := q.state.take(r.Message, r.Time)
	if !ok {
		return nil
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", left))
	}
	return q.Handler.Handle(ctx, r)
}

// take reports whether a line may be written, and how many like it were left out before.
func (s *quietState) take(message string, now time.Time) (left int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.messages[message]
	if m == nil {
		m = &quietMessage{budget: budget{rate: quietLines}}
		s.messages[message] = m
	}
	if !m.budget.spend(now) {
		m.left++
		return 0, false
	}
	left, m.left = m.left, 0
	return left, true
}

// WithAttrs implements slog.Handler.
func (q *quiet) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &quiet{q.Handler.WithAttrs(attrs), q.state}
}

// WithGroup implements slog.Handler.
func (q *quiet) WithGroup(name string) slog.Handler {
	return &quiet{q.Handler.WithGroup(name), q.state}
}
