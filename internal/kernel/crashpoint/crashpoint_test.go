package crashpoint

import (
	"slices"
	"testing"
)

// TestPoints: each point is in the list once, and every point that may fail is in it.
func TestPoints(t *testing.T) {
	all := Points()
	for i, p := range all {
		if slices.Contains(all[i+1:], p) {
			t.Errorf("%s is there twice", p)
		}
	}
	for _, p := range MayFail() {
		if !slices.Contains(all, p) {
			t.Errorf("%s may fail and is no point", p)
		}
	}
}
