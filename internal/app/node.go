package app

import (
	"context"
	"crypto/rand"
	"errors"
	mathrand "math/rand/v2"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/lease"
)

const (
	// nodeLeased is the value of process.node that leaves the number to the shop.
	nodeLeased = -1
	// nodeTTL is how long a node's number is kept from others after the process that had it was last heard of. Less nodeMargin
	// and nodeEvery, it is how long orders are queued while the database stands still: half a minute, and some seconds more.
	nodeTTL = 45 * time.Second
	// nodeMargin is how much sooner that process stops minting: clocks of machines may differ by that much.
	nodeMargin = 5 * time.Second
	// nodeEvery lets several renewals be lost before the number is.
	nodeEvery = 5 * time.Second
	// nodeTriesMax bounds one search for a free number.
	nodeTriesMax = 16
)

// errNoNode is why a process does not begin: all the numbers that it tried are taken.
var errNoNode = errors.New("no number for ids is free (process.node): more processes than there are numbers, or all were started anew within 45 s; try again")

// openMint makes the mint of ids: with the configured number, or with a leased one where several processes share the database.
func (a *App) openMint(ctx context.Context) (err error) {
	if a.config.Process.Node == nodeLeased && a.store.Shared() {
		a.mint = id.NewLeasedMint(a.clock)
		a.node = newNodeLease(a.store, a.store.NewestID, a.mint)
		_, err = a.node.step(ctx)
		return err
	}
	if a.mint, err = id.NewMint(a.clock, max(a.config.Process.Node, 0)); err != nil {
		return err
	}
	newest, err := a.store.NewestID(ctx)
	a.mint.After(newest)
	return err
}

// nodeLease keeps the number under which this process mints ids, by a lease in the database: no two processes have one number
// at a time. A number is not given back: the clock of whoever takes it next may be behind. One loop drives step.
type nodeLease struct {
	store  lease.Store
	mint   *id.Mint
	newest func(context.Context) (int64, error)
	holder string
	ttl    time.Duration
	margin time.Duration

	held *lease.Lease
	node int
}

func newNodeLease(s lease.Store, newest func(context.Context) (int64, error), mint *id.Mint) *nodeLease {
	return &nodeLease{store: s, mint: mint, newest: newest, holder: rand.Text(), ttl: nodeTTL, margin: nodeMargin}
}

// step prolongs the lease, or takes another number where it is lost. Until that has succeeded nothing is minted. It returns 1
// for a number that is new.
func (n *nodeLease) step(ctx context.Context) (int, error) {
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
	for i := range nodeTriesMax {
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
		n.mint.After(newest)
		n.held, n.node = &got, node
		n.lend(asked)
		return 1, nil
	}
	return 0, errNoNode
}

// lend counts the end from before the database was asked, so that the mint gives up before the database does.
func (n *nodeLease) lend(asked time.Time) { n.mint.Lend(n.node, asked.Add(n.ttl-n.margin)) }
