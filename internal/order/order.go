// Package order owns orders: how one is placed, committed, read and closed. It does not own stock (inventory), terms
// (sale) or money that moved (payment).
package order

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Status is where an order stands.
type Status string

// The statuses of an order. Queued, Undecided and Refused belong to orders without a row among the orders.
const (
	Pending   Status = "pending" // committed, its units are held, awaiting payment
	Paid      Status = "paid"
	Fulfilled Status = "fulfilled"
	Expired   Status = "expired"
	Cancelled Status = "cancelled"
	Refunded  Status = "refunded"

	Queued    Status = "queued"    // its intent is kept, and its commit is still to come
	Undecided Status = "undecided" // its commit is not known yet
	Refused   Status = "refused"   // it was queued, and could not be had in the end: see Refusal
)

// edges are the legal changes of status (invariant I9). Expired to paid is a late payment that was honoured.
var edges = map[Status][]Status{
	Pending:   {Paid, Expired, Cancelled},
	Expired:   {Paid},
	Paid:      {Fulfilled, Refunded},
	Fulfilled: {Refunded},
}

// CanBecome reports whether an order may go from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(edges[s], next) }

// Statuses returns every status that a row can have.
func Statuses() []Status { return []Status{Pending, Paid, Fulfilled, Expired, Cancelled, Refunded} }

// Limits of an order.
const (
	LinesMax = 50
	UnitsMax = 1000 // a line
	KeyMax   = 255  // bytes
)

// Line is a SKU, how many units of it, and the price that was the shop's at that moment.
type Line struct {
	SKU       id.SKU
	Units     int64
	UnitPrice int64 // minor units of the order's currency
}

// Order is an accepted order.
type Order struct {
	ID        id.Order
	Sale      id.Sale // zero: from general stock, at list price
	Customer  id.Customer
	Status    Status
	Lines     []Line // sorted by SKU, each SKU once
	Units     int64
	Total     money.Amount
	CreatedAt time.Time
	ExpiresAt time.Time
	PaidAt    time.Time
	ClosedAt  time.Time // expired, cancelled or refunded
}

// AsCreated returns the order as the answer to its creation told it: a replay repeats the facts of creation, not today's
// status.
func (o Order) AsCreated() Order {
	o.Status = Pending
	o.PaidAt, o.ClosedAt = time.Time{}, time.Time{}
	return o
}

// Request is what a shopper asks for.
type Request struct {
	Customer id.Customer
	Sale     id.Sale // zero: general stock at list price
	Key      string
	Lines    []inventory.Line
	// Asked is when Place was asked, by the process's own clock, where somebody has looked already: the answer is due
	// Config.AnswerWithin later. Zero is now.
	Asked time.Time

	asked []inventory.Line // the lines as the shopper sent them, once Lines are merged
}

// field names the shopper's own line of a SKU: Lines are in another order.
func (r *Request) field(sku id.SKU, name string) string {
	i := slices.IndexFunc(r.asked, func(l inventory.Line) bool { return l.SKU == sku })
	return lineField(max(i, 0), name)
}

// Check returns a fault that names the field, or nil.
func (r *Request) Check() error {
	if err := CheckKey(r.Key); err != nil {
		return err
	}
	if len(r.Lines) < 1 || len(r.Lines) > LinesMax {
		return fault.Bad("lines", "must be 1 to %d lines", LinesMax)
	}
	for i, l := range r.Lines {
		if l.SKU <= 0 {
			return fault.Bad(lineField(i, "sku_id"), "is required")
		}
		if l.Units < 1 || l.Units > UnitsMax {
			return fault.Bad(lineField(i, "units"), "must be 1 to %d, not %d", UnitsMax, l.Units)
		}
	}
	return nil
}

// CheckKey checks an idempotency key: 1 to KeyMax bytes of visible ASCII, so that every engine and proxy compares it by
// the same bytes. It returns fault.MissingKey or fault.BadRequest.
func CheckKey(key string) error {
	if key == "" {
		return fault.New(fault.MissingKey, "Send an Idempotency-Key header, such as a UUID, and the same one when you repeat the request.").In("Idempotency-Key")
	}
	if len(key) > KeyMax || strings.ContainsFunc(key, func(r rune) bool { return r < 0x21 || r > 0x7e }) {
		return fault.New(fault.BadRequest, "Must be 1 to %d characters of visible ASCII.", KeyMax).In("Idempotency-Key")
	}
	return nil
}

func lineField(i int, name string) string {
	return "lines[" + strconv.Itoa(i) + "]." + name
}

// merge returns the lines sorted by SKU with each SKU once, so that two lines of one SKU are checked against the stock
// together. The caller's slice is not changed.
func merge(lines []inventory.Line) []inventory.Line {
	if len(lines) < 2 {
		return lines
	}
	sorted := slices.Clone(lines)
	slices.SortFunc(sorted, func(a, b inventory.Line) int { return cmp.Compare(a.SKU, b.SKU) })
	out := sorted[:1]
	for _, l := range sorted[1:] {
		if last := &out[len(out)-1]; last.SKU == l.SKU {
			last.Units += l.Units
			continue
		}
		out = append(out, l)
	}
	return out
}

// bodyDigest tells one request from another under the same key: the sale and the merged lines.
func bodyDigest(sale id.Sale, lines []inventory.Line) inventory.Digest {
	b := make([]byte, 0, 128)
	b = binary.BigEndian.AppendUint64(b, uint64(sale))
	for _, l := range lines {
		b = binary.BigEndian.AppendUint64(b, uint64(l.SKU))
		b = binary.BigEndian.AppendUint64(b, uint64(l.Units))
	}
	sum := sha256.Sum256(b)
	return inventory.Digest(sum[:16])
}
