package machine

import (
	"os"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is USER_HZ, which is 100 on every Linux.
const ticksPerSecond = 100

// ProcessUsage returns what a process has used so far: CPU time, and memory in bytes, now and at most. It is read from /proc
// (proc(5)); ok is false if there is no such file or process.
func ProcessUsage(pid int) (cpu time.Duration, rss, rssMax int64, ok bool) {
	folder := "/proc/" + strconv.Itoa(pid)
	status, err := os.ReadFile(folder + "/status")
	if err != nil {
		return 0, 0, 0, false
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch name {
		case "VmHWM":
			rssMax = kib << 10
		case "VmRSS":
			rss = kib << 10
		}
	}
	stat, err := os.ReadFile(folder + "/stat")
	if err != nil {
		return 0, 0, 0, false
	}
	// The second field is a name in parentheses, which may hold spaces; utime and stime are 12 and 13 behind it.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, 0, 0, false
	}
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * time.Second / ticksPerSecond, rss, rssMax, true
}
