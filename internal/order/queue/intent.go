// Package queue is the intake that puts a log between an order's reservation and its commit: an order is accepted when its
// intent is in the log, and settled when a worker has committed or refused it. The log is a broker's; this package sees it
// as two methods.
package queue

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
)

// MessageType names the message that carries intents, and the version of their form.
const MessageType = "order.intents.v1"

// appendIntent appends a draft as it travels: what was decided when it was accepted, and nothing that can be worked out
// again. Every number is a varint, every text has its length before it.
func appendIntent(b []byte, d *order.Draft) []byte {
	o, c := &d.Order, &d.Claim
	for _, n := range []int64{int64(o.ID), int64(o.Sale), int64(o.Customer), d.SaleVersion, o.CreatedAt.UnixMilli(), o.ExpiresAt.UnixMilli(), o.Total.Minor} {
		b = binary.AppendUvarint(b, uint64(n))
	}
	b = appendText(b, string(o.Total.Currency))
	b = appendText(b, c.Key)
	b = append(b, c.Body[:]...)
	b = binary.AppendUvarint(b, uint64(len(o.Lines)))
	for _, l := range o.Lines {
		b = binary.AppendUvarint(b, uint64(l.SKU))
		b = binary.AppendUvarint(b, uint64(l.Units))
		b = binary.AppendUvarint(b, uint64(l.UnitPrice))
	}
	return b
}

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// ErrMalformed says that a message cannot be read as intents: it is not ours, or of a version that this binary does not know.
var ErrMalformed = errors.New("the message does not hold intents that this version can read")

// textBytesMax bounds a text of an intent: a key is the longest.
const textBytesMax = order.KeyMax

// decodeIntents reads a message. It returns ErrMalformed for one that is not whole, or holds an order that could not be.
func decodeIntents(b []byte) ([]*order.Draft, error) {
	r := reader{b: b}
	var drafts []*order.Draft
	for len(r.b) > 0 {
		d := r.intent()
		if r.failed {
			return nil, fmt.Errorf("%w: intent %d, at byte %d of %d", ErrMalformed, len(drafts), len(b)-len(r.b), len(b))
		}
		drafts = append(drafts, d)
	}
	return drafts, nil
}

// reader reads an intent's parts. Once something could not be read it reads zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) intent() *order.Draft {
	d := new(order.Draft)
	o, c := &d.Order, &d.Claim
	o.ID, o.Sale, o.Customer = id.Order(r.number()), id.Sale(r.number()), id.Customer(r.number())
	d.SaleVersion = r.number()
	o.CreatedAt, o.ExpiresAt = time.UnixMilli(r.number()).UTC(), time.UnixMilli(r.number()).UTC()
	o.Total.Minor = r.number()
	o.Total.Currency = money.Currency(r.text())
	o.Status = order.Pending
	*c = inventory.Claim{Order: o.ID, Sale: o.Sale, Customer: o.Customer, Key: r.text(), Queued: true}
	copy(c.Body[:], r.bytes(len(c.Body)))
	lines := r.number()
	if lines < 1 || lines > order.LinesMax || o.ID <= 0 || o.Customer <= 0 || c.Key == "" {
		r.failed = true
		return d
	}
	o.Lines, c.Lines = make([]order.Line, lines), make([]inventory.Line, lines)
	for i := range o.Lines {
		l := &o.Lines[i]
		l.SKU, l.Units, l.UnitPrice = id.SKU(r.number()), r.number(), r.number()
		r.failed = r.failed || l.SKU <= 0 || l.Units < 1 || l.Units > order.UnitsMax
		c.Lines[i] = inventory.Line{SKU: l.SKU, Units: l.Units}
		o.Units += l.Units
	}
	return d
}

// number reads a number of 63 bits.
func (r *reader) number() int64 {
	n, size := binary.Uvarint(r.b)
	if size <= 0 || n > 1<<63-1 {
		r.failed = true
		return 0
	}
	r.b = r.b[size:]
	return int64(n)
}

func (r *reader) text() string {
	n := r.number()
	if n > textBytesMax {
		r.failed = true
		return ""
	}
	return string(r.bytes(int(n)))
}

func (r *reader) bytes(n int) []byte {
	if r.failed || n > len(r.b) {
		r.failed = true
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}
