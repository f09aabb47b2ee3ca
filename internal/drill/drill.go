// Package drill rehearses the sale night: it lets a crowd loose on a shop, its own or a running one, remembers every answer,
// and afterwards settles accounts with the shop: what was sold, whether one unit too many went out, whether an answer was
// given that the database does not know. The same tool is the yardstick of the shop's speed.
//
// It speaks public HTTP and the admin API, and owns nothing of the shop.
package drill

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/drill/load"
	"github.com/tidegate/tidegate/internal/drill/machine"
	"github.com/tidegate/tidegate/internal/drill/profile"
)

// The lanes.
const (
	Main    = "main"
	Express = "express"
)

// Options are what a drill is asked for.
type Options struct {
	Night profile.LoadProfile
	// Lane is Main or Express.
	Lane string
	// Target is the running shop to rehearse with. Where its Public is empty, Start starts a private one.
	Target Address
	// Also are the public addresses of further processes of the target, on which the load is spread.
	Also  []string
	Start Starter
	// StartBare starts the ceiling, machine.ServeBare, in a process of its own; nil measures neither it nor the shop's rates.
	StartBare func(ctx context.Context) (*Process, error)
	// KillAfter kills a private shop so long after the night began, without warning, and starts it again; zero does not.
	KillAfter time.Duration
	// Measure is how long each measurement with a ceiling takes.
	Measure time.Duration
	// Viewers is how many watch a sale's numbers on its page while what they cost is measured, beside the ceiling; zero measures
	// none.
	Viewers int
	// Progress tells how it is going; Terminal says that it is a terminal.
	Progress io.Writer
	Terminal bool
	Version  string
}

// Process is a private shop, or another server of the drill's, in a process of its own: its CPU and memory are then its
// own, too.
type Process struct {
	Address
	PID int
	// Kill ends the process as a crash does, and waits for its end. Stop ends it gracefully. The first call counts.
	Kill func() error
	Stop func() error
}

// Starter starts a private shop. Called again it starts the same shop, on the same data, anew.
type Starter func(ctx context.Context) (*Process, error)

// drill is one run.
type drill struct {
	Options
	client   *client
	process  *Process
	progress *progress
	// spent is the CPU of shops that were killed.
	spent  time.Duration
	rssMax int64
	killed int
}

// Run runs a drill. Where ctx ends, the night ends early and accounts are settled all the same. It returns an error in one
// sentence where the drill could not be done: then, unless it broke off in the middle, nothing was left on the target.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	d := &drill{Options: o, progress: &progress{out: o.Progress, terminal: o.Terminal}}
	// What settles accounts must be done after ctx has ended, too.
	work := context.WithoutCancel(ctx)
	if o.Target.Public == "" {
		if d.process, err = o.Start(ctx); err != nil {
			return nil, fmt.Errorf("start a private shop: %w", err)
		}
		defer func() { err = errors.Join(err, d.process.Stop()) }()
		o.Target = d.process.Address
	}
	d.client = newClient(o.Target)
	defer d.client.close()
	if err := d.client.probe(ctx); err != nil {
		return nil, err
	}
	if o.Target.Express != "" { // whichever lane it is: who names an address wants to know that it is wrong
		if err := d.client.probeExpress(ctx); err != nil {
			return nil, err
		}
	} else if o.Lane == Express {
		return nil, errNoExpress
	}
	return d.lane(ctx, work, o.Lane)
}

var errNoExpress = errors.New("the shop has no express lane here: name its address with --express, or take --lane main")

// check returns what is wrong with the options, before anything is started or made.
func (o *Options) check() error {
	if err := o.Night.Validate(); err != nil {
		return err
	}
	switch {
	case o.Lane != Main && o.Lane != Express:
		return fmt.Errorf("lane: %s or %s, not %q", Main, Express, o.Lane)
	case o.StartBare != nil && (o.Measure < 100*time.Millisecond || o.Measure > 10*time.Minute):
		return fmt.Errorf("measure: 100ms to 10m, not %s", o.Measure)
	case o.Viewers < 0 || o.Viewers > viewersMax:
		return fmt.Errorf("viewers: 0 to %d, not %d", viewersMax, o.Viewers)
	case o.Viewers > 0 && o.StartBare == nil:
		return errors.New("--viewers needs --ceiling")
	case o.KillAfter > 0 && o.Target.Public != "":
		return errors.New("--kill-after works on a private shop only: omit --target or --kill-after")
	case len(o.Also) > 0 && o.Lane != Main:
		return errors.New("several targets need --lane main")
	case o.Target.Public != "" && o.Target.AdminKey == "":
		return errors.New("a target needs an admin key with the role sales")
	}
	if o.Target.Public != "" {
		if _, err := o.target(o.Target.Public); err != nil {
			return err
		}
	}
	return machine.AllowConnections(o.Night.Connections + o.Night.Readers.Connections + o.Viewers)
}

