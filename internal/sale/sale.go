// Package sale owns sales: items, prices, limits and times. Orders belong to package order, and the stock that a sale
// allocates to inventory.
package sale

import (
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Status is the state of a sale.
type Status string

// The statuses of a sale.
const (
	Draft     Status = "draft"
	Scheduled Status = "scheduled" // its allocation has left general stock
	Live      Status = "live"
	Paused    Status = "paused" // live, but takes no orders
	Ended     Status = "ended"  // its remaining units are back in general stock
)

// edges are the legal changes of status.
var edges = map[Status][]Status{
	Draft:     {Scheduled},
	Scheduled: {Live, Ended},
	Live:      {Paused, Ended},
	Paused:    {Live, Ended},
}

// CanBecome reports whether a sale may change from s to next.
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
	TitleRunesMax   = 200
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
	Allocation int64 // units taken from general stock for the sale
	Stopped    bool  // no longer sold: released units go back to general stock
}

// Sale is one sale. A value that was returned is never modified.
type Sale struct {
	ID            id.Sale
	Title         string
	Status        Status
	StartsAt      time.Time
	EndsAt        time.Time
	Limit         int64         // units per customer over the whole sale; 0: no limit
	PaymentWindow time.Duration // how long an unpaid order is held
	ShowsLeft     Shows         // precision of the shown stock; empty means Exact
	Items         []Item        // sorted by SKU
	Rehearsal     bool          // made for a rehearsal: found by id, in no list
	Version       int64         // version of the terms: grows when price, limit, window or times change, but not with the status
	CreatedAt     time.Time
	UpdatedAt     time.Time
}

// Phase returns the status by the clock: a scheduled sale is live from StartsAt, and every opened sale has ended at
// EndsAt, even if its row is not updated yet. So the opening waits for no timer.
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

// Due returns the status that the row should have by the clock. It returns false if the row is up to date.
func (s *Sale) Due(now time.Time) (Status, bool) {
	phase := s.Phase(now)
	return phase, phase != s.Status
}

// Refusal returns the reason why the sale takes no order at now, or nil.
func (s *Sale) Refusal(now time.Time) *fault.Error {
	switch s.Phase(now) {
	case Live:
		return nil
	case Paused:
		return fault.New(fault.SalePaused, "The sale is paused; try again soon.").After(2 * time.Second)
	case Ended:
		if now.Before(s.EndsAt) { // an administrator has ended it early
			return fault.New(fault.SaleEnded, "The sale has ended.")
		}
		return fault.New(fault.SaleEnded, "The sale ended at %s.", s.EndsAt.Format(time.RFC3339))
	case Draft:
		return missing(s.ID) // drafts are not visible to shoppers
	}
	e := fault.New(fault.SaleNotOpen, "The sale opens at %s.", s.StartsAt.Format(time.RFC3339))
	if wait := s.StartsAt.Sub(now); wait > 0 && s.Status == Scheduled {
		return e.After(wait)
	}
	return e
}

// Item returns the item of a SKU, or nil.
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

// itemField returns the JSON path of a field of item i, as it was sent.
func itemField(i int, name string) string { return "items[" + strconv.Itoa(i) + "]." + name }

// Check normalises the title and validates every field at time now. It returns fault.Invalid with the field.
func (s *Sale) Check(now time.Time, currency money.Currency) (err error) {
	if s.Title, err = text.Clean("title", s.Title, text.Line, 1, TitleRunesMax); err != nil {
		return err
	}
	switch {
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
		return fault.Bad("payment_window_seconds", "must be %d to %d", int(PaymentMin.Seconds()), int(PaymentMax.Seconds()))
	case s.ShowsLeft != "" && s.ShowsLeft != Exact && s.ShowsLeft != Coarse:
		return fault.Bad("stock_display", "must be exact or coarse")
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
		case it.Price.Minor < 0 || it.Price.Minor > catalog.PriceMinorMax:
			return fault.Bad(itemField(i, "price.minor"), "must be 0 to %d", int64(catalog.PriceMinorMax))
		case it.Allocation < 1 || it.Allocation > AllocationMax:
			return fault.Bad(itemField(i, "allocation"), "must be 1 to %d units", int64(AllocationMax))
		}
		seen[it.SKU] = true
	}
	return nil
}
