package cluster

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// Memory of the JVMs in MiB, besides the heap for Flink tasks.
const (
	jobManagerHeap = 448
	frameworkHeap  = 128
	frameworkOff   = 128
	taskOff        = 128 // off-heap memory of the connector's gRPC client
	network        = 64
	managed        = 16  // no operator uses any
	metaspace      = 384 // each job loads classes of 10 MiB, which are unloaded when this is full
	overhead       = 128
)

// settings is Flink's configuration. The settings under taskmanager.network and segment-size
// bound Flink's read-ahead. With more of it, a worker that is relieved stays busy for seconds
// with records that it has been sent before, and a new route shows late. Debloating fills
// buffers only as far as they can be processed within its target, however small records are
// and however many partitioners there are.
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

		// The death of a process is noticed within seconds; a process that is only slow on a busy
		// machine is not given up.
		{"heartbeat.interval", "2000"},
		{"heartbeat.timeout", "30000"},
		{"slot.request.timeout", "30000"},
	} {
		fmt.Fprintf(&b, "%s: %s\n", kv[0], strconv.Quote(kv[1]))
	}
	return b.String()
}

// logging writes Flink's log to standard output, which goes to a file.
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

// taskManagerArgs gives a TaskManager a new ID, so that it is not taken for one that died.
func taskManagerArgs(id string) []string {
	return []string{"org.apache.flink.runtime.taskexecutor.TaskManagerRunner", "-D", "taskmanager.resource-id=" + id}
}
