// Package gate implements inventory.Gate in Redis, shared by several processes. Each operation is one Lua script.
//
// Redis may lose its data at any time. So the gate has an epoch, a number that the database assigns: Step rebuilds a
// lost gate in a new epoch, and FallbackGate keeps orders going meanwhile.
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

// Gate is the gate in Redis. Without an epoch it answers every claim with not_loaded. It is safe for concurrent use.
type Gate struct {
	client        rueidis.Client
	tracked       Tracking
	store         Store
	log           *slog.Logger
	config        Config
	prefix        string
	holder        string
	cluster       bool
	drained       func(context.Context) bool // nil without a queue
	refuseOrphans func(context.Context, []inventory.OrphanedReservation) ([]id.Order, error)

	epoch atomic.Pointer[epoch]
	// rebuildAfter is an epoch that failed in this process: it must be rebuilt before it is trusted again.
	rebuildAfter atomic.Int64
	// seen is the epoch as last read from the database; cutOff is set if the last request to Redis failed.
	seen     atomic.Pointer[seenEpoch]
	cutOff   atomic.Bool
	closings atomic.Int64
	// resumed is the epoch that the follower has joined, and followed the position it has applied to it: see Resume.
	resumed  atomic.Pointer[epoch]
	followed atomic.Int64
	// clock is the database's clock, as last read.
	clock atomic.Pointer[databaseClock]
	// lastSeen holds the availability of the sales, as Step last read it.
	lastSeen  atomic.Pointer[map[inventory.Pool]int64]
	keeper    *lease.Keeper // see LeaseStep
	wake      chan struct{}
	epochWake chan struct{}
	// committed holds claims that this process has committed and not yet confirmed.
	committed committedClaims
}

// New returns a gate without an epoch: see Step.
func New(p Parts) *Gate {
	return &Gate{
		client: p.Client, tracked: p.Tracking, store: p.Store, log: p.Log, config: p.Config, prefix: p.Prefix, holder: p.Holder, cluster: p.Cluster, drained: p.Drained, refuseOrphans: p.RefuseOrphans,
		wake: make(chan struct{}, 1), epochWake: make(chan struct{}, 1), keeper: lease.NewKeeper(p.Store, maintenanceLease, p.Holder, maintenanceTTL),
	}
}

// Wake is signalled when Step has work to do.
func (g *Gate) Wake() <-chan struct{} { return g.wake }

func (g *Gate) signal() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// Reserve implements inventory.Gate. An error leaves open whether stock was reserved. Release undoes it; a second call
// with the same order reserves only once.
func (g *Gate) Reserve(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	t := g.epoch.Load()
	if t == nil {
		return inventory.Answer{}, nil
	}
	c.Epoch = t.number
	if c.Sale != 0 {
		r := t.sale(c.Sale)
		if short := g.soldOut(ctx, r, c); short != 0 {
			return inventory.Answer{Verdict: inventory.SoldOut, SKU: short}, nil
		}
		return g.reserve(ctx, t, r, c, c.Lines)
	}
	shares := t.split(c.Sale, c.Lines)
	for i, s := range shares {
		a, err := g.reserve(ctx, t, s.partition, c, s.lines)
		if err == nil && a.Verdict == inventory.Reserved {
			continue
		}
		return a, errors.Join(err, g.unreserve(ctx, t, shares[:i], c))
	}
	return inventory.Answer{Verdict: inventory.Reserved}, nil
}

