package night

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// Meter counts what the shop answers, order by order and batch by batch, for whoever watches the night. It is told of both in the
// way of an order, so it only adds. Safe for concurrent use.
type Meter struct {
	created, soldOut, refused, failed atomic.Int64
	batches, batched, commitMicros    atomic.Int64
	took                              histogram
}

// Order tells of an answer to an order: its outcome, as the metrics name it, and how long it took.
func (m *Meter) Order(outcome string, took time.Duration) {
	switch outcome {
	case "created", "replayed", "queued":
		m.created.Add(1)
	case "sold_out":
		m.soldOut.Add(1)
	case "overloaded", "store_unavailable", "store_full", "timed_out", "internal", "undecided", "outcome_unknown":
		m.failed.Add(1)
	default:
		m.refused.Add(1)
	}
	m.took.add(took)
}

// Batch tells of a commit.
func (m *Meter) Batch(orders int, took time.Duration) {
	m.batches.Add(1)
	m.batched.Add(int64(orders))
	m.commitMicros.Add(took.Microseconds())
}

// reading is what a meter stood at.
type reading struct {
	at                                time.Time
	created, soldOut, refused, failed int64
	batches, batched, commitMicros    int64
	took                              [buckets]int64
}

func (m *Meter) read(at time.Time) reading {
	r := reading{
		at: at, created: m.created.Load(), soldOut: m.soldOut.Load(), refused: m.refused.Load(), failed: m.failed.Load(),
		batches: m.batches.Load(), batched: m.batched.Load(), commitMicros: m.commitMicros.Load(),
	}
	for i := range r.took {
		r.took[i] = m.took[i].Load()
	}
	return r
}

// Rates is what happened in a second.
type Rates struct {
	Created float64 `json:"created"` // orders, repeated ones included
	SoldOut float64 `json:"sold_out"`
	Refused float64 `json:"refused"` // limit reached, not open, and the like
	Failed  float64 `json:"failed"`  // ours to worry about
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Batch   float64 `json:"batch_orders"` // a commit has, on average
	Commit  float64 `json:"commit_ms"`    // a commit takes, on average
}

// since returns what happened between two readings.
func (r reading) since(before reading) Rates {
	seconds := r.at.Sub(before.at).Seconds()
	if seconds <= 0 {
		return Rates{}
	}
	rate := func(now, then int64) float64 { return float64(now-then) / seconds }
	out := Rates{
		Created: rate(r.created, before.created), SoldOut: rate(r.soldOut, before.soldOut), Refused: rate(r.refused, before.refused),
		Failed: rate(r.failed, before.failed),
	}
	if n := r.batches - before.batches; n > 0 {
		out.Batch = float64(r.batched-before.batched) / float64(n)
		out.Commit = float64(r.commitMicros-before.commitMicros) / float64(n) / 1000
	}
	var took [buckets]int64
	for i := range took {
		took[i] = r.took[i] - before.took[i]
	}
	out.P50, out.P99 = quantile(took, 0.50), quantile(took, 0.99)
	return out
}

// buckets of a histogram: eight for each doubling of a microsecond, so that a quantile is told within an eighth, up to two minutes.
const (
	perDoubling = 8
	buckets     = 27 * perDoubling
)

type histogram [buckets]atomic.Int64

func (h *histogram) add(d time.Duration) { h[bucketOf(d)].Add(1) }

func bucketOf(d time.Duration) int {
	n := uint64(max(d.Microseconds(), 1))
	top := bits.Len64(n) - 1
	within := 0
	if top >= 3 {
		within = int(n>>(top-3)) & (perDoubling - 1)
	} else {
		within = int(n<<(3-top)) & (perDoubling - 1)
	}
	return min(top*perDoubling+within, buckets-1)
}

// quantile returns the upper end of the bucket that holds the quantile, in milliseconds; 0 where nothing was counted.
func quantile(counts [buckets]int64, q float64) float64 {
	total := int64(0)
	for _, n := range counts {
		total += n
	}
	rank := int64(q*float64(total) + 0.999999)
	for i, n := range counts {
		if rank -= n; rank <= 0 && total > 0 {
			base := float64(uint64(1) << (i / perDoubling))
			return base * (1 + float64(i%perDoubling+1)/perDoubling) / 1000
		}
	}
	return 0
}
