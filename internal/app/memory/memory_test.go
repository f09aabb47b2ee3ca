package memory

import (
	"io/fs"
	"math"
	"testing"
)

func TestGCPercent(t *testing.T) {
	for _, c := range []struct {
		percent int
		alive   uint64
		want    int
	}{
		{50, 0, 1600},
		{50, 1 << 20, 1600},
		{50, 4 << 20, 1600},
		{50, 16 << 20, 400},
		{50, 64 << 20, 100},
		{50, 128 << 20, 50},
		{50, 1 << 30, 50},
		{200, 64 << 20, 200},
	} {
		if got := percentFor(c.percent, c.alive); got != c.want {
			t.Errorf("%d percent of %d bytes: %d, want %d", c.percent, c.alive, got, c.want)
		}
	}
}

func TestMemoryLimit(t *testing.T) {
	const meminfo, cgroup = "/proc/meminfo", "/sys/fs/cgroup/memory.max"
	for _, c := range []struct {
		name  string
		mib   int
		files map[string]string
		want  int64
	}{
		{"configured", 256, map[string]string{meminfo: "MemTotal: 1024 kB\n"}, 256 << 20},
		{"half of the machine", 0, map[string]string{meminfo: "MemFree: 1 kB\nMemTotal:  2097152 kB\n"}, 1 << 30},
		{"half of the container", 0, map[string]string{meminfo: "MemTotal: 2097152 kB\n", cgroup: "1073741824\n"}, 512 << 20},
		{"a container without a limit", 0, map[string]string{meminfo: "MemTotal: 2097152 kB\n", cgroup: "max\n"}, 1 << 30},
		{"a machine that does not tell", 0, nil, math.MaxInt64},
		{"a file that says nothing", 0, map[string]string{meminfo: "?", cgroup: "-1"}, math.MaxInt64},
	} {
		got := memoryLimit(c.mib, func(name string) ([]byte, error) {
			if text, ok := c.files[name]; ok {
				return []byte(text), nil
			}
			return nil, fs.ErrNotExist
		})
		if got != c.want {
			t.Errorf("%s: %d, want %d", c.name, got, c.want)
		}
	}
}
