package clock

import (
	"testing"
	"time"
)

// FuzzAppendJSON compares AppendJSON with the library's format.
func FuzzAppendJSON(f *testing.F) {
	for _, ms := range []int64{0, 1795780800007, -1, 1 << 50, -1 << 50} {
		f.Add(ms)
	}
	f.Fuzz(func(t *testing.T, ms int64) {
		at := time.UnixMilli(ms % (1 << 52)).In(time.FixedZone("", 7200))
		if got, want := string(AppendJSON(nil, at)), at.UTC().Format(`"2006-01-02T15:04:05.000Z"`); got != want {
			t.Fatalf("%s, want %s", got, want)
		}
	})
}
