package gate

import (
	"context"
	"strconv"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// applyPage is how many changes one script carries out: a fraction of a millisecond of Redis.
const applyPage = 100

// Apply implements inventory.Gate. Every process calls it with everything: a room passes over what it has, by position. While
// the gate holds no epoch there is nothing to do: a rebuild reads the database, and Resume says where to go on.
func (g *Gate) Apply(ctx context.Context, changes []inventory.Change) error {
	t := g.term.Load()
	if t == nil || t != g.resumed.Load() || len(changes) == 0 {
		return nil
	}
	var order []*room
	grouped := map[*room][]inventory.Change{}
	for _, ch := range changes {
		r := t.roomOf(ch)
		if grouped[r] == nil {
			order = append(order, r)
		}
		grouped[r] = append(grouped[r], ch)
	}
	for _, r := range order {
		if there, err := g.applyRoom(ctx, t, r, grouped[r]); err != nil || !there {
			return err
		}
	}
	last := changes[len(changes)-1].Position
	if err := g.markReached(ctx, t, "position", g.followed.Load(), last); err != nil {
		return err
	}
	g.followed.Store(max(g.followed.Load(), last))
	return nil
}

// Resume tells the follower, which is at a position of the outbox, where to go on: further back where the gate has another
// epoch since it was last asked, which nobody may have brought so far. Until it was asked, Apply passes over everything.
func (g *Gate) Resume(at int64) int64 {
	t := g.term.Load()
	if t == nil || t == g.resumed.Load() {
		return at
	}
	at = min(at, t.position)
	g.followed.Store(at)
	g.resumed.Store(t)
	return at
}

func (t *term) roomOf(ch inventory.Change) *room {
	if ch.Terms != nil {
		return t.sale(ch.Terms.Sale)
	}
	return t.pool(inventory.Pool{Sale: ch.Moved.Sale, SKU: ch.Moved.SKU})
}

// applyRoom carries out changes of one room. It returns false where the epoch has ended.
func (g *Gate) applyRoom(ctx context.Context, t *term, r *room, changes []inventory.Change) (bool, error) {
	for len(changes) > 0 {
		page := changes[:min(len(changes), applyPage)]
		n, err := g.apply(ctx, t, r, page)
		if err != nil {
			return false, err
		}
		if n == noRoom && r.sale != 0 {
			rest, err := g.addRoom(ctx, t, r, changes)
			if err != nil || len(rest) == 0 {
				return g.term.Load() == t, err
			}
			changes = rest
			continue
		}
		if n < 0 {
			return false, g.absent(ctx, t, r, n)
		}
		changes = changes[len(page):]
	}
	return true, nil
}

func (g *Gate) apply(ctx context.Context, t *term, r *room, changes []inventory.Change) (int64, error) {
	args := make([]string, 0, 2+6*len(changes))
	args = append(args, t.epoch, r.kind)
	for _, ch := range changes {
		position := strconv.FormatInt(ch.Position, 10)
		if terms := ch.Terms; terms != nil {
			args = append(args, position, "t", strconv.FormatInt(terms.Limit, 10), flag(terms.Open), "", "")
			continue
		}
		m := ch.Moved
		args = append(args, position, "m", m.SKU.String(), strconv.FormatInt(m.Available, 10), m.Customer.String(), strconv.FormatInt(m.Allowance, 10))
	}
	return applyScript.Exec(ctx, g.client, r.apply, args).AsInt64()
}

func flag(b bool) string {
	if b {
		return "1"
	}
	return "0"
}

// addRoom makes the room of a sale that one of the changes brings, and returns the changes from there on; none where no
// change brings it, or where the room was there before and Redis has lost it. A sale is brought by its terms alone: what
// still moves in one that was dropped after its end is passed over, for the gate would not know its keys.
func (g *Gate) addRoom(ctx context.Context, t *term, r *room, changes []inventory.Change) ([]inventory.Change, error) {
	for i, ch := range changes {
		if ch.Terms == nil || ch.Terms.Ended {
			continue
		}
		position := strconv.FormatInt(ch.Position, 10)
		// The mark keeps by which change a sale has come: whoever carries out the same change makes the same room, and a later
		// one that finds no room knows that there was one.
		answers := g.client.DoMulti(ctx,
			g.client.B().Hsetnx().Key(t.mark).Field(saleField(r.sale)).Value(position).Build(),
			g.client.B().Hmget().Key(t.mark).Field("epoch", saleField(r.sale)).Build(),
		)
		if err := answers[0].Error(); err != nil {
			return nil, err
		}
		mark, err := answers[1].ToArray()
		if err != nil {
			return nil, err
		}
		epoch, _ := mark[0].ToString() // none is not this one
		if by, _ := mark[1].ToString(); epoch != t.epoch || by != position {
			g.lose(t, "the room of a sale is gone")
			return nil, nil
		}
		n, err := addRoomScript.Exec(ctx, g.client, []string{r.head}, []string{t.epoch, strconv.FormatInt(ch.Position-1, 10), t.firstVersion()}).AsInt64()
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, g.absent(ctx, t, r, n)
		}
		return changes[i:], nil
	}
	return nil, g.absent(ctx, t, r, noRoom)
}

