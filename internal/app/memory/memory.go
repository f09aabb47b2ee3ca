// Package memory sets how the garbage collector of a serving process works.
package memory

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"strings"
)

// Tune sets how the collector works, unless GOGC and GOMEMLIMIT in the environment say so already: at a percentage, but
// not before gcHeadroomMiB have gathered; and harder near a limit, so that a crowd of connections slows the shop down before
// the machine kills it. It is for a process that serves, and acts on the whole process.
func Tune(gcPercent, limitMiB int) {
	if os.Getenv("GOGC") == "" {
		afterEachCollection(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(limitMiB, os.ReadFile))
	}
}

// gcHeadroomMiB is how much garbage may gather where the percentage of what is alive would be less: a crowd on a shop that
// holds little makes as much garbage as on one that holds a lot, and would have it collected ten times a second.
const gcHeadroomMiB = 64

// afterEachCollection sets the collector's percentage by what has been found alive, now and after every collection. A
// finalizer is how Go tells that there was one.
func afterEachCollection(percent int) {
	alive := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(alive)
	debug.SetGCPercent(percentFor(percent, alive[0].Value.Uint64()))
	type collected struct{ _ *byte } // not too small to be finalized by itself
	runtime.SetFinalizer(new(collected), func(*collected) { afterEachCollection(percent) })
}

// aliveMin is the least that the percentage goes by. Go multiplies its smallest heap, 4 MiB, by the percentage, too: a start that keeps less
// alive would set a percentage at which the first collection comes only after hundreds of MiB. See heapMinimum in runtime/mgcpacer.go.
const aliveMin = 4 << 20

// percentFor returns the percentage at which garbage of gcHeadroomMiB at least may gather beside what is alive, in bytes.
func percentFor(percent int, alive uint64) int {
	return max(percent, int(gcHeadroomMiB<<20*100/max(alive, aliveMin)))
}

// memoryShare is the part of the machine's memory that the heap may have where nothing is said: the rest is for the page
// cache, which the database lives on, and for neighbours.
const memoryShare = 0.5

// memoryLimit returns the limit in bytes: what is configured, or a share of what the machine, or the container, has. On a
// machine that does not tell there is none.
func memoryLimit(mib int, read func(string) ([]byte, error)) int64 {
	if mib > 0 {
		return int64(mib) << 20
	}
	least := int64(math.MaxInt64)
	if b, err := read("/proc/meminfo"); err == nil {
		if kib := field(string(b), "MemTotal:"); kib > 0 {
			least = kib << 10
		}
	}
	// See https://docs.kernel.org/admin-guide/cgroup-v2.html, memory.max: a number of bytes, or "max".
	if b, err := read("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil && n > 0 {
			least = min(least, n)
		}
	}
	if least == math.MaxInt64 {
		return least
	}
	return int64(float64(least) * memoryShare)
}

// field returns the number that follows a name in a text of lines "Name: number unit"; zero where there is none.
func field(text, name string) int64 {
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 1 && words[0] == name {
			n, _ := strconv.ParseInt(words[1], 10, 64)
			return n
		}
	}
	return 0
}
