package order

import (
	"encoding/binary"
	"fmt"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// One outbox row announces all orders of a commit. Its payload starts with a byte that cannot start JSON. Each order
// follows with its id and its fingerprint, 8 bytes each, big-endian.
const (
	placedBatch      = 0x01
	placedEntryBytes = 16
)

// PlacedEntry is one order in the payload of a batch row.
type PlacedEntry struct {
	Order       id.Order
	Fingerprint uint64
}

// NewPlacedBatch returns an empty payload with capacity for n orders.
func NewPlacedBatch(n int) []byte {
	return append(make([]byte, 0, 1+n*placedEntryBytes), placedBatch)
}

// AppendPlaced appends an order to a payload made by NewPlacedBatch.
func AppendPlaced(b []byte, o id.Order, fingerprint uint64) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(o))
	return binary.BigEndian.AppendUint64(b, fingerprint)
}

// IsPlacedBatch reports whether a payload of order.placed.v1 announces a batch, not a single order.
func IsPlacedBatch(payload []byte) bool { return len(payload) > 0 && payload[0] == placedBatch }

// ReadPlacedBatch returns the orders of a batch payload, in its order.
func ReadPlacedBatch(payload []byte) ([]PlacedEntry, error) {
	if !IsPlacedBatch(payload) || (len(payload)-1)%placedEntryBytes != 0 {
		return nil, fmt.Errorf("%d bytes are no list of orders", len(payload))
	}
	all := make([]PlacedEntry, 0, len(payload)/placedEntryBytes)
	for b := payload[1:]; len(b) > 0; b = b[placedEntryBytes:] {
		all = append(all, PlacedEntry{id.Order(binary.BigEndian.Uint64(b)), binary.BigEndian.Uint64(b[8:])})
	}
	return all, nil
}

// Fingerprint hashes the facts of the order's creation and its key, none of which ever changes. The audit compares it
// with the announced one to detect accidental changes; it is no protection against an attacker who can write. Its value
// for a given order must never change.
func (o *Order) Fingerprint(key string) uint64 {
	var h digest
	h.number(int64(o.ID))
	h.number(int64(o.Sale))
	h.number(int64(o.Customer))
	h.text(key)
	h.number(int64(len(o.Lines)))
	for _, l := range o.Lines {
		h.number(int64(l.SKU))
		h.number(l.Units)
		h.number(l.UnitPrice)
	}
	h.number(o.Units)
	h.number(o.Total.Minor)
	h.text(string(o.Total.Currency))
	h.number(o.CreatedAt.UnixMilli())
	h.number(o.ExpiresAt.UnixMilli())
	return uint64(h)
}

// digest is a running hash. It takes 8 bytes at a time for speed, because every order is hashed.
type digest uint64

func (h *digest) number(n int64) {
	x := (uint64(*h) ^ uint64(n)) * 0x9e3779b97f4a7c15 // an odd factor maps no two numbers to one
	*h = digest(x ^ x>>32)
}

func (h *digest) text(s string) {
	h.number(int64(len(s)))
	for ; len(s) >= 8; s = s[8:] {
		h.number(int64(binary.LittleEndian.Uint64([]byte(s[:8]))))
	}
	var rest [8]byte
	copy(rest[:], s)
	h.number(int64(binary.LittleEndian.Uint64(rest[:])))
}
