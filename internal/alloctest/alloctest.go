// Package alloctest bounds what hot paths allocate. Times are noise on a busy machine; allocations are exact, so a test can hold them.
package alloctest

import (
	"math"
	"testing"
)

// AtMost fails the test if a run allocates more than most times on average. It takes the least of three series, because loops of the
// same process may allocate meanwhile. The test must not be parallel. Under the race detector, which allocates too, it is skipped.
func AtMost(t *testing.T, most float64, run func()) {
	t.Helper()
	if race {
		t.Skip("the race detector allocates: run the test without -race")
	}
	const series, runs = 3, 100
	least := math.Inf(1)
	for range series {
		least = min(least, testing.AllocsPerRun(runs, run))
	}
	if least > most {
		t.Errorf("a run allocates %.0f times, at most %.0f are wanted", least, most)
	}
}
