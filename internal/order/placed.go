package order

import (
	"encoding/binary"
	"fmt"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// The orders of one commit are announced in one row of the outbox. Its payload is a byte that tells it from JSON, and for
// each order its id and fingerprint, big-endian, 8 bytes each.
const (
	placedBatch      = 0x01
	placedEntryBytes = 16
)

// PlacedEntry is an order in the payload of a row that announces several.
type PlacedEntry struct {
	Order       id.Order
	Fingerprint uint64
}

// NewPlacedBatch returns an empty payload with room for n orders.
func NewPlacedBatch(n int) []byte {
	return append(make([]byte, 0, 1+n*placedEntryBytes), placedBatch)
}

// AppendPlaced appends an order to a payload that NewPlacedBatch began.
func AppendPlaced(b []byte, o id.Order, fingerprint uint64) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(o))
	return binary.BigEndian.AppendUint64(b, fingerprint)
}

// IsPlacedBatch reports whether a payload of order.placed.v1 announces the orders of a commit, rather than telling one.
func IsPlacedBatch(payload []byte) bool { return len(payload) > 0 && payload[0] == placedBatch }

// ReadPlacedBatch reads the orders of such a payload, in their order.
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

// Fingerprint hashes the facts of the order's creation and its key, which never change: the audit tells by it that an order
// is the one that was announced. It shows an accident, and keeps nobody out who may write. What it is of a given order must
// never change.
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

// digest is a hash in the making: 8 bytes at a time, because it is made for every order.
type digest uint64

func (h *digest) number(n int64) {
	x := (uint64(*h) ^ uint64(n)) * 0x9e3779b97f4a7c15 // odd, so that no two numbers become one
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
