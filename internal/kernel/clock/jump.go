//go:build crashpoints

package clock

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// VariableAhead is the environment variable with the path of a file. The file holds a duration, such as -1h, by which
// the machine's clock is ahead in this test build. It is read again every jumpEvery, and the clock jumps when it
// changes.
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

// VariableConfirm is the environment variable with a duration that replaces confirmAfter.
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

// now returns the time without a monotonic reading. A difference of two such times includes a jump, which is harsher
// than a real machine.
func now() time.Time { return time.Now().Add(jumped()).Round(0) }
