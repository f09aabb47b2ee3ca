package drill

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/tidegate/tidegate/internal/drill/load"
	"github.com/tidegate/tidegate/internal/drill/night"
)

// The crowd of the measurements. Every shopper buys several times, so that a few tokens last for the fastest shop.
const (
	measureShoppers = 50_000
	durableKeys     = 6
	soldOutShoppers = 20_000
	soldOutKeys     = 40
)

// measure measures the shop's rates, each beside the ceiling of the same run, and returns the sales it used.
func (d *drill) measure(ctx, work context.Context, target *load.Target, r *Result) (all []*sold, err error) {
	if err := d.measureCeiling(ctx, work); err != nil || d.ceiling == nil {
		return nil, err
	}
	r.Phases = append(r.Phases, *d.ceiling)
	durable, err := d.prepare(ctx, input(&d.Night, "", measureShoppers, measureShoppers*durableKeys, durableKeys), durableKeys, 1, 0)
	if err != nil {
		return nil, err
	}
	all = append(all, durable)
	before := d.client.usage(work, d.pid())
	phase, err := d.buy(ctx, target, r, durable, "durable orders", accepted, nil)
	if err != nil {
		return all, err
	}
	r.DurableOrdersPerSecond = number(phase.PerSecond)
	if phase.Queued > 0 {
		r.QueuedOrdersPerSecond = number(phase.QueuedPerSecond)
	}
	r.commits(before, d.client.usage(work, d.pid()))
	if ctx.Err() != nil {
		return all, nil
	}
	gone, err := d.prepare(ctx, input(&d.Night, "", soldOutShoppers, 1, soldOutKeys), soldOutKeys, 1, 0)
	if err != nil {
		return all, err
	}
	all = append(all, gone)
	phase, err = d.buy(ctx, target, r, gone, "sold out", soldOut, nil)
	if err != nil {
		return all, err
	}
	r.SoldOutPerSecond = number(phase.PerSecond)
	if err := d.measureReads(ctx, target, r, durable); err != nil || ctx.Err() != nil {
		return all, err
	}
	half, err := d.measureHalf(ctx, target, r, *r.DurableOrdersPerSecond/2)
	if half != nil {
		all = append(all, half)
	}
	return all, err
}

// buy drives one sale as fast as it goes, or where due is not nil by the clock.
func (d *drill) buy(ctx context.Context, target *load.Target, r *Result, s *sold, name string, counts func(*counts) int64, due []time.Duration) (Phase, error) {
	n := &d.Night
	parts := shardBuyers(shards(runtime.NumCPU(), n.Connections), n.Connections, func() *buyers {
		b := newBuyers(s.books, s.tokens, n, target.Host())
		b.due = due
		if due == nil {
			b.until = d.Measure
		}
		return b
	})
	p, err := d.drive(ctx, target, stage{name: name, load: loadOf(due != nil), parts: parts, counts: counts})
	r.addPhase(p, parts)
	return p, err
}

// measureHalf drives half of the top rate by the clock: what a shopper waits on a night that the shop can bear.
func (d *drill) measureHalf(ctx context.Context, target *load.Target, r *Result, perSecond float64) (*sold, error) {
	n := max(1, int(perSecond*(d.Measure+2*time.Second).Seconds()))
	shoppers := min(n, measureShoppers)
	keys := (n + shoppers - 1) / shoppers
	s, err := d.prepare(ctx, input(&d.Night, "", shoppers, int64(shoppers*keys), int64(keys)), keys, 1, 0)
	if err != nil {
		return nil, err
	}
	p, err := d.buy(ctx, target, r, s, "half rate", accepted, constant(n, perSecond))
	r.Load, r.P50, r.P99, r.P999 = night.Open, p.P50, p.P99, p.P999
	return s, err
}

// measureReads reads product pages as fast as they go.
func (d *drill) measureReads(ctx context.Context, target *load.Target, r *Result, s *sold) error {
	p, err := d.hammer(ctx, target, "product reads", productRequests(target.Host(), s), 200)
	if err != nil {
		return err
	}
	r.Phases = append(r.Phases, p)
	r.ProductReadsPerSecond = number(p.PerSecond)
	return nil
}

// measureCeiling measures what the bare server does under the same generator and connections.
func (d *drill) measureCeiling(ctx, work context.Context) (err error) {
	if ctx.Err() != nil {
		return nil
	}
	bare, err := d.StartBare(work)
	if err != nil {
		return fmt.Errorf("start the bare server: %w", err)
	}
	defer func() { err = errors.Join(err, bare.Kill()) }()
	target, err := load.NewTarget(bare.Public)
	if err != nil {
		return err
	}
	p, err := d.hammer(ctx, target, "ceiling", postRequests(target.Host()), 201)
	if err != nil {
		return err
	}
	d.ceiling = &p
	return nil
}

// hammer sends the requests over and over, as fast as they go.
func (d *drill) hammer(ctx context.Context, target *load.Target, name string, requests [][]byte, want int) (Phase, error) {
	parts := []part{}
	n := shards(runtime.NumCPU(), d.Night.Connections)
	for i := range n {
		connections := d.Night.Connections / n
		if i < d.Night.Connections%n {
			connections++
		}
		parts = append(parts, part{script: &pages{tally: newTally(), requests: requests, want: want, until: d.Measure}, connections: connections})
	}
	return d.drive(ctx, target, stage{name: name, load: night.Closed, parts: parts, counts: read})
}
