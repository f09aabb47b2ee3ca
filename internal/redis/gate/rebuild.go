package gate

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// errOvertaken says that another process has begun a later rebuild, which takes precedence.
var errOvertaken = errors.New("another process rebuilds the gate")

// Load implements inventory.Gate. It begins the next epoch and fills it from the snapshot.
func (g *Gate) Load(ctx context.Context, s inventory.Snapshot) error {
	engine, err := g.engine(ctx)
	if err != nil {
		return err
	}
	err = g.rebuild(ctx, engine, func(context.Context) (inventory.Snapshot, error) { return s, nil })
	if err != nil {
		return err
	}
	g.Resume(s.Position)
	return nil
}

// rebuild begins the next epoch, reads the database and fills the gate. Orders continue meanwhile and nothing is lost:
// ConfirmStep brings orders that the snapshot misses, the follower brings changes, and a reservation of the previous
// epoch stays valid until the database decides its order. It returns errOvertaken if another process was faster.
func (g *Gate) rebuild(ctx context.Context, engine string, read func(context.Context) (inventory.Snapshot, error)) error {
	began := time.Now()
	before, err := g.readEpoch(ctx)
	if err != nil {
		return err
	}
	if ok, err := g.store.BeginGateEpoch(ctx, before.Number); err != nil || !ok {
		return errors.Join(err, overtaken(ok))
	}
	g.noteEpoch(inventory.Epoch{Number: before.Number + 1, Opened: before.Opened}, time.Now())
	if err := crashpoint.Fail(crashpoint.SharedBegun); err != nil {
		return err
	}
	t := newEpoch(g.prefix, before.Number+1)
	old, err := g.oldPartitions(ctx, before.Number)
	if err != nil {
		return err
	}
	if err := g.awaitDrained(ctx, before.Opened); err != nil {
		return err
	}
	if err := g.store.AwaitBatches(ctx); err != nil {
		return err
	}
	// Read the snapshot after the epoch has begun: it then contains every earlier commit. A later commit sees the new
	// epoch, and the opening waits for it.
	snap, err := read(ctx)
	if err != nil {
		return err
	}
	if err := g.build(ctx, t, snap, old); err != nil {
		return err
	}
	if err := crashpoint.Fail(crashpoint.SharedFilled); err != nil {
		return err
	}
	opening := time.Now()
	opened := inventory.Epoch{Number: t.number, Ready: true, Position: snap.Position, Engine: engine}
	if ok, err := g.store.OpenGateEpoch(ctx, opened); err != nil || !ok {
		return errors.Join(err, overtaken(ok))
	}
	crashpoint.Pass(crashpoint.SharedOpened)
	opened.Opened = t.number
	g.noteEpoch(opened, opening)
	t.position = snap.Position
	g.epoch.Store(t)
	g.log.InfoContext(ctx, "gate rebuilt", "epoch", t.number, "position", snap.Position, "pools", len(snap.Stock), "orders", len(snap.KeyedOrders),
		"took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

func overtaken(ok bool) error {
	if ok {
		return nil
	}
	return errOvertaken
}

// drainMax bounds how long a rebuild waits for an empty queue; it is a part of the lease's lifetime. drainPause is the
// interval between checks. A check may take seconds if it has to ask a broker's consumers.
const (
	drainMax   = 10 * time.Second
	drainPause = 25 * time.Millisecond
)

// awaitDrained waits until the queue is empty. Once no process trusts the previous epoch, nothing is added to the
// queue.
func (g *Gate) awaitDrained(ctx context.Context, opened int64) error {
	if g.drained == nil {
		return nil
	}
	if _, wait := g.mayBypass(); opened > 0 {
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	for began := time.Now(); time.Since(began) < drainMax; {
		if g.drained(ctx) {
			return nil
		}
		select {
		case <-time.After(drainPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return errors.New("the gate cannot be rebuilt while orders are queued: look at who commits them")
}

// oldPartitions lists the previous epoch's partitions, as recorded in the mark.
func (g *Gate) oldPartitions(ctx context.Context, number int64) ([]*partition, error) {
	t := newEpoch(g.prefix, number)
	fields, err := g.client.Do(ctx, g.client.B().Hkeys().Key(t.mark).Build()).AsStrSlice()
	if err != nil {
		return nil, err
	}
	rooms := t.general[:]
	for _, f := range fields {
		if s, ok := saleOf(f); ok {
			rooms = append(rooms, t.sale(s))
		}
	}
	return rooms, nil
}

// build fills the partitions of an epoch beside the old ones, renames their heads into place and records that in the
// mark.
func (g *Gate) build(ctx context.Context, t *epoch, snap inventory.Snapshot, old []*partition) error {
	rooms := map[*partition]*partitionPlan{}
	at := func(r *partition) *partitionPlan {
		if rooms[r] == nil {
			rooms[r] = &partitionPlan{partition: r, open: r.sale == 0, holders: map[id.Customer]*held{}}
		}
		return rooms[r]
	}
	for _, r := range t.general {
		at(r)
	}
	for _, terms := range snap.Terms {
		p := at(t.sale(terms.Sale))
		p.open, p.limit = terms.Open, terms.Limit
	}
	for _, st := range snap.Stock {
		p := at(t.pool(st.Pool))
		p.stock = append(p.stock, "s"+st.SKU.String(), strconv.FormatInt(st.Available(), 10))
	}
	for _, h := range snap.KeyedOrders {
		at(t.sale(h.Sale)).hold(h)
	}
	for _, p := range rooms {
		if err := g.buildPartition(ctx, t, p, snap); err != nil {
			return err
		}
	}
	mark := []string{t.text, "position", strconv.FormatInt(snap.Position, 10), "placed", strconv.FormatInt(snap.Position, 10)}
	for r := range rooms {
		if r.sale != 0 {
			mark = append(mark, saleField(r.sale), strconv.FormatInt(snap.Position, 10))
		}
	}
	n, err := setMarkScript.Exec(ctx, g.client, []string{t.mark}, mark).AsInt64()
	if err != nil || n == 0 {
		return errors.Join(err, overtaken(n != 0))
	}
	return g.removeOld(ctx, t, rooms, old)
}

// partitionPlan is a partition to build.
type partitionPlan struct {
	partition *partition
	open      bool
	limit     int64
	stock     []string // fields and values of the head
	keys      []string // fields and values of the customers
	holders   map[id.Customer]*held
}

type held struct{ used, orders int64 }

func (p *partitionPlan) hold(h inventory.KeyedOrder) {
	key := inventory.KeyDigest(h.Key)
	p.keys = append(p.keys, h.Customer.String()+":"+string(key[:]), string(h.Body[:])+h.Order.String())
	known := p.holders[h.Customer]
	if known == nil {
		known = new(held)
		p.holders[h.Customer] = known
	}
	known.used += h.Used
	known.orders++
}

// builtKept is how long Redis keeps the data of a rebuild that did not finish.
const builtKept = time.Hour

// buildPage bounds the fields of one command.
const buildPage = 1000

func (g *Gate) buildPartition(ctx context.Context, t *epoch, p *partitionPlan, snap inventory.Snapshot) error {
	r, built := p.partition, p.partition.head+":"+t.text
	position := strconv.FormatInt(snap.Position, 10)
	fields := append([]string{"epoch", t.text, "open", flag(p.open), "limit", strconv.FormatInt(p.limit, 10), "version", t.firstVersion(),
		"position", position, "placed", position}, p.stock...)
	w := &pipeline{g: g}
	w.fields(built, fields)
	w.fields(r.customers, p.keys)
	if r.sale != 0 {
		var used, holders []string
		for c, h := range p.holders {
			used = append(used, c.String(), fmt.Sprintf("%d %d", h.used, h.orders))
			holders = append(holders, c.String())
		}
		w.fields(r.customers, used)
		w.list(r.holders, holders)
	} else {
		var confirmed []string
		for _, o := range snap.Ahead {
			confirmed = append(confirmed, o.String(), "confirmed")
		}
		w.fields(r.reservations, confirmed)
	}
	for _, key := range []string{built, r.customers, r.reservations, r.holders} {
		w.add(g.client.B().Expire().Key(key).Seconds(int64(builtKept.Seconds())).Build())
	}
	if err := w.flush(ctx); err != nil {
		return err
	}
	n, err := openPartitionScript.Exec(ctx, g.client, []string{r.head, built, r.customers, r.reservations, r.holders}, []string{t.text}).AsInt64()
	return errors.Join(err, overtaken(err != nil || n != 0))
}

// removeOld deletes the keys of the previous epoch.
func (g *Gate) removeOld(ctx context.Context, t *epoch, rooms map[*partition]*partitionPlan, old []*partition) error {
	w := &pipeline{g: g}
	for _, r := range old {
		w.add(g.client.B().Unlink().Key(r.customers, r.reservations, r.holders).Build())
		if r.sale != 0 && rooms[t.sale(r.sale)] == nil {
			w.add(g.client.B().Unlink().Key(r.head).Build())
		}
	}
	return w.flush(ctx)
}

// pipeline collects commands and sends them in pages.
type pipeline struct {
	g    *Gate
	cmds rueidis.Commands
}

func (w *pipeline) add(c rueidis.Completed) { w.cmds = append(w.cmds, c) }

func (w *pipeline) fields(key string, pairs []string) {
	for len(pairs) > 0 {
		n := min(len(pairs), 2*buildPage)
		set := w.g.client.B().Hset().Key(key).FieldValue()
		for i := 0; i < n; i += 2 {
			set = set.FieldValue(pairs[i], pairs[i+1])
		}
		w.add(set.Build())
		pairs = pairs[n:]
	}
}

func (w *pipeline) list(key string, all []string) {
	for len(all) > 0 {
		n := min(len(all), buildPage)
		w.add(w.g.client.B().Rpush().Key(key).Element(all[:n]...).Build())
		all = all[n:]
	}
}

// flushPage bounds the commands of one page.
const flushPage = 64

func (w *pipeline) flush(ctx context.Context) error {
	for len(w.cmds) > 0 {
		n := min(len(w.cmds), flushPage)
		for _, answer := range w.g.client.DoMulti(ctx, w.cmds[:n]...) {
			if err := answer.Error(); err != nil {
				return err
			}
		}
		w.cmds = w.cmds[n:]
	}
	return nil
}
