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
			ahead.Store(int64(d)) // half a write is none
		}
	}
	read()
	go func() {
		for range time.Tick(jumpEvery) {
			read()
		}
	}()
})

// now has no monotonic reading: what is measured by two of them sees the jump, which is harsher than a machine's.
func now() time.Time {
	follow()
	return time.Now().Add(time.Duration(ahead.Load())).Round(0)
}
