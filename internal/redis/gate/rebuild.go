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

// errOvertaken says that another process has begun a rebuild of its own: its gate counts.
var errOvertaken = errors.New("another process rebuilds the gate")

// Load implements inventory.Gate: it begins the next epoch and fills it from the snapshot.
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

// rebuild begins the next epoch, reads the database and fills the gate. What is reserved or committed meanwhile is not
// lost: an order that the snapshot misses comes by ConfirmStep, a change by the follower, and a reservation of the epoch
// before is its order's until the database has decided. It returns errOvertaken where another process was faster.
func (g *Gate) rebuild(ctx context.Context, engine string, read func(context.Context) (inventory.Snapshot, error)) error {
	began := time.Now()
	before, err := g.store.GateEpoch(ctx)
	if err != nil {
		return err
	}
	if ok, err := g.store.BeginGateEpoch(ctx, before.Number); err != nil || !ok {
		return errors.Join(err, overtaken(ok))
	}
	if err := crashpoint.Fail(crashpoint.SharedBegun); err != nil {
		return err
	}
	t := newTerm(g.prefix, before.Number+1)
	old, err := g.oldRooms(ctx, before.Number)
	if err != nil {
		return err
	}
	if err := g.awaitDrained(ctx); err != nil {
		return err
	}
	// The snapshot comes after the new epoch began: what is committed before it is in it.
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
	e := inventory.Epoch{Number: t.number, Ready: true, Position: snap.Position, Engine: engine}
	if ok, err := g.store.OpenGateEpoch(ctx, e); err != nil || !ok {
		return errors.Join(err, overtaken(ok))
	}
	crashpoint.Pass(crashpoint.SharedOpened)
	t.position = snap.Position
	g.term.Store(t)
	g.log.InfoContext(ctx, "gate rebuilt", "epoch", t.number, "position", snap.Position, "pools", len(snap.Stock), "orders", len(snap.Holders),
		"took", time.Since(began).Round(time.Millisecond).String())
	return nil
}

func overtaken(ok bool) error {
	if ok {
		return nil
	}
	return errOvertaken
}

// drainMax bounds how long a rebuild waits for a queue, a part of its lease; drainPause is between two looks, and a look may take
// seconds where a broker's consumers have to be asked.
const (
	drainMax   = 10 * time.Second
	drainPause = 25 * time.Millisecond
)

// awaitDrained waits until no order is queued. No further one is, once every process has seen that the epoch is not ready.
func (g *Gate) awaitDrained(ctx context.Context) error {
	if g.drained == nil {
		return nil
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

// oldRooms lists the rooms of the epoch before, as far as the mark knows them.
func (g *Gate) oldRooms(ctx context.Context, number int64) ([]*room, error) {
	t := newTerm(g.prefix, number)
	fields, err := g.client.Do(ctx, g.client.B().Hkeys().Key(t.mark).Build()).AsStrSlice()
	if err != nil {
		return nil, err
	}
	rooms := t.parts[:]
	for _, f := range fields {
		if s, ok := saleOf(f); ok {
			rooms = append(rooms, t.sale(s))
		}
	}
	return rooms, nil
}

// build fills the rooms of an epoch beside the old ones, puts them in their places, and says so in the mark.
func (g *Gate) build(ctx context.Context, t *term, snap inventory.Snapshot, old []*room) error {
	rooms := map[*room]*plan{}
	at := func(r *room) *plan {
		if rooms[r] == nil {
			rooms[r] = &plan{room: r, open: r.sale == 0, holders: map[id.Customer]*held{}}
		}
		return rooms[r]
	}
	for _, r := range t.parts {
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
	for _, h := range snap.Holders {
		at(t.sale(h.Sale)).hold(h)
	}
	for _, p := range rooms {
		if err := g.buildRoom(ctx, t, p, snap); err != nil {
			return err
		}
	}
	mark := []string{t.epoch, "position", strconv.FormatInt(snap.Position, 10), "placed", strconv.FormatInt(snap.Position, 10)}
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

// plan is a room to be built.
type plan struct {
	room    *room
	open    bool
	limit   int64
	stock   []string // fields of the head and their values
	keys    []string // fields of the customers and their values
	holders map[id.Customer]*held
}

type held struct{ used, orders int64 }

func (p *plan) hold(h inventory.Holder) {
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

// builtKept is how long what a rebuild that did not end has written stays in Redis.
const builtKept = time.Hour

// buildPage is how many fields one command writes.
const buildPage = 1000

func (g *Gate) buildRoom(ctx context.Context, t *term, p *plan, snap inventory.Snapshot) error {
	r, built := p.room, p.room.head+":"+t.epoch
	position := strconv.FormatInt(snap.Position, 10)
	fields := append([]string{"epoch", t.epoch, "open", flag(p.open), "limit", strconv.FormatInt(p.limit, 10), "version", t.firstVersion(),
		"position", position, "placed", position}, p.stock...)
	w := &writing{g: g}
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
	n, err := openRoomScript.Exec(ctx, g.client, []string{r.head, built, r.customers, r.reservations, r.holders}, []string{t.epoch}).AsInt64()
	return errors.Join(err, overtaken(err != nil || n != 0))
}

// removeOld removes what the epoch before has left.
func (g *Gate) removeOld(ctx context.Context, t *term, rooms map[*room]*plan, old []*room) error {
	w := &writing{g: g}
	for _, r := range old {
		w.add(g.client.B().Unlink().Key(r.customers, r.reservations, r.holders).Build())
		if r.sale != 0 && rooms[t.sale(r.sale)] == nil {
			w.add(g.client.B().Unlink().Key(r.head).Build())
		}
	}
	return w.flush(ctx)
}

// writing gathers commands and sends them a page at a time.
type writing struct {
	g    *Gate
	cmds rueidis.Commands
}

func (w *writing) add(c rueidis.Completed) { w.cmds = append(w.cmds, c) }

func (w *writing) fields(key string, pairs []string) {
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

func (w *writing) list(key string, all []string) {
	for len(all) > 0 {
		n := min(len(all), buildPage)
		w.add(w.g.client.B().Rpush().Key(key).Element(all[:n]...).Build())
		all = all[n:]
	}
}

// flushPage is how many commands are on their way at once.
const flushPage = 64

func (w *writing) flush(ctx context.Context) error {
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