// unreserve releases what a claim reserved before another partition refused it. If that fails, the sweeper does it
// after the deadline.
func (g *Gate) unreserve(ctx context.Context, t *epoch, shares []partitionLines, c *inventory.Claim) error {
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	var errs []error
	for _, taken := range shares {
		_, err := g.release(ctx, t, taken.partition, c.Order)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (g *Gate) reserve(ctx context.Context, t *epoch, r *partition, c *inventory.Claim, lines []inventory.Line) (inventory.Answer, error) {
	p, err := g.enqueue(ctx, t, r, c, lines)
	if err != nil {
		return inventory.Answer{}, err
	}
	if p.number < 0 {
		return inventory.Answer{}, g.checkMissing(ctx, t, r, p.number)
	}
	if p.verdict == inventory.SoldOut && c.Sale != 0 {
		r.soldOut.note(p)
	}
	return inventory.Answer{Verdict: p.verdict, Order: p.order, SKU: p.sku}, nil
}

// Find implements inventory.Gate.
func (g *Gate) Find(ctx context.Context, c *inventory.Claim) (inventory.Answer, error) {
	t := g.epoch.Load()
	if t == nil || len(c.Lines) == 0 {
		return inventory.Answer{}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	key := inventory.KeyDigest(c.Key)
	r := t.split(c.Sale, c.Lines)[0].partition
	p, err := readFound(findScript.Exec(ctx, g.client, r.find, []string{t.text, c.Customer.String(), string(key[:]), string(c.Body[:])}))
	if err != nil {
		return inventory.Answer{}, err
	}
	if p.number < 0 {
		return inventory.Answer{}, g.checkMissing(ctx, t, r, p.number)
	}
	if p.verdict == inventory.NotLoaded && c.Sale != 0 {
		p.verdict = inventory.KeyUnknown
	}
	return inventory.Answer{Verdict: p.verdict, Order: p.order, Deadline: p.deadline}, nil
}

// Confirm implements inventory.Gate. ConfirmStep also confirms every committed order, from the outbox.
func (g *Gate) Confirm(ctx context.Context, c *inventory.Claim) error {
	return g.decide(ctx, c, func(ctx context.Context, t *epoch, r *partition) (int64, error) {
		return confirmScript.Exec(ctx, g.client, r.settle, []string{t.text, r.kind, c.Order.String()}).AsInt64()
	})
}

// Release implements inventory.Gate.
func (g *Gate) Release(ctx context.Context, c *inventory.Claim) error {
	return g.decide(ctx, c, func(ctx context.Context, t *epoch, r *partition) (int64, error) {
		return g.release(ctx, t, r, c.Order)
	})
}

// decide runs a script in each partition of a claim.
func (g *Gate) decide(ctx context.Context, c *inventory.Claim, step func(context.Context, *epoch, *partition) (int64, error)) error {
	t := g.epoch.Load()
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	for _, s := range t.split(c.Sale, c.Lines) {
		n, err := step(ctx, t, s.partition)
		if err != nil {
			return err
		}
		if n < 0 {
			return g.checkMissing(ctx, t, s.partition, n)
		}
	}
	return nil
}

// release releases reservations of one partition. It returns their number, or noPartition, or otherEpoch.
func (g *Gate) release(ctx context.Context, t *epoch, r *partition, orders ...id.Order) (int64, error) {
	args := make([]string, 0, 2+len(orders))
	args = append(args, t.text, r.kind)
	for _, o := range orders {
		args = append(args, o.String())
	}
	return releaseScript.Exec(ctx, g.client, r.settle, args).AsInt64()
}

// checkMissing finds out why a partition is missing. The sale may not be loaded yet, or may be over. Otherwise Redis
// has lost data or another process has rebuilt the gate.
func (g *Gate) checkMissing(ctx context.Context, t *epoch, r *partition, why int64) error {
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	if why == noPartition && r.sale != 0 {
		mark, err := g.client.Do(ctx, g.client.B().Hmget().Key(t.mark).Field("epoch", saleField(r.sale)).Build()).ToArray()
		if err != nil {
			return err
		}
		if epoch, err := mark[0].ToString(); err == nil && epoch == t.text && mark[1].IsNil() {
			return nil
		}
	}
	if why == noPartition {
		g.distrust(t, "keys of the gate are gone")
		return nil
	}
	g.epoch.CompareAndSwap(t, nil)
	g.signal()
	g.signalEpoch()
	return nil
}

// distrust stops the use of an epoch. Step then rebuilds the gate.
func (g *Gate) distrust(t *epoch, why string) {
	if t == nil || !g.epoch.CompareAndSwap(t, nil) {
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
	g.signalEpoch()
}

// Trusted reports whether the gate is used.
func (g *Gate) Trusted() bool { return g.epoch.Load() != nil }

func saleField(s id.Sale) string { return "s" + s.String() }
