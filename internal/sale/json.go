package sale

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// Levels tells what the gate has left of a pool: false where it does not hold the pool. See inventory.Gate.
type Levels interface {
	Level(p inventory.Pool) (int64, bool)
}

// AppendJSON appends the sale as the world sees it at now: its status by the clock, with what the gate has left. It does not
// allocate beyond b.
func (s *Sale) AppendJSON(b []byte, now time.Time, levels Levels) []byte {
	phase := s.Phase(now)
	b = append(b, `{"id":"`...)
	b = s.ID.Append(b)
	b = append(b, `","title":`...)
	// AppendQuote writes all of it, and reports what it had to replace: of no use to anyone here.
	b, _ = jsontext.AppendQuote(b, s.Title)
	b = append(b, `,"status":"`...)
	b = append(b, phase...)
	b = clock.AppendJSON(append(b, `","starts_at":`...), s.StartsAt)
	b = clock.AppendJSON(append(b, `,"ends_at":`...), s.EndsAt)
	b = strconv.AppendInt(append(b, `,"limit_per_customer":`...), s.Limit, 10)
	b = strconv.AppendInt(append(b, `,"payment_seconds":`...), int64(s.PaymentWindow/time.Second), 10)
	if s.ShowsLeft == Coarse {
		b = append(b, `,"shows_left":"coarse"`...)
	}
	b = append(b, `,"items":[`...)
	for i := range s.Items {
		if i > 0 {
			b = append(b, ',')
		}
		it := &s.Items[i]
		var left int64
		if phase != Draft && phase != Ended {
			left, _ = levels.Level(inventory.Pool{Sale: s.ID, SKU: it.SKU})
		}
		b = it.appendJSON(b, s.Shown(it, left))
	}
	b = strconv.AppendInt(append(b, `],"version":`...), s.Version, 10)
	b = clock.AppendJSON(append(b, `,"server_time":`...), now)
	return append(b, '}')
}

func (it *Item) appendJSON(b []byte, available int64) []byte {
	b = append(b, `{"sku_id":"`...)
	b = it.SKU.Append(b)
	b = append(b, `","product_id":"`...)
	b = it.Product.Append(b)
	b = it.Price.AppendJSON(append(b, `","price":`...))
	b = it.ListPrice.AppendJSON(append(b, `,"list_price":`...))
	b = strconv.AppendInt(append(b, `,"allocation":`...), it.Allocation, 10)
	b = strconv.AppendInt(append(b, `,"available":`...), available, 10)
	return append(b, '}')
}
