// Package await waits in tests for what must come to pass. A test waits for the effect that it means, never for a time that
// should be enough: every wait has the same generous bound, which only a shop that hangs meets, however busy the machine is.
package await

import (
	"fmt"
	"reflect"
	"testing"
	"time"
)

// Max bounds every wait of a test. It is no claim about speed: ten times what a wait takes on a machine whose processors are
// all busy with something else.
const Max = 5 * time.Minute

// The pause between two looks begins short, for what is nearly there, and grows, so that a wait does not keep the processor
// from what it waits for.
const (
	pauseMin = time.Millisecond
	pauseMax = 25 * time.Millisecond
)

// Until waits until holds returns true. Otherwise it ends the test, and says what it waited for. saw, where given, says what was
// there instead.
func Until(t testing.TB, what string, holds func() bool, saw ...func() any) {
	t.Helper()
	deadline := time.Now().Add(Max)
	for pause := pauseMin; !holds(); pause = min(2*pause, pauseMax) {
		if time.Now().After(deadline) {
			last := ""
			for _, one := range saw {
				last += fmt.Sprintf("; last seen: %+v", one())
			}
			t.Fatalf("not within %v: %s%s", Max, what, last)
		}
		time.Sleep(pause)
	}
}

// Value reads until it gets what is wanted, and returns it. Otherwise it ends the test, and says what it waited for and what
// it read last.
func Value[T any](t testing.TB, what string, read func() T, wanted func(T) bool) T {
	t.Helper()
	var last T
	Until(t, what, func() bool { last = read(); return wanted(last) }, func() any { return last })
	return last
}

// Equal reads until it gets want. Otherwise it ends the test, and says what it waited for and what it read last.
func Equal[T any](t testing.TB, what string, want T, read func() T) {
	t.Helper()
	var last T
	Until(t, what, func() bool { last = read(); return reflect.DeepEqual(last, want) }, func() any {
		return fmt.Sprintf("%+v, want %+v", last, want)
	})
}

// Closed waits until a channel is closed, or has a value, and returns the value.
func Closed[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-time.After(Max):
		t.Fatalf("not within %v: %s", Max, what)
		panic("unreachable")
	}
}
