package httpapi

import (
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// FuzzCursor: a cursor that is taken is one that was given out.
func FuzzCursor(f *testing.F) {
	for _, seed := range []string{"", "i-1", "i-zzzzzzzzzzzzz", "i--1", "i-01", "I-1", "i-1 ", "n-1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, cursor string) {
		last, err := afterCursor[id.Order](cursor)
		if err == nil && cursor != "" && (last <= 0 || cursorOf(last) != cursor) {
			t.Errorf("%q is taken for order %s", cursor, last)
		}
	})
}
