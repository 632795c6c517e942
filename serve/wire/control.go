package wire

import (
	"fmt"

	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// maxPartitioner is the maximum size of a partitioner's configuration in bytes.
const maxPartitioner = 1 << 16

// Control is a change to a running job that the owner of a server asks for. Fields that
// are left out change nothing.
type Control struct {
	Rate        *float64 // records/s of the whole job; 0: pause; nil: no change
	Partitioner string   // JSON of the partitioner to switch to; "": no change
	End         bool     // sources end, as if they had no more records
}

// validate returns an error for the first value that is out of bounds.
func (c *Control) validate() error {
	if c.Rate != nil && !(*c.Rate >= 0 && *c.Rate <= maxRate) {
		return fmt.Errorf("control: a rate of %v; it must be from 0 to %v", *c.Rate, maxRate)
	}
	if n := len(c.Partitioner); n > maxPartitioner {
		return fmt.Errorf("control: a partitioner of %d bytes; at most %d are possible", n, maxPartitioner)
	}
	return nil
}

// Over merges two controls: fields that c leaves out are those of older.
func (c Control) Over(older Control) Control {
	if c.Rate == nil {
		c.Rate = older.Rate
	}
	if c.Partitioner == "" {
		c.Partitioner = older.Partitioner
	}
	c.End = c.End || older.End
	return c
}

// ReadControl converts and checks a message.
func ReadControl(m *pb.Control) (Control, error) {
	c := Control{Rate: m.Rate, Partitioner: m.GetPartitioner(), End: m.GetEnd()}
	return c, c.validate()
}

// WriteControl checks a control and converts it to a message.
func WriteControl(c Control) (*pb.Control, error) {
	if err := c.validate(); err != nil {
		return nil, err
	}
	m := &pb.Control{Rate: c.Rate, End: c.End}
	if c.Partitioner != "" {
		m.Partitioner = &c.Partitioner
	}
	return m, nil
}
