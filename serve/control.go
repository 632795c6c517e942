package serve

import (
	"fmt"

	pb "github.com/saspart/saspart/proto/saspart/v1"
	"github.com/saspart/saspart/serve/wire"
)

// Control sends a control to the partitioners of a job, on open and on later streams. The
// job must be attached, or must not have been dropped yet.
func (s *Server) Control(job string, c wire.Control) error {
	if _, err := wire.WriteControl(c); err != nil {
		return err
	}
	s.mu.Lock()
	j := s.jobs[job]
	s.mu.Unlock()
	if j == nil {
		return fmt.Errorf("control: no job of the name %s is attached", job)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.wanted = c.Over(j.wanted)
	for _, st := range j.streams {
		if len(st.hello.Partitioners) > 0 {
			st.out.put(control(c))
		}
	}
	return nil
}

// control returns the message of a valid control.
func control(c wire.Control) *pb.AttachResponse {
	m, _ := wire.WriteControl(c)
	return &pb.AttachResponse{Message: &pb.AttachResponse_Control{Control: m}}
}
