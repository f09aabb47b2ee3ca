//go:build crashpoints

package clock

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// VariableAhead is the environment variable that names a file with a duration, such as -1h: so far ahead is the machine's clock
// in a build that a test may set wrong. The file is read again every jumpEvery: the clock jumps when it changes.
const VariableAhead = "CLOCK_AHEAD_FILE"

const jumpEvery = 5 * time.Millisecond

var ahead atomic.Int64

var follow = sync.OnceFunc(func() {
	file := os.Getenv(VariableAhead)
	if file == "" {
		return
	}
	read := func() {
		text, err := os.ReadFile(file)
		if d, wrong := time.ParseDuration(strings.TrimSpace(string(text))); err == nil && wrong == nil {
			ahead.Store(int64(d)) // a partial write is ignored
		}
	}
	read()
	go func() {
		for range time.Tick(jumpEvery) {
			read()
		}
	}()
})

// VariableConfirm is the environment variable with a duration in the place of confirmAfter.
const VariableConfirm = "CLOCK_CONFIRM_AFTER"

func confirmFor() time.Duration {
	if d, err := time.ParseDuration(os.Getenv(VariableConfirm)); err == nil {
		return d
	}
	return confirmAfter
}

func jumped() time.Duration {
	follow()
	return time.Duration(ahead.Load())
}

// now has no monotonic reading: what is measured by two of them sees the jump, which is harsher than a machine's.
func now() time.Time { return time.Now().Add(jumped()).Round(0) }
