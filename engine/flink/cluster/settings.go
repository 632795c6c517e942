package cluster

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory of the JVMs in MiB, besides the heap for tasks.
const (
	jobManagerHeap = 448
	frameworkHeap  = 128
	frameworkOff   = 128
	taskOff        = 128 // what the connector's gRPC client has off the heap
	network        = 64
	managed        = 16  // no operator uses any
	metaspace      = 384 // each job brings classes of 10, which are let go when this is full
	overhead       = 128
)

// settings is Flink's configuration. What is bounded under taskmanager.network and
// segment-size is Flink's read-ahead: with more of it, a worker that is relieved stays
// busy with what it has been sent for seconds, and a change of route shows that late.
// Debloating fills buffers only so far that they are worked off within its target, however
// small records are, or how many partitioners there are that each have buffers.
func (c *Cluster) settings(s *state, port, rpc int) string {
	mib := func(n int) string { return strconv.Itoa(n) + "m" }
	folder := func(name string) string { return "file://" + filepath.ToSlash(c.path(name)) }
	var b strings.Builder
	for _, kv := range [][2]string{
		{"rest.address", "127.0.0.1"},
		{"rest.bind-address", "127.0.0.1"},
		{"rest.port", strconv.Itoa(port)},
		{"jobmanager.rpc.address", "127.0.0.1"},
		{"jobmanager.bind-host", "127.0.0.1"},
		{"jobmanager.rpc.port", strconv.Itoa(rpc)},
		{"taskmanager.host", "127.0.0.1"},
		{"taskmanager.bind-host", "127.0.0.1"},
		{"web.upload.dir", c.path("tmp")},
		{"io.tmp.dirs", c.path("tmp")},
		{"execution.checkpointing.dir", folder("checkpoints")},
		{"execution.checkpointing.savepoint-dir", folder("savepoints")},

		{"taskmanager.numberOfTaskSlots", strconv.Itoa(s.TaskSlots)},
		{"taskmanager.load-balance.mode", "SLOTS"},
		{"taskmanager.cpu.cores", strconv.Itoa(s.TaskSlots)},
		{"taskmanager.memory.framework.heap.size", mib(frameworkHeap)},
		{"taskmanager.memory.framework.off-heap.size", mib(frameworkOff)},
		{"taskmanager.memory.task.heap.size", mib(s.Heap)},
		{"taskmanager.memory.task.off-heap.size", mib(taskOff)},
		{"taskmanager.memory.managed.size", mib(managed)},
		{"taskmanager.memory.network.min", mib(network)},
		{"taskmanager.memory.network.max", mib(network)},
		{"taskmanager.memory.jvm-metaspace.size", mib(metaspace)},
		{"taskmanager.memory.jvm-overhead.min", mib(overhead)},
		{"taskmanager.memory.jvm-overhead.max", mib(overhead)},

		{"taskmanager.memory.segment-size", "4kb"},
		{"taskmanager.network.memory.buffers-per-channel", "2"},
		{"taskmanager.network.memory.floating-buffers-per-gate", "4"},
		{"taskmanager.network.memory.max-buffers-per-channel", "4"},
		{"taskmanager.network.memory.buffer-debloat.enabled", "true"},
		{"taskmanager.network.memory.buffer-debloat.target", "400 ms"},
		{"taskmanager.network.memory.buffer-debloat.period", "100 ms"},
		{"taskmanager.network.memory.buffer-debloat.samples", "4"},

		// A process that was killed is noticed within seconds, and one that was only slow
		// on a busy machine is not given up.
		{"heartbeat.interval", "2000"},
		{"heartbeat.timeout", "30000"},
		{"slot.request.timeout", "30000"},
	} {
		fmt.Fprintf(&b, "%s: %s\n", kv[0], strconv.Quote(kv[1]))
	}
	return b.String()
}

// logging sends what Flink says to standard output, which goes to a file.
const logging = `rootLogger.level = INFO
rootLogger.appenderRef.out.ref = out
appender.out.name = out
appender.out.type = CONSOLE
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd HH:mm:ss,SSS} %-5p %c{1} - %m%n
logger.pekko.name = org.apache.pekko
logger.pekko.level = WARN
`

func jobManagerJVM() []string {
	return []string{fmt.Sprintf("-Xmx%dm", jobManagerHeap), fmt.Sprintf("-XX:MaxMetaspaceSize=%dm", metaspace)}
}

func jobManagerArgs(string) []string {
	return []string{"org.apache.flink.runtime.entrypoint.StandaloneSessionClusterEntrypoint"}
}

func taskManagerJVM(heap int) []string {
	return []string{
		fmt.Sprintf("-Xmx%dm", frameworkHeap+heap),
		fmt.Sprintf("-XX:MaxDirectMemorySize=%dm", frameworkOff+taskOff+network),
		fmt.Sprintf("-XX:MaxMetaspaceSize=%dm", metaspace),
	}
}

// taskManagerArgs gives a TaskManager an ID that no other has had, so that one that died
// is not taken for the one in its place.
func taskManagerArgs(id string) []string {
	return []string{"org.apache.flink.runtime.taskexecutor.TaskManagerRunner", "-D", "taskmanager.resource-id=" + id}
}
