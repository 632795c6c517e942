package dataset

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
)

// Widths are the lengths of an observation and an action.
type Widths struct{ Obs, Act int }

// numbers is how many numbers a transition has.
func (w Widths) numbers() int { return 2*w.Obs + w.Act + 3 }

func (w Widths) bytes() int { return 4 * w.numbers() }

// Row is one transition.
type Row struct {
	Obs       []float32 // [O]
	Act       []float32 // [A]
	Reward    float32
	Next      []float32 // [O]
	Terminal  float32   // 0 or 1
	Truncated float32   // 0 or 1
}

func newRow(w Widths) Row {
	return Row{Obs: make([]float32, w.Obs), Act: make([]float32, w.Act), Next: make([]float32, w.Obs)}
}

// Columns are N transitions, each column contiguous and row-major.
type Columns struct {
	Obs       []float32 // [N,O]
	Act       []float32 // [N,A]
	Reward    []float32 // [N]
	Next      []float32 // [N,O]
	Terminal  []float32 // [N] 0 or 1
	Truncated []float32 // [N] 0 or 1; Sample and Read leave it out where it is nil
}

// Rows is N.
func (c *Columns) Rows() int { return len(c.Reward) }

// NewColumns makes room for n transitions.
func NewColumns(n int, w Widths) *Columns {
	return &Columns{
		Obs: make([]float32, n*w.Obs), Act: make([]float32, n*w.Act), Reward: make([]float32, n),
		Next: make([]float32, n*w.Obs), Terminal: make([]float32, n), Truncated: make([]float32, n),
	}
}

// Store holds transitions in the order of their traces, either in memory or, if they do
// not fit, in a file of fixed-size rows. It returns the same rows in both cases, so
// training does not depend on the machine's memory. A shuffling buffer over a stream would
// also bound memory, but it could not be resumed from the random generator's state alone.
//
// A filled store may be sampled by one goroutine at a time.
type Store struct {
	widths Widths
	rows   int
	normal *Normal

	memory []byte // the rows, if they are in memory

	file *os.File // else
	out  *bufio.Writer
	buf  []byte // one row
}

func newStore(w Widths, rows int) *Store {
	return &Store{widths: w, memory: make([]byte, 0, rows*w.bytes())}
}

func newSpilled(w Widths, dir string) (*Store, error) {
	f, err := tempFile(dir)
	if err != nil {
		return nil, err
	}
	return &Store{widths: w, file: f, out: bufio.NewWriterSize(f, 1<<18), buf: make([]byte, w.bytes())}, nil
}

// Len is N, the number of transitions.
func (s *Store) Len() int { return s.rows }

// Widths are O and A.
func (s *Store) Widths() Widths { return s.widths }

// append adds a copy of r.
func (s *Store) append(r *Row) error {
	s.rows++
	buf := s.buf[:0]
	if s.file == nil {
		buf = s.memory
	}
	for _, v := range [][]float32{r.Obs, r.Next, r.Act, {r.Reward, r.Terminal, r.Truncated}} {
		for _, x := range v {
			buf = binary.LittleEndian.AppendUint32(buf, math.Float32bits(x))
		}
	}
	if s.file == nil {
		s.memory = buf
		return nil
	}
	if _, err := s.out.Write(buf); err != nil {
		return fmt.Errorf("write transitions to disk: %w; free some space, name another folder, or allow more memory", err)
	}
	return nil
}

// Read copies the transition at each place in at, counted from 0, to the rows of
// dst, in that order.
func (s *Store) Read(at []int, dst *Columns) error {
	if dst.Rows() != len(at) {
		return fmt.Errorf("read %d transitions into %d rows", len(at), dst.Rows())
	}
	for row, i := range at {
		if err := s.get(i, dst, row); err != nil {
			return err
		}
	}
	return nil
}

// Sample fills dst with transitions drawn uniformly, with replacement, from rng
// alone.
func (s *Store) Sample(rng *rand.Rand, dst *Columns) error {
	if s.rows == 0 {
		return errors.New("there is no transition to sample")
	}
	for row := range dst.Rows() {
		if err := s.get(rng.IntN(s.rows), dst, row); err != nil {
			return err
		}
	}
	return nil
}

// get copies transition i to a row of dst.
func (s *Store) get(i int, dst *Columns, row int) error {
	if i < 0 || i >= s.rows {
		return fmt.Errorf("there is no transition %d; there are %d", i, s.rows)
	}
	from, err := s.encoded(i)
	if err != nil {
		return err
	}
	o, a := s.widths.Obs, s.widths.Act
	obs, act, next := dst.Obs[row*o:(row+1)*o], dst.Act[row*a:(row+1)*a], dst.Next[row*o:(row+1)*o]
	for _, v := range [][]float32{obs, next, act} {
		for j := range v {
			v[j] = math.Float32frombits(binary.LittleEndian.Uint32(from[4*j:]))
		}
		from = from[4*len(v):]
	}
	number := func(j int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(from[4*j:])) }
	dst.Reward[row], dst.Terminal[row] = number(0), number(1)
	if dst.Truncated != nil {
		dst.Truncated[row] = number(2)
	}
	if s.normal != nil {
		s.normal.Apply(obs)
		s.normal.Apply(next)
	}
	return nil
}

// encoded is transition i as append has encoded it, valid until the next call.
func (s *Store) encoded(i int) ([]byte, error) {
	if s.file == nil {
		n := s.widths.bytes()
		return s.memory[i*n : (i+1)*n], nil
	}
	if s.out != nil {
		if err := s.out.Flush(); err != nil {
			return nil, fmt.Errorf("write transitions to disk: %w; free some space, name another folder, or allow more memory", err)
		}
		s.out = nil
	}
	if _, err := s.file.ReadAt(s.buf, int64(i)*int64(len(s.buf))); err != nil {
		return nil, fmt.Errorf("read transition %d from disk: %w", i, err)
	}
	return s.buf, nil
}

// Normalise maps every observation by n. It may be called once.
func (s *Store) Normalise(n Normal) error {
	if s.normal != nil {
		return errors.New("the observations are normalised already")
	}
	if len(n.Mean) != s.widths.Obs || len(n.Scale) != s.widths.Obs {
		return fmt.Errorf("normalisation of %d and %d numbers for observations of %d", len(n.Mean), len(n.Scale), s.widths.Obs)
	}
	s.normal = &n
	return nil
}

// Close frees the file of a store that is not in memory.
func (s *Store) Close() error {
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file, s.rows = nil, 0
	return err
}
