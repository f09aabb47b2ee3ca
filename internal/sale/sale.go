// Package sale owns sales: what is offered at what price to whom and when. It does not own orders, nor the stock that a
// sale allocates (inventory does).
package sale

import (
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Status is where a sale stands.
type Status string

// The statuses of a sale.
const (
	Draft     Status = "draft"
	Scheduled Status = "scheduled" // its allocation has left general stock
	Live      Status = "live"
	Paused    Status = "paused" // live, and takes no orders
	Ended     Status = "ended"  // what was left has gone back
)

// edges are the legal changes of status.
var edges = map[Status][]Status{
	Draft:     {Scheduled},
	Scheduled: {Live, Ended},
	Live:      {Paused, Ended},
	Paused:    {Live, Ended},
}

// CanBecome reports whether a sale may go from s to next.
func (s Status) CanBecome(next Status) bool {
	for _, to := range edges[s] {
		if to == next {
			return true
		}
	}
	return false
}

// Limits of a sale.
const (
	ItemsMax        = 2000
	TitleMax        = 200 // bytes
	LimitMax        = 1_000_000
	PaymentMin      = 10 * time.Second
	PaymentMax      = 7 * 24 * time.Hour
	DurationMax     = 366 * 24 * time.Hour
	AllocationMax   = 1_000_000_000
	StartsInDaysMax = 5 * 366
)

// Item is a SKU of a sale.
type Item struct {
	SKU        id.SKU
	Product    id.Product
	Price      money.Amount
	ListPrice  money.Amount
	Allocation int64 // units taken out of general stock for the sale
}

// Sale is one sale. A value that was handed out is never changed.
type Sale struct {
	ID            id.Sale
	Title         string
	Status        Status
	StartsAt      time.Time
	EndsAt        time.Time
	Limit         int64         // units per customer for the life of the sale; 0: none
	PaymentWindow time.Duration // how long an order is held unpaid
	ShowsLeft     Shows         // how exactly shoppers are told what is left; empty is Exact
	Items         []Item        // sorted by SKU
	Rehearsal     bool          // made for a rehearsal: found by id, in no list
	Version       int64         // of the terms: it grows when price, limit, window or times change, not with the status
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Phase is the status by the clock: a scheduled sale is live from StartsAt, and anything that was opened has ended at
// EndsAt, whether or not the row says so yet. Opening therefore waits for no timer.
func (s *Sale) Phase(now time.Time) Status {
	if s.Status == Draft || s.Status == Ended {
		return s.Status
	}
	if !now.Before(s.EndsAt) {
		return Ended
	}
	if s.Status == Scheduled && !now.Before(s.StartsAt) {
		return Live
	}
	return s.Status
}

// Due returns the status that the clock asks for and the row does not have yet; false where there is none.
func (s *Sale) Due(now time.Time) (Status, bool) {
	phase := s.Phase(now)
	return phase, phase != s.Status
}

// Refusal is why the sale takes no order at now: nil where it does.
func (s *Sale) Refusal(now time.Time) *fault.Error {
	switch s.Phase(now) {
	case Live:
		return nil
	case Paused:
		return fault.New(fault.SalePaused, "The sale is paused; try again soon.").After(2 * time.Second)
	case Ended:
		if now.Before(s.EndsAt) { // an operator has ended it
			return fault.New(fault.SaleEnded, "The sale has ended.")
		}
		return fault.New(fault.SaleEnded, "The sale ended at %s.", s.EndsAt.Format(time.RFC3339))
	case Draft:
		return missing(s.ID) // it is nobody's business yet
	}
	e := fault.New(fault.SaleNotOpen, "The sale opens at %s.", s.StartsAt.Format(time.RFC3339))
	if wait := s.StartsAt.Sub(now); wait > 0 && s.Status == Scheduled {
		return e.After(wait)
	}
	return e
}

// Item returns the item of a SKU: nil where the sale does not have it.
func (s *Sale) Item(sku id.SKU) *Item {
	lo, hi := 0, len(s.Items)
	for lo < hi {
		mid := (lo + hi) / 2
		if s.Items[mid].SKU < sku {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	if lo < len(s.Items) && s.Items[lo].SKU == sku {
		return &s.Items[lo]
	}
	return nil
}

// itemField is the path of a field of item i, as it was sent.
func itemField(i int, name string) string { return "items[" + strconv.Itoa(i) + "]." + name }

// Check returns a fault.Invalid that names the field, or nil. now is when it is asked for.
func (s *Sale) Check(now time.Time, currency money.Currency) error {
	switch {
	case strings.TrimSpace(s.Title) == "" || len(s.Title) > TitleMax:
		return fault.Bad("title", "must be 1 to %d bytes, not blank", TitleMax)
	case s.StartsAt.IsZero():
		return fault.Bad("starts_at", "say when the sale opens")
	case s.StartsAt.After(now.AddDate(0, 0, StartsInDaysMax)):
		return fault.Bad("starts_at", "must be within %d days", StartsInDaysMax)
	case !s.EndsAt.After(s.StartsAt):
		return fault.Bad("ends_at", "must be after starts_at")
	case !s.EndsAt.After(now):
		return fault.Bad("ends_at", "must be in the future")
	case s.EndsAt.Sub(s.StartsAt) > DurationMax:
		return fault.Bad("ends_at", "must be at most 366 days after starts_at")
	case s.Limit < 0 || s.Limit > LimitMax:
		return fault.Bad("limit_per_customer", "must be 0 (no limit) to %d", LimitMax)
	case s.PaymentWindow < PaymentMin || s.PaymentWindow > PaymentMax:
		return fault.Bad("payment_seconds", "must be %d to %d", int(PaymentMin.Seconds()), int(PaymentMax.Seconds()))
	case s.ShowsLeft != "" && s.ShowsLeft != Exact && s.ShowsLeft != Coarse:
		return fault.Bad("shows_left", "must be exact or coarse")
	case len(s.Items) < 1 || len(s.Items) > ItemsMax:
		return fault.Bad("items", "must be 1 to %d items", ItemsMax)
	}
	seen := make(map[id.SKU]bool, len(s.Items))
	for i, it := range s.Items {
		switch {
		case seen[it.SKU]:
			return fault.Bad(itemField(i, "sku_id"), "SKU %s is there twice", it.SKU)
		case it.Price.Currency != currency:
			return fault.Bad(itemField(i, "price.currency"), "must be %s, the shop's currency", currency)
		case it.Price.Minor < 0 || it.Price.Minor > money.MinorMax:
			return fault.Bad(itemField(i, "price.minor"), "must be 0 to %d", int64(money.MinorMax))
		case it.Allocation < 1 || it.Allocation > AllocationMax:
			return fault.Bad(itemField(i, "allocation"), "must be 1 to %d units", int64(AllocationMax))
		}
		seen[it.SKU] = true
	}
	return nil
}