// target is the shop at the address, and the target's further processes.
func (o *Options) target(base string) (*load.Target, error) {
	t, err := load.NewTarget(base)
	if err != nil {
		return nil, err
	}
	for _, also := range o.Also {
		if err := t.AddAddress(also); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// lane runs the drill on one lane.
func (d *drill) lane(ctx, work context.Context, lane string) (*Result, error) {
	r := &Result{Lane: lane, Load: d.Night.Load, Shoppers: d.Night.Shoppers, Night: d.Night, Target: "a private shop", Version: d.Version, StartedAt: time.Now().UTC(), ByStatus: map[string]int64{}, Examples: []string{}}
	if d.process == nil {
		r.Target = d.client.at.Load().Public
	}
	cpu, began := machine.OwnCPU(), time.Now()
	before := d.client.usage(work, d.pid())
	target, err := d.target(d.base(lane))
	if err != nil {
		return nil, err
	}
	s, err := d.runProfile(ctx, work, target, r)
	if s == nil {
		return nil, err
	}
	all := []*preparedSale{s}
	if err == nil && d.StartBare != nil && ctx.Err() == nil {
		var more []*preparedSale
		more, err = d.measure(ctx, work, target, r)
		all = append(all, more...)
	}
	if err != nil && ctx.Err() == nil { // where it was ended early, what was done is settled
		return nil, err
	}
	r.GeneratorCPU = (machine.OwnCPU() - cpu).Seconds()
	r.StoppedEarly = ctx.Err() != nil
	if err := d.settleAll(work, all, r); err != nil {
		return nil, err
	}
	d.sum(work, r, before)
	r.Seconds = time.Since(began).Seconds()
	return r, nil
}

// sum fills in what the phases and the processes tell.
func (d *drill) sum(ctx context.Context, r *Result, before Usage) {
	r.perRequest()
	after := d.client.usage(ctx, d.pid())
	if rss := max(after.RSSMax, d.rssMax); rss > 0 {
		r.ServerRSSMaxMiB = number(float64(rss) / (1 << 20))
		r.ServerCPU = number((after.CPU + d.spent - before.CPU).Seconds())
	}
	r.Killed = d.killed
	r.ratios()
	if r.Phases == nil {
		r.Phases = []Phase{}
	}
}

// perRequest tells the generator's cost of a request.
func (r *Result) perRequest() {
	var requests, closed int64
	var cpu, closedCPU float64
	for _, p := range r.Phases {
		requests, cpu = requests+p.Requests, cpu+p.GeneratorCPU
		if p.Load == profile.Closed {
			closed, closedCPU = closed+p.Requests, closedCPU+p.GeneratorCPU
		}
	}
	if closed > 0 {
		requests, cpu = closed, closedCPU
	}
	if requests > 0 {
		r.GeneratorPerRequest = cpu * 1e6 / float64(requests)
	}
}

func (d *drill) pid() int {
	if d.process == nil {
		return 0
	}
	return d.process.PID
}

// base is the base address of a lane.
func (d *drill) base(lane string) string {
	if lane == Express {
		return d.client.at.Load().Express
	}
	return d.client.at.Load().Public
}

// preparedSale is a sale that was rehearsed.
type preparedSale struct {
	books  *PurchaseLog
	tokens *tokens
}

// prepare makes a rehearsal with its shoppers and waits until it is open.
func (d *drill) prepare(ctx context.Context, in api.RehearsalInput, keys, unitsPerOrder, greedyUnits int) (*preparedSale, error) {
	made, err := d.client.rehearse(ctx, in)
	if err != nil {
		return nil, fmt.Errorf("make the rehearsal: %w", plainError(err))
	}
	t, err := d.client.tokens(ctx, made)
	if err != nil {
		return nil, err
	}
	all := made.Quantity * int64(made.Skus)
	for deadline := time.Now().Add(openPatience); ; {
		found, left, err := d.client.look(ctx, made.SaleId)
		switch {
		case err == nil && found.Status == api.SaleStatusLive && left == all:
			return &preparedSale{newPurchaseLog(made, keys, unitsPerOrder, greedyUnits, d.Night.Seed), t}, nil
		case err != nil && time.Now().After(deadline):
			return nil, fmt.Errorf("the rehearsal's sale cannot be read: %w", plainError(err))
		case time.Now().After(deadline) && left < 0:
			return nil, fmt.Errorf("the rehearsal's sale is %s, and neither the shop's gate nor its database says what is left of it: look at the shop's log, start Redis and try again", found.Status)
		case time.Now().After(deadline):
			return nil, fmt.Errorf("the rehearsal's sale does not open: it is %s, with %d of %d units", found.Status, left, all)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// openPatience is how long a sale may take to open.
const openPatience = 10 * time.Second

// runProfile rehearses the night itself.
func (d *drill) runProfile(ctx, work context.Context, target *load.Target, r *Result) (*preparedSale, error) {
	n := &d.Night
	r.Units = int64(n.Units) * int64(n.SKUs)
	var due []time.Duration
	if n.Load == profile.Open {
		var err error
		if due, err = n.Arrivals.Times(n.Shoppers); err != nil {
			return nil, err
		}
	}
	greedy := 0
	if n.Greedy > 0 && n.Limit > 0 && n.Limit < 1000 {
		greedy = n.Limit // with what they have it is more than they may have
	}
	d.progress.say("%s lane: a sale of %d units in %d SKUs, %d shoppers", r.Lane, r.Units, n.SKUs, n.Shoppers)
	s, err := d.prepare(ctx, input(n, n.Title, n.Shoppers, int64(n.Units), int64(n.Limit)), 2, n.UnitsPerOrder, greedy)
	if err != nil {
		return nil, err
	}
	if d.process == nil {
		d.progress.say("the console shows it at %s/console/night/%s", d.client.at.Load().Public, s.books.Sale.SaleId)
	}
	till := newPayments(d.client, s.books, s.tokens, n)
	closing, tillEnded := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(tillEnded)
		till.run(work, closing)
	}()
	parts := shardBuyers(shards(runtime.NumCPU(), n.Connections), n.Connections, func() *buyers {
		b := newBuyers(s.books, s.tokens, n, target.Host())
		b.due, b.until, b.fates, b.till, b.last = due, n.Duration, true, till.schedule, n.Shoppers
		return b
	})
	if n.Readers.Connections > 0 {
		readers := &pages{recorder: newRecorder(), requests: productRequests(target.Host(), s), want: 200, every: time.Second / time.Duration(n.Readers.PerSecond)}
		parts = append(parts, part{script: readers, connections: n.Readers.Connections, follows: true})
	}
	revived := d.scheduleKill(work, target)
	before := d.client.usage(work, d.pid())
	phase, err := d.drive(ctx, target, stage{name: "night", load: n.Load, parts: parts, sale: s.books.Sale.SaleId, counts: answered})
	if killErr := revived(); killErr != nil {
		err = errors.Join(err, killErr)
	}
	close(closing)
	<-tillEnded
	till.flush()
	r.Paid, r.Cancelled, r.TillFailures = r.Paid+till.paid.Load(), r.Cancelled+till.cancelled.Load(), r.TillFailures+till.failed.Load()
	r.addPhase(phase, parts)
	r.P50, r.P99, r.P999 = phase.P50, phase.P99, phase.P999
	r.commits(before, d.client.usage(work, d.pid()))
	return s, err
}

func productRequests(host string, s *preparedSale) [][]byte {
	paths := []string{}
	for _, p := range s.books.Sale.ProductIds {
		paths = append(paths, "/v1/products/"+p.String())
	}
	return getRequests(host, "Accept: application/json\r\n", paths...)
}

// scheduleKill kills the shop after KillAfter and starts it again. The function it returns waits until that is done, or calls
// it off where the night was over before.
func (d *drill) scheduleKill(ctx context.Context, target *load.Target) func() error {
	if d.KillAfter <= 0 {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	timer := time.AfterFunc(d.KillAfter, func() { done <- d.killAndRevive(ctx, target) })
	return func() error {
		if timer.Stop() {
			d.progress.say("the night was over before the shop was to be killed")
			return nil
		}
		return <-done
	}
}

func (d *drill) killAndRevive(ctx context.Context, target *load.Target) error {
	u := d.client.usage(ctx, d.process.PID)
	d.spent += u.CPU
	d.rssMax = max(d.rssMax, u.RSSMax)
	if err := d.process.Kill(); err != nil {
		return fmt.Errorf("kill the shop: %w", err)
	}
	began := time.Now()
	p, err := d.Start(ctx)
	if err != nil {
		return fmt.Errorf("start the shop again: %w", err)
	}
	express := target.Host() == hostOf(d.client.at.Load().Express)
	d.process = p
	d.client.move(p.Address)
	d.killed++
	base := p.Public
	if express {
		base = p.Express
	}
	if err := target.SetAddress(base); err != nil {
		return err
	}
	d.progress.say("the shop was killed and serves again after %d ms", time.Since(began).Milliseconds())
	return nil
}

func hostOf(base string) string {
	t, err := load.NewTarget(base)
	if err != nil {
		return ""
	}
	return t.Host()
}

// addPhase adds a phase and its counts to the result.
func (r *Result) addPhase(p Phase, parts []part) {
	r.Phases = append(r.Phases, p)
	for _, one := range parts {
		c := &one.script.results().counts
		r.Accepted += c.accepted.Load()
		r.SoldOut += c.soldOut.Load()
		r.LimitReached += c.limited.Load()
		r.Replayed += c.replayed.Load()
		r.Errors5xx += c.fives.Load()
	}
}

// commits notes the rate of group commits between two readings.
func (r *Result) commits(before, after Usage) {
	if took := after.CommitAt.Sub(before.CommitAt).Seconds(); before.Commits >= 0 && after.Commits >= before.Commits && took > 0 {
		r.CommitsPerSecond = number(float64(after.Commits-before.Commits) / took)
	}
}
