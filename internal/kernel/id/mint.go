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

// Epoch is the start of the 41 bits of milliseconds; they last until 2094.
var Epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// Ids from NeverMintedFirst up to NeverMintedEnd (exclusive) belong to the first twelve days after Epoch, before the
// first shop ran. No Mint returns them, so they can be assigned in blocks to things that must never be mistaken for
// real ones.
const (
	NeverMintedFirst int64 = 1 << 40
	NeverMintedEnd   int64 = 1 << 52
)

// OfRehearsal reports whether a customer belongs to a rehearsal: its id is one that no Mint returns.
func OfRehearsal(c Customer) bool {
	return int64(c) >= NeverMintedFirst && int64(c) < NeverMintedEnd
}

// Mint makes ids for one node. It is safe for concurrent use and never blocks.
//
// Within a process ids only grow. If the clock steps back, or more than 4,096 ids are made in a millisecond, the Mint
// uses milliseconds in advance. StartAfter keeps ids growing over a restart. Two processes with one node number could
// mint the same id. So with several processes each leases its number, and mints nothing after the lease has expired.
type Mint struct {
	clock clock.Clock
	term  atomic.Pointer[nodeLease]
	last  atomic.Int64 // milliseconds << sequenceBits | sequence
}

// nodeLease is a node's number and when its lease expires, by this process's monotonic clock; zero means never.
type nodeLease struct {
	node  int64
	until time.Time
}

// FirstAt returns the smallest number that a Mint returns at a time: 0 at Epoch or before, and the largest number after
// the last millisecond. Every id minted at that time or later is at least that, whatever the clock did.
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

// NewLeasedMint returns a Mint that mints nothing before SetNode.
func NewLeasedMint(c clock.Clock) *Mint {
	m := &Mint{clock: c}
	m.term.Store(&nodeLease{until: time.Unix(0, 0)})
	return m
}

// SetNode lets m mint for the node until that time, by the monotonic clock of until.
func (m *Mint) SetNode(node int, until time.Time) { m.term.Store(&nodeLease{int64(node), until}) }

// Node returns the node's number.
func (m *Mint) Node() int { return int(m.term.Load().node) }

// Check returns fault.StoreUnavailable if m may not mint now.
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

// StartAfter makes every later id larger than newest, which any node may have minted: after a restart the clock may be
// behind that of the previous process.
func (m *Mint) StartAfter(newest int64) {
	floor := newest>>timeShift<<sequenceBits | sequenceMask
	for {
		last := m.last.Load()
		if last >= floor || m.last.CompareAndSwap(last, floor) {
			return
		}
	}
}

// Next returns the next number. Use New for a typed id. If Check returns an error, Next panics with it, because no
// caller can continue without an id. The process's edges turn the panic into an answer.
func (m *Mint) Next() int64 {
	// Read the time before the lease: if the process pauses in between, the id still belongs to a time at which the
	// node was leased.
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

// MintedAt returns when an id was minted, to the millisecond, by the clock of the process that made it.
func MintedAt[T ~int64](v T) time.Time {
	return Epoch.Add(time.Duration(int64(v)>>timeShift) * time.Millisecond)
}