// firstVersion is that of a room in the beginning: no room of another epoch has had it.
func (t *term) firstVersion() string { return strconv.FormatInt(t.number<<32, 10) }

// markReached notes how far a stream of the outbox has been carried out, so that a process that starts goes on from there.
func (g *Gate) markReached(ctx context.Context, t *term, stream string, from, to int64) error {
	if to <= from {
		return nil
	}
	n, err := markScript.Exec(ctx, g.client, []string{t.mark}, []string{t.epoch, stream, strconv.FormatInt(from, 10), strconv.FormatInt(to, 10)}).AsInt64()
	if n == noRoom && err == nil {
		g.lose(t, "the gate's mark is gone")
	}
	return err
}

// placedPage is how many orders one script confirms.
const placedPage = 100

// placedShare is the part of a placed order that lies in one room.
type placedShare struct {
	*inventory.Placed
	lines []inventory.Line
}

// confirm carries out that orders were placed. It returns how many had no reservation. What has a reservation in a sale is
// confirmed by its id alone; of everything else the order itself is needed.
func (g *Gate) confirm(ctx context.Context, t *term, placed []inventory.Placed) (late int64, err error) {
	var unknown []*inventory.Placed
	for i := range placed {
		if placed[i].Sale == 0 {
			unknown = append(unknown, &placed[i])
		}
	}
	if err := g.fill(ctx, unknown); err != nil {
		return 0, err
	}
	var order []*room
	grouped := map[*room][]placedShare{}
	for i := range placed {
		p := &placed[i]
		for _, s := range t.shares(p.Sale, p.Lines) {
			if grouped[s.room] == nil {
				order = append(order, s.room)
			}
			grouped[s.room] = append(grouped[s.room], placedShare{p, s.lines})
		}
	}
	for _, r := range order {
		for all := grouped[r]; len(all) > 0; {
			page := all[:min(len(all), placedPage)]
			all = all[len(page):]
			done, err := g.confirmPage(ctx, t, r, page)
			if err != nil {
				return late, err
			}
			if done < 0 {
				if err := g.absent(ctx, t, r, done); err != nil {
					return late, err
				}
				break // of a sale that was dropped, or the epoch has ended
			}
			late += done
		}
	}
	return late, nil
}

// confirmPage carries out that orders of one room were placed. It returns how many had no reservation, or what placed.lua
// answers without the room.
func (g *Gate) confirmPage(ctx context.Context, t *term, r *room, page []placedShare) (int64, error) {
	done, err := placedScript.Exec(ctx, g.client, r.placed, placedArgs(t, r, page)).AsInt64()
	if err != nil || done != notFilled {
		return done, err
	}
	orders := make([]*inventory.Placed, len(page))
	for i := range page {
		orders[i] = page[i].Placed
	}
	if err := g.fill(ctx, orders); err != nil {
		return 0, err
	}
	for i := range page {
		page[i].lines = page[i].Lines // a sale is one room
	}
	return placedScript.Exec(ctx, g.client, r.placed, placedArgs(t, r, page)).AsInt64()
}

// placedArgs is a page as placed.lua takes it.
func placedArgs(t *term, r *room, page []placedShare) []string {
	args := make([]string, 0, 2+7*len(page))
	args = append(args, t.epoch, r.kind)
	for _, p := range page {
		args = append(args, strconv.FormatInt(p.Position, 10), p.Order.String())
		if p.Lines == nil {
			args = append(args, "", "", "", "", "")
			continue
		}
		key := inventory.KeyDigest(p.Key)
		var units int64
		for _, l := range p.Lines {
			units += l.Units
		}
		args = append(args, p.Customer.String(), string(key[:]), string(p.Body[:]), strconv.FormatInt(units, 10), lineText(p.lines))
	}
	return args
}

// lineText is how the scripts take lines.
func lineText(lines []inventory.Line) string {
	return string(appendLines(make([]byte, 0, 24*len(lines)), lines))
}

func appendLines(b []byte, lines []inventory.Line) []byte {
	for _, l := range lines {
		b = strconv.AppendInt(b, int64(l.SKU), 10)
		b = strconv.AppendInt(append(b, ':'), l.Units, 10)
		b = append(b, ',')
	}
	return b
}

// Sales returns the sales that the gate holds, in no order.
func (g *Gate) Sales(ctx context.Context) ([]id.Sale, error) {
	t := g.term.Load()
	if t == nil {
		return nil, nil
	}
	fields, err := g.client.Do(ctx, g.client.B().Hkeys().Key(t.mark).Build()).AsStrSlice()
	if err != nil {
		return nil, err
	}
	var all []id.Sale
	for _, f := range fields {
		if s, ok := saleOf(f); ok {
			all = append(all, s)
		}
	}
	return all, nil
}

// Drop forgets a sale: its claims are answered not_loaded from now on.
func (g *Gate) Drop(ctx context.Context, s id.Sale) error {
	t := g.term.Load()
	if t == nil {
		return nil
	}
	r := t.sale(s)
	if err := g.client.Do(ctx, g.client.B().Hdel().Key(t.mark).Field(saleField(s)).Build()).Error(); err != nil {
		return err
	}
	return g.client.Do(ctx, g.client.B().Unlink().Key(r.head, r.customers, r.reservations, r.holders).Build()).Error()
}
