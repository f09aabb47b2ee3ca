// Package gate is the gate that several processes share, in Redis: inventory.Gate in a script for each step.
//
// Redis may be lost, and everything in it. So the gate has an epoch, which the database counts; see Step for how it is
// rebuilt and Front for how orders go on meanwhile.
package gate

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/lease"
)

var _ inventory.Gate = (*Gate)(nil)

// Gate is the gate over Redis. What it is asked while it holds no epoch, it answers with not_loaded. It is safe for
// concurrent use.
type Gate struct {
	client  rueidis.Client
	tracked Tracking
	store   Store
	log     *slog.Logger
	config  Config
	prefix  string
	holder  string
	cluster bool
	drained func(context.Context) bool // nil: there is no queue
	refuse  func(context.Context, []inventory.Lost) ([]id.Order, error)

	term atomic.Pointer[term]
	// rebuildAfter is the epoch that is not to be trusted again, because this process has seen it fail.
	rebuildAfter atomic.Int64
	// resumed is the term that the follower knows of, and followed the position that it has brought it to: see Resume.
	resumed  atomic.Pointer[term]
	followed atomic.Int64
	// clockAhead is how far the database's clock is ahead of this process's, in nanoseconds.
	clockAhead atomic.Int64
	// mirror holds the levels of the sales, as Step last saw them.
	mirror atomic.Pointer[map[inventory.Pool]int64]
	keeper *lease.Keeper // see KeepStep
	wake   chan struct{}
	// committed holds what this process has committed and not yet confirmed.
	committed committed
}

// New returns a gate that holds no epoch yet: see Step.
func New(p Parts) *Gate {
	return &Gate{
		client: p.Client, tracked: p.Tracking, store: p.Store, log: p.Log, config: p.Config, prefix: p.Prefix, holder: p.Holder, cluster: p.Cluster, drained: p.Drained, refuse: p.Refuse,
		wake: make(chan struct{}, 1), keeper: lease.NewKeeper(p.Store, keepLease, p.Holder, keepTTL),
	}
}

// Wake is signalled when Step has something to look at.
func (g *Gate) Wake() <-chan struct{} { return g.wake }

func (g *Gate) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Reserve implements inventory.Gate. An error leaves open whether the units were taken: Settle gives them back, and a
// repeated call with the same order takes them once.
func (g *Gate) Reserve(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	t := g.term.Load()
	if t == nil {
		return inventory.Answer{}, nil
	}
	if c.Sale != 0 {
		r := t.sale(c.Sale)
		if short := g.soldOut(ctx, r, c); short != 0 {
			return inventory.Answer{Verdict: inventory.SoldOut, SKU: short}, nil
		}
		return g.reserve(ctx, t, r, c, c.Lines)
	}
	shares := t.shares(c.Sale, c.Lines)
	for i, s := range shares {
		a, err := g.reserve(ctx, t, s.room, c, s.lines)
		if err == nil && a.Verdict == inventory.Reserved {
			continue
		}
		return a, errors.Join(err, g.unreserve(ctx, t, shares[:i], c))
	}
	return inventory.Answer{Verdict: inventory.Reserved}, nil
}

// unreserve gives back what was reserved of a claim before another room refused it. What it cannot give back now, the sweeper
// gives back after the deadline.
func (g *Gate) unreserve(ctx context.Context, t *term, shares []share, c *inventory.Claim) error {
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	var errs []error
	for _, taken := range shares {
		_, err := g.giveBack(ctx, t, taken.room, c.Order)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (g *Gate) reserve(ctx context.Context, t *term, r *room, c *inventory.Claim, lines []inventory.Line) (inventory.Answer, error) {
	p, err := g.ask(ctx, t, r, c, lines)
	if err != nil {
		return inventory.Answer{}, err
	}
	if p.number < 0 {
		return inventory.Answer{}, g.absent(ctx, t, r, p.number)
	}
	if p.verdict == inventory.SoldOut && c.Sale != 0 {
		r.soldOut.note(p)
	}
	return inventory.Answer{Verdict: p.verdict, Order: p.order, SKU: p.sku}, nil
}

// Find implements inventory.Gate.
func (g *Gate) Find(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	t := g.term.Load()
	if t == nil || len(c.Lines) == 0 {
		return inventory.Answer{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	key := inventory.KeyDigest(c.Key)
	r := t.shares(c.Sale, c.Lines)[0].room
	p, err := readFound(findScript.Exec(ctx, g.client, r.find, []string{t.epoch, c.Customer.String(), string(key[:]), string(c.Body[:])}))
	if err != nil {
		return inventory.Answer{}, err
	}
	if p.number < 0 {
		return inventory.Answer{}, g.absent(ctx, t, r, p.number)
	}
	if p.verdict == inventory.NotLoaded && c.Sale != 0 {
		p.verdict = inventory.Free
	}
	return inventory.Answer{Verdict: p.verdict, Order: p.order}, nil
}

// Settle implements inventory.Gate. The outbox tells the gate of every committed order as well: see ConfirmStep.
func (g *Gate) Settle(ctx context.Context, c *inventory.Claim, committed bool) error {
	t := g.term.Load()
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	for _, s := range t.shares(c.Sale, c.Lines) {
		var n int64
		var err error
		if committed {
			n, err = confirmScript.Exec(ctx, g.client, s.room.settle, []string{t.epoch, s.room.kind, c.Order.String()}).AsInt64()
		} else {
			n, err = g.giveBack(ctx, t, s.room, c.Order)
		}
		if err != nil {
			return err
		}
		if n < 0 {
			return g.absent(ctx, t, s.room, n)
		}
	}
	return nil
}

// giveBack gives reservations of one room back and returns how many there were, or noRoom, or otherEpoch.
func (g *Gate) giveBack(ctx context.Context, t *term, r *room, orders ...id.Order) (int64, error) {
	args := make([]string, 0, 2+len(orders))
	args = append(args, t.epoch, r.kind)
	for _, o := range orders {
		args = append(args, o.String())
	}
	return giveBackScript.Exec(ctx, g.client, r.settle, args).AsInt64()
}

// absent looks at why a room is not there: a sale may not have come yet, or is gone; everything else means that Redis has
// lost what it held, or that another process has rebuilt the gate.
func (g *Gate) absent(ctx context.Context, t *term, r *room, why int64) error {
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	if why == noRoom && r.sale != 0 {
		mark, err := g.client.Do(ctx, g.client.B().Hmget().Key(t.mark).Field("epoch", saleField(r.sale)).Build()).ToArray()
		if err != nil {
			return err
		}
		if epoch, err := mark[0].ToString(); err == nil && epoch == t.epoch && mark[1].IsNil() {
			return nil
		}
	}
	if why == noRoom {
		g.lose(t, "a room of the gate is gone")
		return nil
	}
	g.term.CompareAndSwap(t, nil)
	g.signal()
	return nil
}

// lose ends the trust in an epoch: from now on nothing is asked of it, and Step rebuilds the gate.
func (g *Gate) lose(t *term, why string) {
	if t == nil || !g.term.CompareAndSwap(t, nil) {
		return
	}
	for {
		was := g.rebuildAfter.Load()
		if was >= t.number || g.rebuildAfter.CompareAndSwap(was, t.number) {
			break
		}
	}
	g.log.Warn("the gate is not trusted any more and will be rebuilt", "epoch", t.number, "why", why)
	g.signal()
}

// Trusted reports whether the gate may be asked.
func (g *Gate) Trusted() bool { return g.term.Load() != nil }

func saleField(s id.Sale) string { return "s" + s.String() }
