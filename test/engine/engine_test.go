package engine

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// told records what a test would have been told.
type told struct {
	testing.TB
	skipped, failed string
}

func (r *told) Helper() {}
func (r *told) Skipf(format string, args ...any) {
	r.skipped = fmt.Sprintf(format, args...)
	runtime.Goexit()
}
func (r *told) Fatalf(format string, args ...any) {
	r.failed = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func told1(f func(t testing.TB)) *told {
	r, done := &told{}, make(chan struct{})
	go func() {
		defer close(done)
		f(r)
	}()
	<-done
	return r
}

func TestAMissingEngine(t *testing.T) {
	nobody := FreeAddress(t)
	for _, c := range []struct {
		name, wants string
		ask         func(t testing.TB)
	}{
		{"service", "no Redis answers at " + nobody, func(t testing.TB) { Service(t, "Redis", "TIDEGATE_TEST_NONE", nobody) }},
		{"program", "apt-get install none", func(t testing.TB) { Binary(t, "tidegate-no-such-program", "none") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("CI", "")
			if r := told1(c.ask); !strings.Contains(r.skipped, c.wants) || r.failed != "" {
				t.Errorf("on a bare machine: skipped %q, failed %q", r.skipped, r.failed)
			}
			t.Setenv("CI", "true")
			if r := told1(c.ask); !strings.Contains(r.failed, c.wants) || r.skipped != "" {
				t.Errorf("in CI: skipped %q, failed %q", r.skipped, r.failed)
			}
		})
	}
}
