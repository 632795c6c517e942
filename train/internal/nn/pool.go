//go:build torch

package nn

import (
	"runtime"
	"sync/atomic"
)

// Pool shares independent tasks among threads. What a task is never depends on how
// many threads there are, so results do not either. One goroutine may use it at a
// time.
type Pool struct {
	Threads int
	job     atomic.Pointer[job] // the newest
	helpers atomic.Int32        // goroutines standing by
}

// job is a number of tasks.
type job struct {
	n          int
	task       func(i int)
	next, done atomic.Int64 // tasks taken (and beyond), tasks finished
}

func (j *job) work() {
	for i := int(j.next.Add(1)) - 1; i < j.n; i = int(j.next.Add(1)) - 1 {
		j.task(i)
		j.done.Add(1)
	}
}

// linger is how often a helper looks for another job before it ends, half a
// millisecond or so. To wake a thread takes 50 microseconds, and an update is a dozen
// jobs of a few hundred with less than that between them.
const linger = 500_000

// help works on one job after the other, starting with j.
func (p *Pool) help(j *job) {
	defer p.helpers.Add(-1)
	j.work()
	for i := 1; i < linger; i++ {
		if newest := p.job.Load(); newest != j {
			j, i = newest, 0
			j.work()
		}
		if i%10_000 == 0 {
			runtime.Gosched()
		}
	}
}

// Run calls task(0) .. task(n-1) and returns when all are done. The caller's thread
// takes part, and takes them all when the others are slow to wake.
func (p *Pool) Run(n int, task func(i int)) {
	if n == 1 || p.Threads == 1 {
		for i := range n {
			task(i)
		}
		return
	}
	j := &job{n: n, task: task}
	p.job.Store(j)
	for int(p.helpers.Load()) < p.Threads-1 {
		p.helpers.Add(1)
		go p.help(j)
	}
	j.work()
	for i := 1; j.done.Load() < int64(n); i++ {
		if i%10_000 == 0 {
			runtime.Gosched()
		}
	}
}

// Split calls task with consecutive ranges of [0, n), size long except for the last.
func (p *Pool) Split(n, size int, task func(part, from, to int)) {
	p.Run(Parts(n, size), func(i int) { task(i, i*size, min(n, (i+1)*size)) })
}

// Parts is the number of ranges that split makes.
func Parts(n, size int) int { return (n + size - 1) / size }
