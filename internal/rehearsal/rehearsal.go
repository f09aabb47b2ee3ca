// Package rehearsal makes the sales that an operator rehearses the night with: products, stock and a scheduled sale like
// any other, bought by customers that nobody else is, and told apart from the shop's own in every list. It does not own
// the load (the drill does), and it deletes nothing: the ledger forgets no movement.
package rehearsal

import (
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/kernel/text"
	"github.com/tidegate/tidegate/internal/order"
)

// Limits of a rehearsal.
const (
	SKUsMax     = 2000 // the items of a sale
	UnitsMax    = 10_000_000
	PriceMax    = 1_000_000_000
	ShoppersMax = 1_000_000
	MinutesMax  = 24 * 60
	TitleMax    = 200 // characters
	// TokensMax bounds one minting of tokens: some tens of milliseconds of signing, 3 MB of answer.
	TokensMax = 10_000
	// OrdersPageMax bounds what one read of orders holds in memory.
	OrdersPageMax = 1000
)

// Defaults of what a request may leave out.
const (
	PriceDefault   = 2500
	MinutesDefault = 60
	PaymentDefault = 15 * time.Minute
)

// Rehearsal is one rehearsal. Its sale's id names it.
type Rehearsal struct {
	Sale     id.Sale
	Title    string // its own among rehearsals
	SKUs     int
	Units    int64 // of each SKU
	Price    money.Amount
	Limit    int64
	Payment  time.Duration
	StartsAt time.Time
	EndsAt   time.Time
	Shoppers int
	// First is the first of the block of customers.
	First     id.Customer
	CreatedAt time.Time
}

// Created is a rehearsal with what was made for it.
type Created struct {
	Rehearsal
	Products []id.Product
	Items    []id.SKU
}

// Input asks for a rehearsal. What is zero takes its default.
type Input struct {
	Title      string
	SKUs       int
	Units      int64
	PriceMinor int64
	Limit      int64
	Payment    time.Duration
	StartsAt   time.Time
	Minutes    int
	Shoppers   int
}

// complete fills in the defaults.
func (in *Input) complete(now time.Time) {
	if in.PriceMinor == 0 {
		in.PriceMinor = PriceDefault
	}
	if in.Payment == 0 {
		in.Payment = PaymentDefault
	}
	if in.StartsAt.IsZero() {
		in.StartsAt = now
	}
	if in.Minutes == 0 {
		in.Minutes = MinutesDefault
	}
}

// check returns a fault.Invalid that names the field. The sale's own rules check the rest.
func (in *Input) check() (err error) {
	for _, w := range []struct {
		field         string
		is, low, high int64
	}{
		{"skus", int64(in.SKUs), 1, SKUsMax},
		{"quantity", in.Units, 1, UnitsMax},
		{"price_minor", in.PriceMinor, 1, PriceMax},
		{"duration_minutes", int64(in.Minutes), 1, MinutesMax},
		{"shoppers", int64(in.Shoppers), 1, ShoppersMax},
	} {
		if w.is < w.low || w.is > w.high {
			return fault.Bad(w.field, "It must be from %d to %d.", w.low, w.high)
		}
	}
	in.Title, err = text.Clean("title", in.Title, text.Name, 0, TitleMax)
	return err
}

// KeyedOrder is an order and the key it was made with.
type KeyedOrder struct {
	Order order.Order
	Key   string
}

// tokenGrace is how long a shopper's token outlives the sale.
const tokenGrace = time.Hour

// lifetime is how long a token minted now is good: until the sale is over and accounts are settled, within most.
func (r *Rehearsal) lifetime(now time.Time, most time.Duration) time.Duration {
	return min(max(r.EndsAt.Sub(now), 0)+tokenGrace, most)
}
