package livesale

import (
	"math"
	"testing"
	"time"
)

func TestRates(t *testing.T) {
	m := &RateMeter{}
	at := time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	before := m.read(at)
	for i := range 100 {
		m.Order("created", time.Duration(i+1)*time.Millisecond)
	}
	for i := range 1000 { // answered from memory: they say nothing of how long an order takes
		m.Order([]string{"sold_out", "limit_reached", "internal", "replayed"}[i%4], 50*time.Microsecond)
	}
	m.Batch(30, 2*time.Millisecond)
	m.Batch(10, 4*time.Millisecond)
	got := m.read(at.Add(2 * time.Second)).since(before)
	want := Rates{Created: 175, SoldOut: 125, Refused: 125, Failed: 125, P50: 48, P99: 98, Batch: 20, Commit: 3}
	near := func(a, b float64) bool { return math.Abs(a-b) <= b/8 }
	if got.Created != want.Created || got.SoldOut != want.SoldOut || got.Refused != want.Refused || got.Failed != want.Failed ||
		got.Batch != want.Batch || got.Commit != want.Commit || !near(got.P50, want.P50) || !near(got.P99, want.P99) {
		t.Errorf("%+v, want about %+v", got, want)
	}
	if quiet := m.read(at.Add(3 * time.Second)).since(m.read(at.Add(2 * time.Second))); quiet != (Rates{}) {
		t.Errorf("a second in which nothing happened: %+v", quiet)
	}
}

func TestQuantileIsNear(t *testing.T) {
	for d := time.Microsecond; d < time.Minute; d = d*5/4 + 1 {
		var h histogram
		h.add(d)
		var counts [buckets]int64
		for i := range counts {
			counts[i] = h[i].Load()
		}
		exact := max(float64(d.Microseconds()), 1) / 1000
		if got := quantile(counts, 0.99); got < exact || got > exact*1.26 {
			t.Errorf("%v is told as %g ms", d, got)
		}
	}
}
