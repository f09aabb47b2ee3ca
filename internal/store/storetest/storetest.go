// Package storetest holds the conformance suites that every database engine must pass, one for each noun.
package storetest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stamp assigns positions to all events, as the shop's loop does. On engines with several writers, events cannot be
// read before that.
func stamp(t testing.TB, s any) {
	t.Helper()
	stamper, ok := s.(interface {
		StampStep(context.Context) (int, error)
	})
	if !ok {
		return
	}
	for {
		n, err := stamper.StampStep(t.Context())
		must(t, err)
		if n == 0 {
			return
		}
	}
}

// must ends the test on an error.
func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// same reports the difference between two values.
func same(t testing.TB, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}
