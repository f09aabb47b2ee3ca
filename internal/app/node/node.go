// Package node gives a process the number that is part of every id it mints.
package node

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/app/loop"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/lease"
	"github.com/tidegate/tidegate/internal/store"
)

const (
	// Leased is the value of process.node that leaves the number to the shop.
	Leased = -1
	// numberTTL is how long a node's number is kept from others after the process that had it was last heard of. Less clockMargin
	// and renewEvery, it is how long orders are queued while the database stands still: half a minute, and some seconds more.
	numberTTL = 45 * time.Second
	// clockMargin is how much sooner that process stops minting: clocks of machines may differ by that much.
	clockMargin = 5 * time.Second
	// renewEvery lets several renewals be lost before the number is.
	renewEvery = 5 * time.Second
	// triesMax bounds one search for a free number.
	triesMax = 16
)

// errNoneFree is why a process does not begin: all the numbers that it tried are taken.
var errNoneFree = errors.New("no number for ids is free (process.node): more processes than there are numbers, or all were started anew within 45 s; try again")

// Open makes the mint of ids with the number, or with a leased one where that is Leased and several processes share the database. The loops
// keep the lease. It returns an error where no number is free.
func Open(ctx context.Context, s *store.Store, c clock.Clock, number int) (*id.Mint, []loop.Loop, error) {
	if number == Leased && s.Shared() {
		mint := id.NewLeasedMint(c)
		held := newKeeper(s, s.NewestID, mint)
		if _, err := held.step(ctx); err != nil {
			return nil, nil, err
		}
		return mint, []loop.Loop{{Name: "node", Every: renewEvery, RetryMax: time.Second, Step: loop.OnceAndRest(held.step)}}, nil
	}
	mint, err := id.NewMint(c, max(number, 0))
	if err != nil {
		return nil, nil, err
	}
	newest, err := s.NewestID(ctx)
	mint.StartAfter(newest)
	return mint, nil, err
}

// keeper keeps the number under which this process mints ids, by a lease in the database: no two processes have one number
// at a time. A number is not given back: the clock of whoever takes it next may be behind. One loop drives step.
type keeper struct {
	store  lease.Store
	mint   *id.Mint
	newest func(context.Context) (int64, error)
	holder string
	ttl    time.Duration
	margin time.Duration

	held *lease.Lease
	node int
}

func newKeeper(s lease.Store, newest func(context.Context) (int64, error), mint *id.Mint) *keeper {
	return &keeper{store: s, mint: mint, newest: newest, holder: rand.Text(), ttl: numberTTL, margin: clockMargin}
}

// step prolongs the lease, or takes another number where it is lost. Until that has succeeded nothing is minted. It returns 1
// for a number that is new.
func (n *keeper) step(ctx context.Context) (int, error) {
	asked := time.Now()
	if n.held != nil {
		renewed, ok, err := n.store.RenewLease(ctx, *n.held, n.ttl)
		if err != nil {
			return 0, err // the mint ends by itself, in time
		}
		if ok {
			n.held = &renewed
			n.lend(asked)
			return 0, nil
		}
		n.held = nil
	}
	first := mathrand.IntN(id.NodeMax + 1)
	for i := range triesMax {
		node := (first + i) % (id.NodeMax + 1)
		asked = time.Now()
		got, ok, err := n.store.AcquireLease(ctx, "node/"+strconv.Itoa(node), n.holder, n.ttl)
		if err != nil {
			return 0, err
		}
		if !ok {
			continue
		}
		newest, err := n.newest(ctx)
		if err != nil {
			return 0, err
		}
		n.mint.StartAfter(newest)
		n.held, n.node = &got, node
		n.lend(asked)
		return 1, nil
	}
	return 0, errNoneFree
}

// lend counts the end from before the database was asked, so that the mint gives up before the database does.
func (n *keeper) lend(asked time.Time) { n.mint.SetNode(n.node, asked.Add(n.ttl-n.margin)) }
