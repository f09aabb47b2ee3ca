package sale

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// Availability returns the available units of a pool, or false if they are unknown. See inventory.Gate.
type Availability interface {
	Available(p inventory.Pool) (int64, bool)
}

// AppendJSON appends the sale as clients see it at now: the status by the clock, and the units left. Unknown units are
// absent, never zero, and so are those of a draft or an ended sale, which has none to sell. It does not allocate beyond b.
func (s *Sale) AppendJSON(b []byte, now time.Time, levels Availability) []byte {
	phase := s.Phase(now)
	b = append(b, `{"id":"`...)
	b = s.ID.Append(b)
	b = append(b, `","title":`...)
	// AppendQuote always writes the whole string. Its error only reports replaced bytes.
	b, _ = jsontext.AppendQuote(b, s.Title)
	b = append(b, `,"status":"`...)
	b = append(b, phase...)
	b = clock.AppendJSON(append(b, `","starts_at":`...), s.StartsAt)
	b = clock.AppendJSON(append(b, `,"ends_at":`...), s.EndsAt)
	b = strconv.AppendInt(append(b, `,"limit_per_customer":`...), s.Limit, 10)
	b = strconv.AppendInt(append(b, `,"payment_window_seconds":`...), int64(s.PaymentWindow/time.Second), 10)
	if s.ShowsLeft == Coarse {
		b = append(b, `,"stock_display":"coarse"`...)
	}
	if s.Rehearsal {
		b = append(b, `,"rehearsal":true`...)
	}
	b = append(b, `,"items":[`...)
	for i := range s.Items {
		if i > 0 {
			b = append(b, ',')
		}
		it := &s.Items[i]
		left, known := int64(0), false
		if phase != Draft && phase != Ended {
			left, known = s.Left(it, levels)
		}
		b = it.appendJSON(b, left, known)
	}
	b = strconv.AppendInt(append(b, `],"version":`...), s.Version, 10)
	b = clock.AppendJSON(append(b, `,"server_time":`...), now)
	return append(b, '}')
}

func (it *Item) appendJSON(b []byte, available int64, known bool) []byte {
	b = append(b, `{"sku_id":"`...)
	b = it.SKU.Append(b)
	b = append(b, `","product_id":"`...)
	b = it.Product.Append(b)
	b = it.Price.AppendJSON(append(b, `","price":`...))
	b = it.ListPrice.AppendJSON(append(b, `,"list_price":`...))
	b = strconv.AppendInt(append(b, `,"allocation":`...), it.Allocation, 10)
	if known {
		b = strconv.AppendInt(append(b, `,"available":`...), available, 10)
	}
	if it.Stopped {
		b = append(b, `,"stopped":true`...)
	}
	return append(b, '}')
}
