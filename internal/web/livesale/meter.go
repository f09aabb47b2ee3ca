package livesale

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// RateMeter counts answers to orders and commits of batches, for the page of a live sale. Order and Batch run on the path of every
// order, so they only add to counters. Safe for concurrent use.
type RateMeter struct {
	created, soldOut, refused, failed atomic.Int64
	batches, batched, commitMicros    atomic.Int64
	took                              histogram
}

// RateMeters counts the shop's orders and those of rehearsals separately, so that the page of a live sale shows one kind only.
type RateMeters struct{ shop, rehearsal RateMeter }

// Of returns the meter of real orders, or of rehearsal orders.
func (m *RateMeters) Of(rehearsal bool) *RateMeter {
	if rehearsal {
		return &m.rehearsal
	}
	return &m.shop
}

// Batch counts a commit in both meters: a batch may hold orders of both kinds.
func (m *RateMeters) Batch(orders int, took time.Duration) {
	m.shop.Batch(orders, took)
	m.rehearsal.Batch(orders, took)
}

// Order counts one answer: its outcome, as the metrics name it, and how long it took. Latencies are those of new orders alone: a refusal or
// a replay is answered from memory.
func (m *RateMeter) Order(outcome string, took time.Duration) {
	switch outcome {
	case "created", "queued":
		m.created.Add(1)
		m.took.add(took)
	case "replayed":
		m.created.Add(1)
	case "sold_out", "fewer_left":
		m.soldOut.Add(1)
	case "overloaded", "store_unavailable", "store_full", "timed_out", "internal", "undecided", "outcome_unknown":
		m.failed.Add(1)
	default:
		m.refused.Add(1)
	}
}

// Batch counts one commit: how many orders it held and how long it took.
func (m *RateMeter) Batch(orders int, took time.Duration) {
	m.batches.Add(1)
	m.batched.Add(int64(orders))
	m.commitMicros.Add(took.Microseconds())
}

// reading holds the values of a meter at one moment.
type reading struct {
	at                                time.Time
	created, soldOut, refused, failed int64
	batches, batched, commitMicros    int64
	took                              [buckets]int64
}

func (m *RateMeter) read(at time.Time) reading {
	r := reading{
		at: at, created: m.created.Load(), soldOut: m.soldOut.Load(), refused: m.refused.Load(), failed: m.failed.Load(),
		batches: m.batches.Load(), batched: m.batched.Load(), commitMicros: m.commitMicros.Load(),
	}
	for i := range r.took {
		r.took[i] = m.took[i].Load()
	}
	return r
}

// Rates holds the rates and latencies between two readings.
type Rates struct {
	Created float64 `json:"created"` // orders per second, replays included
	SoldOut float64 `json:"sold_out"`
	Refused float64 `json:"refused"` // limit reached, not open, and the like
	Failed  float64 `json:"failed"`  // faults of the shop
	P50     float64 `json:"p50_ms"`  // of new orders
	P99     float64 `json:"p99_ms"`
	Batch   float64 `json:"batch_orders"` // mean number of orders in a commit
	Commit  float64 `json:"commit_ms"`    // mean duration of a commit
}

// since returns the rates between an earlier reading and this one.
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

// A histogram has eight buckets for each doubling from one microsecond to two minutes: a quantile is exact within an eighth.
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

// quantile returns the upper end of the quantile's bucket, in milliseconds, or 0 without any count.
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
