package id

import (
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
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

// OfRehearsal reports whether a customer is one that a rehearsal was given: its ids come from those that no Mint gives out.
func OfRehearsal(c Customer) bool {
	return int64(c) >= NeverMintedFirst && int64(c) < NeverMintedEnd
}

// Mint makes ids for one node. It is safe for concurrent use and never blocks.
//
// Within a process ids only grow: a clock that steps back, and more than 4,096 ids in a millisecond, borrow from the
// milliseconds to come. After keeps that true over a restart. Two processes with one node number can mint the same id
// twice; so where there are several, each has its number by a lease, and mints nothing once that has run out.
type Mint struct {
	clock clock.Clock
	term  atomic.Pointer[nodeLease]
	last  atomic.Int64 // milliseconds << sequenceBits | sequence
}

// nodeLease is a node's number and until when it is this process's, by its monotonic clock; zero is for ever.
type nodeLease struct {
	node  int64
	until time.Time
}

// FirstAt returns the least number that a Mint gives out at a moment; one at Epoch or before has 0, and one after the last
// millisecond the largest. What was minted at the moment or later is not below it, whatever the clock has done.
func FirstAt(t time.Time) int64 {
	ms := t.Sub(Epoch).Milliseconds()
	switch {
	case ms <= 0:
		return 0
	case ms > math.MaxInt64>>timeShift:
		return math.MaxInt64
	}
	return ms << timeShift
}

// NewMint returns a Mint for the node, 0 to NodeMax.
func NewMint(c clock.Clock, node int) (*Mint, error) {
	if node < 0 || node > NodeMax {
		return nil, fmt.Errorf("node %d is out of range: 0 to %d", node, NodeMax)
	}
	m := &Mint{clock: c}
	m.term.Store(&nodeLease{node: int64(node)})
	return m, nil
}

// NewLeasedMint returns a Mint that mints nothing before Lend.
func NewLeasedMint(c clock.Clock) *Mint {
	m := &Mint{clock: c}
	m.term.Store(&nodeLease{until: time.Unix(0, 0)})
	return m
}

// SetNode lets m mint for the node until the moment, by the monotonic clock that until was made with.
func (m *Mint) SetNode(node int, until time.Time) { m.term.Store(&nodeLease{int64(node), until}) }

// Node returns the node's number.
func (m *Mint) Node() int { return int(m.term.Load().node) }

// Check returns fault.StoreUnavailable where m may not mint at the moment.
func (m *Mint) Check() error {
	if t := m.term.Load(); !t.holds() {
		return errNoNode()
	}
	return nil
}

func (t *nodeLease) holds() bool { return t.until.IsZero() || time.Now().Before(t.until) }

func errNoNode() error {
	return fault.New(fault.StoreUnavailable, "This process has lost its node number for new ids; try again.").After(time.Second)
}

// StartAfter makes every id from now on newer than one that was minted before, by any node: after a restart the clock may be
// behind what the process before it saw.
func (m *Mint) StartAfter(newest int64) {
	floor := newest>>timeShift<<sequenceBits | sequenceMask
	for {
		last := m.last.Load()
		if last >= floor || m.last.CompareAndSwap(last, floor) {
			return
		}
	}
}

// Next returns the next number. Use New to get it as a typed id. Where Check would return an error it panics with that, which
// the edges of the process answer with: no caller could go on without an id.
func (m *Mint) Next() int64 {
	// The time is read before the term is looked at: whatever pauses the process in between, the id is of a moment at which the
	// node was this process's.
	now := m.clock.Now().Sub(Epoch).Milliseconds() << sequenceBits
	t := m.term.Load()
	for {
		last := m.last.Load()
		next := max(last+1, now)
		if !t.holds() {
			panic(errNoNode())
		}
		if m.last.CompareAndSwap(last, next) {
			return next>>sequenceBits<<timeShift | t.node<<sequenceBits | next&sequenceMask
		}
	}
}

// New mints an id of type T: id.New[id.Order](m).
func New[T ~int64](m *Mint) T { return T(m.Next()) }

// MintedAt returns when a minted id was made, to the millisecond, by the clock of the process that made it.
func MintedAt[T ~int64](v T) time.Time {
	return Epoch.Add(time.Duration(int64(v)>>timeShift) * time.Millisecond)
}
