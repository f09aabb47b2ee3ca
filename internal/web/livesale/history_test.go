package livesale

import (
	"encoding/json"
	"testing"
)

// TestHistory checks that a history holds the whole sale, however long it was, in a bounded number of points.
func TestHistory(t *testing.T) {
	for _, seconds := range []int{1, historyPoints, historyPoints + 1, 2*historyPoints + 1, 10 * historyPoints} {
		var h history
		for i := range seconds {
			h.add(pointOf(&event{At: int64(i), Sold: int64(i), Rates: Rates{Created: 10, P99: float64(i % 100)}}))
		}
		if n := len(h.points); n > historyPoints || n < min(seconds, historyPoints/2) {
			t.Errorf("%d seconds in %d points", seconds, n)
		}
		total, before := 0, int64(-1)
		for _, p := range h.points {
			total += p.seconds
			if p.at <= before || p.sold != p.at || p.rates.Created != 10 {
				t.Fatalf("%d seconds: the point after %d is %+v", seconds, before, p)
			}
			before = p.at
		}
		if total != seconds || before != int64(seconds-1) {
			t.Errorf("%d seconds: the points span %d and end at %d", seconds, total, before)
		}
	}
}

// TestHistoryKeepsTheWorst checks that a slow second stays visible when points are merged.
func TestHistoryKeepsTheWorst(t *testing.T) {
	var h history
	for i := range 4 * historyPoints {
		p99 := 1.0
		if i == 777 {
			p99 = 900
		}
		h.add(pointOf(&event{At: int64(i), Rates: Rates{P99: p99}}))
	}
	worst := 0.0
	for _, p := range h.points {
		worst = max(worst, p.rates.P99)
	}
	if worst != 900 {
		t.Errorf("the worst latency is %g", worst)
	}
}

func TestPointAsJSON(t *testing.T) {
	got, err := json.Marshal(pointOf(&event{At: 1_764_590_400_000, Sold: 2, Reserved: 3, Left: 4, Rates: Rates{5, 6, 99, 7, 8, 9, 10, 11}}))
	if want := "[1764590400000,2,3,4,5,6,7,8,9,10,11]"; err != nil || string(got) != want {
		t.Errorf("got %s, %v, want %s", got, err, want)
	}
}
