package drill

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/drill/load"
	"github.com/tidegate/tidegate/internal/drill/profile"
)

// The crowd of the measurements. Every shopper buys several times, so that a few tokens last for the fastest shop.
const (
	measureShoppers = 50_000
	durableKeys     = 6
	soldOutShoppers = 20_000
	soldOutKeys     = 40
)

// The phases that are told as a share of the ceiling.
const (
	phaseDurable  = "durable orders"
	phaseSoldOut  = "sold out"
	phaseReads    = "product reads"
	phasePages    = "sale pages"
	phaseSignedIn = "sale pages, signed in"
)

// measure measures the shop's rates, each beside the ceiling of its own moments, and returns the sales it used. What leaves the shop
// work that it does afterwards, the durable orders, comes last of those.
func (d *drill) measure(ctx, work context.Context, target *load.Target, r *Result) (all []*preparedSale, err error) {
	if ctx.Err() != nil {
		return nil, nil
	}
	c, err := d.newCeiling(work, r)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var durable, gone *preparedSale
	for _, one := range []struct {
		into                        **preparedSale
		shoppers, units, keys, each int
	}{
		{&gone, soldOutShoppers, 1, soldOutKeys, soldOutKeys},
		{&durable, measureShoppers, measureShoppers * durableKeys, durableKeys, durableKeys},
	} {
		if *one.into, err = d.prepare(ctx, input(&d.Night, "", one.shoppers, int64(one.units), int64(one.each)), one.keys, 1, 0); err != nil {
			return all, err
		}
		all = append(all, *one.into)
	}
	d.cooldown(ctx)
	for _, step := range []func() error{
		func() error { return d.measureSoldOut(ctx, target, r, gone) },
		func() error { return d.measureReads(ctx, target, r, durable) },
		func() error { return d.measurePages(ctx, target, r, durable, gone) },
		func() error { return d.measureDurable(ctx, work, target, r, durable) },
	} {
		if err := c.beside(ctx, step); err != nil || ctx.Err() != nil {
			return all, err
		}
	}
	d.cooldown(ctx)
	if err := c.slice(ctx); err != nil || ctx.Err() != nil {
		return all, err
	}
	half, err := d.measureHalf(ctx, target, r, *r.DurableOrdersPerSecond/2)
	if half != nil {
		all = append(all, half)
	}
	if err != nil || r.Lane != Main || d.Viewers == 0 || ctx.Err() != nil {
		return all, err
	}
	watched, err := d.measureViewers(ctx, target, r)
	return append(all, watched...), err
}

// measureDurable places orders as fast as they go.
func (d *drill) measureDurable(ctx, work context.Context, target *load.Target, r *Result, s *preparedSale) error {
	before := d.client.usage(work, d.pid())
	p, err := d.buy(ctx, target, r, s, phaseDurable, accepted, nil)
	if err != nil {
		return err
	}
	r.DurableOrdersPerSecond = number(p.PerSecond)
	if p.Queued > 0 {
		r.QueuedOrdersPerSecond = number(p.QueuedPerSecond)
	}
	r.commits(before, d.client.usage(work, d.pid()))
	return nil
}

// measureSoldOut asks for what is gone as fast as it goes.
func (d *drill) measureSoldOut(ctx context.Context, target *load.Target, r *Result, s *preparedSale) error {
	p, err := d.buy(ctx, target, r, s, phaseSoldOut, soldOut, nil)
	if err == nil {
		r.SoldOutPerSecond = number(p.PerSecond)
	}
	return err
}

// buy drives one sale as fast as it goes, or where due is not nil by the clock.
func (d *drill) buy(ctx context.Context, target *load.Target, r *Result, s *preparedSale, name string, counts func(*counts) int64, due []time.Duration) (Phase, error) {
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
func (d *drill) measureHalf(ctx context.Context, target *load.Target, r *Result, perSecond float64) (*preparedSale, error) {
	n := max(1, int(perSecond*(d.Measure+2*time.Second).Seconds()))
	shoppers := min(n, measureShoppers)
	keys := (n + shoppers - 1) / shoppers
	s, err := d.prepare(ctx, input(&d.Night, "", shoppers, int64(shoppers*keys), int64(keys)), keys, 1, 0)
	if err != nil {
		return nil, err
	}
	p, err := d.buy(ctx, target, r, s, "half rate", accepted, constant(n, perSecond))
	r.Load, r.P50, r.P99, r.P999 = profile.Open, p.P50, p.P99, p.P999
	return s, err
}

// measureReads reads product pages as fast as they go.
func (d *drill) measureReads(ctx context.Context, target *load.Target, r *Result, s *preparedSale) error {
	p, err := d.repeatRequests(ctx, target, phaseReads, productRequests(target.Host(), s), 200, d.Measure)
	if err != nil {
		return err
	}
	r.Phases = append(r.Phases, p)
	r.ProductReadsPerSecond = number(p.PerSecond)
	return nil
}

// signedInShoppers is how many sessions the signed-in page is read with: more than a shop's caches hold for one.
const signedInShoppers = 2000

// measurePages reads the page of a sale in which nothing moves as fast as it goes: as nobody, and as shoppers of another sale, who
// are signed in and have bought nothing in this one. A shop without pages is passed over.
func (d *drill) measurePages(ctx context.Context, target *load.Target, r *Result, s, others *preparedSale) error {
	if r.Lane != Main { // pages are on the first listener alone
		return nil
	}
	path := "/sales/" + s.books.Sale.SaleId.String()
	if there, err := d.client.hasPage(ctx, path); err != nil || !there {
		return err
	}
	const browser = "Accept: text/html\r\nAccept-Encoding: gzip\r\n"
	p, err := d.repeatRequests(ctx, target, phasePages, getRequests(target.Host(), browser, path), 200, d.Measure)
	if err != nil {
		return err
	}
	r.Phases = append(r.Phases, p)
	r.SalePagesPerSecond = number(p.PerSecond)
	cookie := "tg_access="
	if strings.HasPrefix(d.base(r.Lane), "https:") {
		cookie = "__Host-" + cookie
	}
	all := make([][]byte, 0, signedInShoppers)
	for i := range min(signedInShoppers, soldOutShoppers) {
		token := string(others.tokens.of(i))
		all = append(all, getRequests(target.Host(), browser+"Cookie: "+cookie+token+"\r\n", path)...)
	}
	if p, err = d.repeatRequests(ctx, target, phaseSignedIn, all, 200, d.Measure); err != nil {
		return err
	}
	r.Phases = append(r.Phases, p)
	r.SignedInPagesPerSecond = number(p.PerSecond)
	return nil
}

// repeatRequests sends the requests over and over for that time, as fast as the shop answers.
func (d *drill) repeatRequests(ctx context.Context, target *load.Target, name string, requests [][]byte, want int, long time.Duration) (Phase, error) {
	parts := []part{}
	n := shards(runtime.NumCPU(), d.Night.Connections)
	for i := range n {
		connections := d.Night.Connections / n
		if i < d.Night.Connections%n {
			connections++
		}
		parts = append(parts, part{script: &pages{recorder: newRecorder(), requests: requests, want: want, until: long}, connections: connections})
	}
	return d.drive(ctx, target, stage{name: name, load: profile.Closed, parts: parts, counts: read})
}
