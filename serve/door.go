package serve

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// door accepts connections and bounds them. Connections are strangers until the server admits
// them, because a stream on them has shown the token and attached to a job. If there are too
// many strangers, the one that came first is closed for a new one: peers that attach to no
// job keep no other out, however many they are.
type door struct {
	net.Listener
	limits  doorLimits
	budget  budget                          // of the reports on a connection
	refused func(reason string, c net.Conn) // called for each connection that is closed here

	mu        sync.Mutex
	strangers list.List // of *visitor, the first to be closed in front
	admitted  int
	hosts     map[string]int // their connections
}

// doorLimits is how many connections there may be at a time.
type doorLimits struct{ strangers, admitted, host int }

// visitor is a connection that a door has accepted.
type visitor struct {
	net.Conn
	door  *door
	host  string
	close sync.Once
	place *list.Element // among the strangers; nil: admitted or gone
	gone  bool          // closed, or to be closed for another one

	streams int // attached to jobs

	spending sync.Mutex
	budget   budget // of reports, over all streams
}

// visitorAddr is the address of a visitor's peer, which leads from a stream to its
// connection.
type visitorAddr struct {
	net.Addr
	visitor *visitor
}

func newDoor(l net.Listener, limits doorLimits, b budget, refused func(reason string, c net.Conn)) *door {
	return &door{Listener: l, limits: limits, budget: b, refused: refused, hosts: map[string]int{}}
}

// Accept implements net.Listener.
func (d *door) Accept() (net.Conn, error) {
	for {
		c, err := d.Listener.Accept()
		if err != nil {
			return nil, err
		}
		v := &visitor{Conn: c, door: d, host: hostOf(c.RemoteAddr()), budget: d.budget}
		first, ok := d.enter(v)
		if first != nil {
			d.refused("stranger", first)
			_ = first.Close()
		}
		if ok {
			return v, nil
		}
		d.refused("host", c)
		_ = c.Close()
	}
}

// hostOf returns the host of an address, so that the connections of a peer count together.
func hostOf(a net.Addr) string {
	host, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return host
}

// enter adds a visitor; ok is false if its peer has too many connections. first is the
// stranger that must be closed for it, nil if none.
func (d *door) enter(v *visitor) (first *visitor, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.hosts[v.host] >= d.limits.host {
		return nil, false
	}
	d.hosts[v.host]++
	if d.strangers.Len() >= d.limits.strangers {
		first = d.strangers.Remove(d.strangers.Front()).(*visitor)
		first.place, first.gone = nil, true
	}
	v.place = d.strangers.PushBack(v)
	return first, true
}

// admit counts a stream that attaches to a job, and its connection among the admitted; false
// if there are too many.
func (v *visitor) admit() bool {
	d := v.door
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case v.gone:
		return false
	case v.place == nil:
		v.streams++
		return true
	case d.admitted >= d.limits.admitted:
		return false
	}
	d.strangers.Remove(v.place)
	v.place = nil
	v.streams++
	d.admitted++
	return true
}

// dismiss counts a stream off. A connection without any is a stranger again.
func (v *visitor) dismiss() {
	d := v.door
	d.mu.Lock()
	defer d.mu.Unlock()
	if v.streams--; v.streams > 0 || v.gone {
		return
	}
	d.admitted--
	v.place = d.strangers.PushBack(v)
}

// spend reports whether another report is within the budget of the connection.
func (v *visitor) spend(now time.Time) bool {
	v.spending.Lock()
	defer v.spending.Unlock()
	return v.budget.spend(now)
}

// Close implements net.Conn.
func (v *visitor) Close() error {
	v.close.Do(func() {
		d := v.door
		d.mu.Lock()
		defer d.mu.Unlock()
		switch {
		case v.place != nil:
			d.strangers.Remove(v.place)
		case !v.gone:
			d.admitted--
		}
		v.place, v.gone = nil, true
		if d.hosts[v.host]--; d.hosts[v.host] == 0 {
			delete(d.hosts, v.host)
		}
	})
	return v.Conn.Close()
}

// RemoteAddr implements net.Conn.
func (v *visitor) RemoteAddr() net.Addr { return visitorAddr{v.Conn.RemoteAddr(), v} }
