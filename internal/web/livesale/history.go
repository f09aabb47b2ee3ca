package livesale

import "encoding/json"

// historyPoints bounds the points of a history: half an hour in seconds. A longer sale is kept in coarser points.
const historyPoints = 1800

// point is what the plots show of one span of a sale.
type point struct {
	at                   int64 // Unix milliseconds, at its end
	sold, reserved, left int64
	rates                Rates
	seconds              int
}

func pointOf(e *event) point {
	return point{at: e.At, sold: e.Sold, reserved: e.Reserved, left: e.Left, rates: e.Rates, seconds: 1}
}

// MarshalJSON implements json.Marshaler: an array, which the page's script reads by position.
func (p point) MarshalJSON() ([]byte, error) {
	r := &p.rates
	return json.Marshal([...]float64{
		float64(p.at), float64(p.sold), float64(p.reserved), float64(p.left), r.Created, r.SoldOut, r.Failed, r.P50, r.P99, r.Batch, r.Commit,
	})
}

// with returns the point of two spans in a row: stock as it was at the end, rates on average, and the longest latencies.
func (p point) with(next point) point {
	a, b := float64(p.seconds), float64(next.seconds)
	mean := func(x, y float64) float64 { return (x*a + y*b) / (a + b) }
	before, r := p.rates, &next.rates
	r.Created, r.SoldOut = mean(before.Created, r.Created), mean(before.SoldOut, r.SoldOut)
	r.Refused, r.Failed = mean(before.Refused, r.Refused), mean(before.Failed, r.Failed)
	r.P50, r.P99 = max(before.P50, r.P50), max(before.P99, r.P99)
	r.Batch, r.Commit = max(before.Batch, r.Batch), max(before.Commit, r.Commit)
	next.seconds += p.seconds
	return next
}

// history is a whole sale in at most historyPoints points. When it is full, each two points become one, and the points to come span twice
// as long.
type history struct {
	points []point
	span   int // seconds of a complete point
}

func (h *history) add(p point) {
	h.span = max(h.span, 1)
	if n := len(h.points); n > 0 && h.points[n-1].seconds < h.span {
		h.points[n-1] = h.points[n-1].with(p)
		return
	}
	if len(h.points) == historyPoints {
		for i := range historyPoints / 2 {
			h.points[i] = h.points[2*i].with(h.points[2*i+1])
		}
		h.points = h.points[:historyPoints/2]
		h.span *= 2
	}
	h.points = append(h.points, p)
}
