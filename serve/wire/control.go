package wire

import (
	"fmt"

	pb "github.com/saspart/saspart/proto/saspart/v1"
)

// mostPartitioner is how many bytes a partitioner's configuration may have.
const mostPartitioner = 1 << 16

// Control is what the owner of a server wants of a job. What is left out stays as it is.
type Control struct {
	Rate        *float64 // records/s of the whole job; 0: a pause; nil: as it is
	Partitioner string   // JSON of the partitioner to switch to; "": none
	End         bool     // sources end, as if they had no more records
}

// validate reports the first value that cannot be meant.
func (c *Control) validate() error {
	if c.Rate != nil && !(*c.Rate >= 0 && *c.Rate <= mostRate) {
		return fmt.Errorf("control: a rate of %v; it must be from 0 to %v", *c.Rate, mostRate)
	}
	if n := len(c.Partitioner); n > mostPartitioner {
		return fmt.Errorf("control: a partitioner of %d bytes; at most %d are possible", n, mostPartitioner)
	}
	return nil
}

// Over is c with what it leaves out taken from older.
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

// ReadControl checks a control.
func ReadControl(m *pb.Control) (Control, error) {
	c := Control{Rate: m.Rate, Partitioner: m.GetPartitioner(), End: m.GetEnd()}
	return c, c.validate()
}

// WriteControl is the message of a control, which it checks.
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
