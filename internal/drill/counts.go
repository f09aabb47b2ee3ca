package drill

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// latencyMax is the longest latency told; longer ones count as this.
const latencyMax = time.Minute

// tick is how long one point of the curves covers.
const tick = 250 * time.Millisecond

// Point is one tick of a phase.
type Point struct {
	Seconds  float64 `json:"t"` // at its end, since the phase began
	Answers  int64   `json:"answers"`
	Accepted int64   `json:"accepted"`
	SoldOut  int64   `json:"sold_out"`
	Errors   int64   `json:"errors"`
	P50      float64 `json:"p50_ms"`
	P99      float64 `json:"p99_ms"`
	Left     int64   `json:"left"` // units left, as a shopper sees it; -1 where nobody looked
}

// counts are what a load counts. Written by one loop, read by everyone.
type counts struct {
	sent, answers, accepted, replayed, soldOut, limited, closed, reused, fives, undecided, queued, other, lost, reads atomic.Int64
}

// recorder collects the answers of one loop: all latencies, and one point per tick.
type recorder struct {
	counts counts

	all      *hdrhistogram.Histogram // microseconds; the loop's own
	now      *hdrhistogram.Histogram
	at       time.Duration // the end of the running tick
	before   Point
	mu       sync.Mutex
	points   []Point // guarded by mu
	p99      float64
	firstSet bool
	first    time.Duration
	last     time.Duration
	// lastQueued is when the last new order was queued.
	lastQueued time.Duration
}

func newRecorder() *recorder {
	return &recorder{all: hdrhistogram.New(1, latencyMax.Microseconds(), 3), now: hdrhistogram.New(1, latencyMax.Microseconds(), 2), at: tick}
}

// note takes one answer's latency.
func (t *recorder) note(now, took time.Duration) {
	us := min(max(took.Microseconds(), 1), latencyMax.Microseconds())
	_ = t.all.RecordValue(us) // it is in range
	_ = t.now.RecordValue(us)
	if !t.firstSet {
		t.firstSet, t.first = true, now
	}
	t.last = now
	if now >= t.at {
		t.turn(now)
	}
}

// turn ends the running tick.
func (t *recorder) turn(now time.Duration) {
	c := &t.counts
	sum := Point{Answers: c.answers.Load() + c.reads.Load(), Accepted: c.accepted.Load(), SoldOut: c.soldOut.Load(), Errors: c.fives.Load() + c.lost.Load()}
	p := Point{
		Seconds: t.at.Seconds(), Answers: sum.Answers - t.before.Answers, Accepted: sum.Accepted - t.before.Accepted,
		SoldOut: sum.SoldOut - t.before.SoldOut, Errors: sum.Errors - t.before.Errors, Left: -1,
		P50: float64(t.now.ValueAtQuantile(50)) / 1000, P99: float64(t.now.ValueAtQuantile(99)) / 1000,
	}
	t.before = sum
	t.now.Reset()
	t.mu.Lock()
	t.points = append(t.points, p)
	t.p99 = p.P99
	t.mu.Unlock()
	for t.at += tick; t.at <= now; t.at += tick {
		t.mu.Lock()
		t.points = append(t.points, Point{Seconds: t.at.Seconds(), Left: -1}) // nothing was answered in it
		t.mu.Unlock()
	}
}

// curves returns the points so far.
func (t *recorder) curves() []Point {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]Point(nil), t.points...)
}

func (t *recorder) lastP99() float64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.p99
}

// Latency is the distribution of a phase's latencies, in milliseconds.
type Latency struct {
	P50  float64 `json:"p50_ms"`
	P90  float64 `json:"p90_ms"`
	P99  float64 `json:"p99_ms"`
	P999 float64 `json:"p999_ms"`
	Max  float64 `json:"max_ms"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(q float64) float64 { return float64(h.ValueAtQuantile(q)) / 1000 }
	return Latency{at(50), at(90), at(99), at(99.9), float64(h.Max()) / 1000}
}

// sumPoints adds the curves of concurrent loops. It takes the worst latency of them.
func sumPoints(curves ...[]Point) []Point {
	var sum []Point
	for _, curve := range curves {
		for i, p := range curve {
			if i == len(sum) {
				sum = append(sum, p)
				continue
			}
			s := &sum[i]
			s.Answers += p.Answers
			s.Accepted += p.Accepted
			s.SoldOut += p.SoldOut
			s.Errors += p.Errors
			s.P50, s.P99 = max(s.P50, p.P50), max(s.P99, p.P99)
		}
	}
	return sum
}
