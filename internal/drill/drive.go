package drill

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/tidegate/tidegate/internal/drill/load"
	"github.com/tidegate/tidegate/internal/drill/machine"
	"github.com/tidegate/tidegate/internal/drill/profile"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// script is a load.Script that can be told to take no one new, and that keeps a tally.
type script interface {
	load.Script
	stop()
	results() *recorder
}

func (s *buyers) stop()              { s.stopped.Store(true) }
func (s *buyers) results() *recorder { return s.recorder }
func (s *pages) stop()               { s.stopped.Store(true) }
func (s *pages) results() *recorder  { return s.recorder }

// part is one loop of a phase.
type part struct {
	script      script
	connections int
	// follows says that this part ends when the others have.
	follows bool
}

const (
	// answerTimeout is how long a shopper waits before asking again.
	answerTimeout = 10 * time.Second
	// drainMax is how long the end of a phase waits for what is still to be answered.
	drainMax = 30 * time.Second
)

// stage is a phase that is being driven.
type stage struct {
	name, load string
	parts      []part
	// sale is looked at for what is left, where it is not zero.
	sale id.Sale
	// counts says which answers are the phase's.
	counts func(*counts) int64
}

// drive runs a stage against a target until it is over, or, where ctx ends first, until what is under way is answered.
func (d *drill) drive(ctx context.Context, target *load.Target, g stage) (Phase, error) {
	loops := make([]*load.Loop, 0, len(g.parts))
	defer func() {
		for _, l := range loops {
			l.Close()
		}
	}()
	connections := 0
	for _, p := range g.parts {
		l, err := load.Open(ctx, target, p.script, load.Options{Connections: p.connections, AnswerTimeout: answerTimeout, Drain: answerTimeout + time.Second})
		if err != nil {
			return Phase{}, err
		}
		loops = append(loops, l)
		if !p.follows {
			connections += p.connections
		}
	}
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stopping := context.AfterFunc(ctx, func() {
		for _, p := range g.parts {
			p.script.stop()
		}
		time.AfterFunc(drainMax, cancel)
	})
	defer stopping()

	began, cpu := time.Now(), machine.OwnCPU()
	watching, unwatch := context.WithCancel(hard)
	left := &levels{began: began}
	var watch sync.WaitGroup
	watch.Go(func() { d.watch(watching, g, left) })
	errs := make([]error, len(loops))
	var leaders, followers sync.WaitGroup
	for i, l := range loops {
		group := &leaders
		if g.parts[i].follows {
			group = &followers
		}
		group.Go(func() { errs[i] = l.Run(hard, began) })
	}
	leaders.Wait()
	for _, p := range g.parts {
		p.script.stop()
	}
	followers.Wait()
	unwatch()
	watch.Wait()
	p := g.phase(connections, left)
	p.GeneratorCPU = (machine.OwnCPU() - cpu).Seconds()
	return p, errors.Join(errs...)
}

// phase sums what the leading parts have noted.
func (g *stage) phase(connections int, left *levels) Phase {
	p := Phase{Name: g.name, Load: g.load, Connections: connections}
	all := hdrhistogram.New(1, latencyMax.Microseconds(), 3)
	var curves [][]Point
	queuedFor := 0.0
	for _, one := range g.parts {
		if one.follows {
			continue
		}
		t := one.script.results()
		t.turn(max(t.last, t.at))
		p.Requests += t.counts.sent.Load()
		p.Answers += g.counts(&t.counts)
		p.Errors += t.counts.fives.Load() + t.counts.lost.Load() + t.counts.other.Load()
		p.Seconds = max(p.Seconds, t.last.Seconds())
		p.Queued += t.counts.queued.Load()
		queuedFor = max(queuedFor, t.lastQueued.Seconds())
		all.Merge(t.all)
		curves = append(curves, t.curves())
	}
	p.Latency = latencyOf(all)
	p.Points = sumPoints(curves...)
	left.fill(p.Points)
	if queuedFor > 0 {
		p.QueuedPerSecond = float64(p.Queued) / queuedFor
	}
	if p.Seconds > 0 {
		p.PerSecond = float64(p.Answers) / p.Seconds
	}
	return p
}

// watch tells how the stage is going, and notes what is left.
func (d *drill) watch(ctx context.Context, g stage, left *levels) {
	var tallies []*recorder
	for _, p := range g.parts {
		if !p.follows {
			tallies = append(tallies, p.script.results())
		}
	}
	before := snap(tallies)
	look, show := time.NewTicker(tick), time.NewTicker(d.progress.every())
	defer look.Stop()
	defer show.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
			if g.sale.IsZero() {
				continue
			}
			// A shop that is too busy to answer is looked at the next time.
			if n, err := d.client.left(ctx, g.sale); err == nil {
				left.note(n)
			}
		case <-show.C:
			now := snap(tallies)
			d.progress.show(now.line(g.name, before, left.now()))
			before = now
		}
	}
}

// levels is what was left, over time. One writes.
type levels struct {
	began time.Time
	last  atomic.Int64 // one more than what was left last; zero where nobody has looked
	seen  []level
}

type level struct {
	at   time.Duration
	left int64
}

func (l *levels) note(n int64) {
	l.seen = append(l.seen, level{time.Since(l.began), n})
	l.last.Store(n + 1)
}

func (l *levels) now() int64 { return l.last.Load() - 1 }

// fill writes into each point what was left at its end.
func (l *levels) fill(points []Point) {
	i, left := 0, int64(-1)
	for p := range points {
		for i < len(l.seen) && l.seen[i].at.Seconds() <= points[p].Seconds+tick.Seconds()/2 {
			left = l.seen[i].left
			i++
		}
		points[p].Left = left
	}
}

// shards is how many loops share the shoppers: a loop serves some 150,000 requests a second, and the shop needs the rest of
// the machine.
func shards(cpus, connections int) int { return max(1, min(cpus/4, connections/64, 8)) }

// shardBuyers makes one script a shard, alike but for the shard, sharing the books.
func shardBuyers(n int, connections int, make func() *buyers) []part {
	parts := []part{}
	for i := range n {
		s := make()
		s.shard, s.shards = i, n
		share := connections / n
		if i < connections%n {
			share++
		}
		parts = append(parts, part{script: s, connections: share})
	}
	return parts
}

func accepted(c *counts) int64 { return c.accepted.Load() }
func answered(c *counts) int64 { return c.answers.Load() }
func soldOut(c *counts) int64  { return c.soldOut.Load() }
func read(c *counts) int64     { return c.reads.Load() }

// constant are the due times of n requests at an even rate.
func constant(n int, perSecond float64) []time.Duration {
	due := make([]time.Duration, n)
	for i := range due {
		due[i] = time.Duration(float64(i) / perSecond * float64(time.Second))
	}
	return due
}

// loadOf names the load of a night.
func loadOf(open bool) string {
	if open {
		return profile.Open
	}
	return profile.Closed
}
