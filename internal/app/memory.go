package app

import (
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// TuneMemory sets how the collector works, unless GOGC and GOMEMLIMIT in the environment say so already: at a percentage,
// and harder near a limit, so that a crowd of connections slows the shop down before the machine kills it. It is for a
// process that serves, and acts on the whole process.
func TuneMemory(c ProcessConfig) {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(c.GCPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(memoryLimit(c.MemoryLimitMiB, os.ReadFile))
	}
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
