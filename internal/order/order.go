// Package order owns orders: it places, commits, reads and closes them. Stock belongs to package inventory, terms to
// sale, and payments to payment.
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

// Status is the state of an order.
type Status string

// The statuses of an order. Queued, Undecided and Refused describe orders without a row in the orders table.
const (
	Pending   Status = "pending" // committed; stock is held until payment
	Paid      Status = "paid"
	Fulfilled Status = "fulfilled"
	Expired   Status = "expired"
	Cancelled Status = "cancelled"
	Refunded  Status = "refunded"

	Queued    Status = "queued"    // durable in the queue, not committed yet
	Undecided Status = "undecided" // outcome of the commit not known yet
	Refused   Status = "refused"   // was queued, then refused: see Refusal
)

// edges lists the legal changes of status (invariant I9). Expired to paid is a late payment that was accepted.
var edges = map[Status][]Status{
	Pending:   {Paid, Expired, Cancelled},
	Expired:   {Paid},
	Paid:      {Fulfilled, Refunded},
	Fulfilled: {Refunded},
}

// CanBecome reports whether an order may change from s to next.
func (s Status) CanBecome(next Status) bool { return slices.Contains(edges[s], next) }

// Statuses returns every status that a row of the orders table can have.
func Statuses() []Status { return []Status{Pending, Paid, Fulfilled, Expired, Cancelled, Refunded} }

// Limits of an order.
const (
	LinesMax = 50
	UnitsMax = 1000 // units of one line
	KeyMax   = 255  // bytes
)

// Line is a SKU, its quantity, and its unit price when the order was placed.
type Line struct {
	SKU       id.SKU
	Units     int64
	UnitPrice int64 // minor units of the order's currency
}

// Order is an accepted order.
type Order struct {
	ID        id.Order
	Sale      id.Sale // zero: from general stock at list price
	Customer  id.Customer
	Status    Status
	Lines     []Line // sorted by SKU, one line for each SKU
	Units     int64
	Total     money.Amount
	CreatedAt time.Time
	ExpiresAt time.Time
	PaidAt    time.Time
	ClosedAt  time.Time // when it expired, was cancelled or was refunded
}

// OfRehearsal reports whether the order belongs to a rehearsal. The customer's id says so: customers made for
// rehearsals order only in rehearsals, and other customers never do.
func (o Order) OfRehearsal() bool { return id.OfRehearsal(o.Customer) }

// AsCreated returns the order as its creation was answered. A replay repeats that answer and does not show today's
// status.
func (o Order) AsCreated() Order {
	o.Status = Pending
	o.PaidAt, o.ClosedAt = time.Time{}, time.Time{}
	return o
}

// Request is a shopper's request for an order.
type Request struct {
	Customer id.Customer
	Sale     id.Sale // zero: general stock at list price
	Key      string
	Lines    []inventory.Line
	// Refusal, unless nil, is the reason for which admission rejected the request. A key that already has an order
	// still gets that order.
	Refusal error
	// Asked is when the request arrived, by this process's clock. The answer is due Config.AnswerWithin later. Zero
	// means now.
	Asked time.Time

	asked  []inventory.Line // the lines as sent; Lines holds them merged
	probes bool             // asks for several units in a sale that hides its exact stock
	fence  int64            // see inventory.Claim.Fence
}

// field returns the JSON field of a SKU in the shopper's own lines, whose order differs from Lines.
func (r *Request) field(sku id.SKU, name string) string {
	i := slices.IndexFunc(r.asked, func(l inventory.Line) bool { return l.SKU == sku })
	return lineField(max(i, 0), name)
}

// Check returns a fault that names the invalid field, or nil.
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
			return fault.Bad(lineField(i, "quantity"), "must be 1 to %d, not %d", UnitsMax, l.Units)
		}
	}
	return nil
}

// CheckKey checks an idempotency key: 1 to KeyMax bytes of visible ASCII, which every engine and proxy compares byte by
// byte. It returns fault.MissingKey or fault.BadRequest.
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

// merge returns the lines sorted by SKU, one for each SKU, so that two lines of one SKU are checked against stock
// together. It does not change the caller's slice.
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

// bodyDigest hashes the sale and the merged lines. It distinguishes two requests that use the same key.
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
