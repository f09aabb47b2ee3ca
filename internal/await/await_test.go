package await

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// listener is a test that is made to fail, and keeps what it said.
type listener struct {
	testing.TB
	said string
}

func (*listener) Helper() {}

func (l *listener) Fatalf(format string, args ...any) {
	l.said = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// fails runs a wait that must not come to pass, and returns what the test says.
func fails(t *testing.T, wait func(testing.TB)) string {
	t.Helper()
	l := &listener{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		wait(l)
		t.Error("the wait ended well")
	}()
	<-done
	return l.said
}

func TestAWaitEndsWithItsEffect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		Until(t, "a second has passed", func() bool { return time.Since(began) > time.Second })
		n := Value(t, "three", func() int { return int(time.Since(began).Seconds()) }, func(n int) bool { return n == 3 })
		if n != 3 {
			t.Errorf("got %d", n)
		}
		Equal(t, "four", 4, func() int { return int(time.Since(began).Seconds()) })
		ch := make(chan string, 1)
		time.AfterFunc(time.Second, func() { ch <- "here" })
		if got := Closed(t, "a word", ch); got != "here" {
			t.Errorf("got %q", got)
		}
		if took := time.Since(began); took > 6*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

func TestAWaitThatFailsSaysWhatItSaw(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		wait func(testing.TB)
		want string
	}{
		{"until", func(t testing.TB) { Until(t, "a miracle", func() bool { return false }) }, "not within 5m0s: a miracle"},
		{"value", func(t testing.TB) {
			Value(t, "a seven", func() int { return 6 }, func(n int) bool { return n == 7 })
		}, "not within 5m0s: a seven; last seen: 6"},
		{"equal", func(t testing.TB) { Equal(t, "paid", "paid", func() string { return "pending" }) }, "not within 5m0s: paid; last seen: pending, want paid"},
		{"closed", func(t testing.TB) { Closed(t, "an end", make(chan int)) }, "not within 5m0s: an end"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				if said := fails(t, c.wait); !strings.HasPrefix(said, c.want) {
					t.Errorf("said %q, want %q", said, c.want)
				}
			})
		})
	}
}
