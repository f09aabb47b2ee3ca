// Package queue is an intake that puts a log between an order's reservation and its commit. An order is accepted when
// its intent is in the log, and settled when a worker has committed or refused it. A message broker holds the log,
// behind an interface of two methods.
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

// MessageType is the type and format version of messages that carry intents.
const MessageType = "order.intents.v1"

// appendIntent encodes a draft. It writes what was decided at acceptance and omits what can be computed again. Numbers
// are varints; texts follow their length.
func appendIntent(b []byte, d *order.Draft) []byte {
	o, c := &d.Order, &d.Claim
	switch {
	case c.Epoch != 0:
		b = binary.AppendUvarint(binary.AppendUvarint(append(b, withFence, withEpoch), uint64(c.Fence)), uint64(c.Epoch))
	case c.Fence != 0:
		b = binary.AppendUvarint(append(b, withFence), uint64(c.Fence))
	}
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

// withFence precedes an intent that names the newest refusal of a key; withEpoch follows it if the intent also names an
// epoch of the shared gate. Both are zero, which is neither an order's id, with which other intents begin, nor the
// number of a refusal.
const withFence, withEpoch = 0, 0

func appendText(b []byte, s string) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

// ErrMalformed says that a message does not hold intents in a format that this binary knows.
var ErrMalformed = errors.New("the message does not hold intents that this version can read")

// textBytesMax bounds a text of an intent. A key is the longest text.
const textBytesMax = order.KeyMax

// decodeIntents decodes a message. It returns ErrMalformed for a truncated message or an invalid order.
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

// reader decodes the fields of an intent. After the first error it returns zeros.
type reader struct {
	b      []byte
	failed bool
}

func (r *reader) intent() *order.Draft {
	d := new(order.Draft)
	o, c := &d.Order, &d.Claim
	first, fence, epoch := r.number(), int64(0), int64(0)
	if first == withFence && !r.failed {
		if fence = r.number(); fence == withEpoch {
			fence, epoch = r.number(), r.number()
			r.failed = r.failed || epoch == 0
		}
		first = r.number()
	}
	o.ID, o.Sale, o.Customer = id.Order(first), id.Sale(r.number()), id.Customer(r.number())
	d.SaleVersion = r.number()
	o.CreatedAt, o.ExpiresAt = time.UnixMilli(r.number()).UTC(), time.UnixMilli(r.number()).UTC()
	o.Total.Minor = r.number()
	o.Total.Currency = money.Currency(r.text())
	o.Status = order.Pending
	*c = inventory.Claim{Order: o.ID, Sale: o.Sale, Customer: o.Customer, Key: r.text(), Queued: true, Fence: fence, Epoch: epoch}
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

// number decodes a number of 63 bits.
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
