package id

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
)

const (
	nodeBits     = 10
	sequenceBits = 12
	timeShift    = nodeBits + sequenceBits
	sequenceMask = 1<<sequenceBits - 1

	// NodeMax is the largest node number.
	NodeMax = 1<<nodeBits - 1
)

// Epoch is the moment at which the 41 bits of milliseconds begin; they last until 2094.
var Epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Ids from NeverMintedFirst to before NeverMintedEnd are of the first twelve days after Epoch, which were over before the
// first shop ran: no Mint gives them out, so they can be given out in blocks to what must never be taken for the real
// thing.
const (
	NeverMintedFirst int64 = 1 << 40
	NeverMintedEnd   int64 = 1 << 52
)

// Mint makes ids for one node. It is safe for concurrent use and never blocks.
//
// Within a process ids only grow: a clock that steps back, and more than 4,096 ids in a millisecond, borrow from the
// milliseconds to come. After keeps that true over a restart. Two processes with one node number can mint the same id
// twice; the tables' primary keys are what refuses it.
type Mint struct {
	clock clock.Clock
	node  int64
	last  atomic.Int64 // milliseconds << sequenceBits | sequence
}

// NewMint returns a Mint for the node, 0 to NodeMax.
func NewMint(c clock.Clock, node int) (*Mint, error) {
	if node < 0 || node > NodeMax {
		return nil, fmt.Errorf("node %d is out of range: 0 to %d", node, NodeMax)
	}
	return &Mint{clock: c, node: int64(node)}, nil
}

// After makes every id from now on newer than one that was minted before, by any node: after a restart the clock may be
// behind what the process before it saw.
func (m *Mint) After(newest int64) {
	floor := newest>>timeShift<<sequenceBits | sequenceMask
	for {
		last := m.last.Load()
		if last >= floor || m.last.CompareAndSwap(last, floor) {
			return
		}
	}
}

// Next returns the next number. Use New to get it as a typed id.
func (m *Mint) Next() int64 {
	now := m.clock.Now().Sub(Epoch).Milliseconds() << sequenceBits
	for {
		last := m.last.Load()
		next := max(last+1, now)
		if m.last.CompareAndSwap(last, next) {
			return next>>sequenceBits<<timeShift | m.node<<sequenceBits | next&sequenceMask
		}
	}
}

// New mints an id of type T: id.New[id.Order](m).
func New[T ~int64](m *Mint) T { return T(m.Next()) }
