package sale

import "testing"

func TestShown(t *testing.T) {
	for _, tt := range []struct {
		left, allocation int64
		band             Band
		coarse           int64
	}{
		{100, 100, Plenty, 100}, {51, 100, Plenty, 100}, {50, 100, Fewer, 50}, {11, 100, Fewer, 50}, {10, 100, Last, 10}, {1, 100, Last, 10},
		{0, 100, None, 0}, {-3, 100, None, 0}, {1, 1, Last, 1}, {3, 5, Fewer, 3}, {1, 5, Last, 1}, {120, 100, Plenty, 100},
	} {
		s, it := &Sale{ShowsLeft: Coarse}, &Item{Allocation: tt.allocation}
		if band, n := BandOf(tt.left, tt.allocation), s.Shown(it, tt.left); band != tt.band || n != tt.coarse {
			t.Errorf("%d of %d: %s and %d, want %s and %d", tt.left, tt.allocation, band, n, tt.band, tt.coarse)
		}
		s.ShowsLeft = Exact
		if n := s.Shown(it, tt.left); n != max(tt.left, 0) {
			t.Errorf("%d of %d exactly: %d", tt.left, tt.allocation, n)
		}
	}
}
