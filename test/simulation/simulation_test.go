package simulation

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/tidegate/tidegate/test/share"
)

// In `go test` so many seeds run; stepsMax decisions each.
const (
	seedsInCI = 1000
	stepsMax  = 250
)

// play runs a seed to its end.
func play(t *testing.T, seed uint64) (w *world) {
	synctest.Test(t, func(*testing.T) {
		w = newWorld(seed)
		for step := range stepsMax {
			w.act()
			if step%25 == 0 {
				w.wrong = append(w.wrong, w.store.Check(w.limits)...)
			}
			if len(w.wrong) > 0 {
				break
			}
		}
		if len(w.wrong) == 0 {
			w.check()
		}
		w.process.die()
	})
	return w
}

// TestSeeds runs seed after seed. A failure names its seed, which replays it: TORTURE_SEED=n TORTURE_COUNT=1.
func TestSeeds(t *testing.T) {
	first, count := share.Seed(t, 1), share.Count(t, seedsInCI)
	for i := range count {
		w := play(t, first+uint64(i))
		if len(w.wrong) > 0 {
			const lines = 80
			from := max(0, len(w.trace)-lines)
			t.Fatalf("seed %d breaks:\n%s\nthe last of its %d steps:\n%s", first+uint64(i), strings.Join(w.wrong, "\n"), len(w.trace), strings.Join(w.trace[from:], "\n"))
		}
		if (i+1)%1000 == 0 {
			share.Progress("seeds", i+1)
		}
	}
}

// TestASeedReplays: the same seed takes the same steps.
func TestASeedReplays(t *testing.T) {
	for seed := range uint64(20) {
		first, second := play(t, seed), play(t, seed)
		if first.hash() != second.hash() {
			at := 0
			for at < min(len(first.trace), len(second.trace)) && first.trace[at] == second.trace[at] {
				at++
			}
			t.Fatalf("seed %d takes another way at step %d:\n%s", seed, at, fmt.Sprint(first.trace[max(0, at-3):at+1], second.trace[max(0, at-3):at+1]))
		}
	}
}
