package gate

import (
	"context"
	"strconv"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// applyPage is the number of changes of one script, which then takes a fraction of a millisecond.
const applyPage = 100

// Apply implements inventory.Gate. Every process applies every change; a partition skips those it already has, by
// position. Without an epoch Apply does nothing: a rebuild reads the database, and Resume returns where to continue.
func (g *Gate) Apply(ctx context.Context, changes []inventory.Change) error {
	t := g.epoch.Load()
	if t == nil || t != g.resumed.Load() || len(changes) == 0 {
		return nil
	}
	var order []*partition
	grouped := map[*partition][]inventory.Change{}
	for _, ch := range changes {
		r := t.partitionOf(ch)
		if grouped[r] == nil {
			order = append(order, r)
		}
		grouped[r] = append(grouped[r], ch)
	}
	for _, r := range order {
		if there, err := g.applyPartition(ctx, t, r, grouped[r]); err != nil || !there {
			return err
		}
	}
	last := changes[len(changes)-1].Position
	if err := g.advanceStream(ctx, t, "position", g.followed.Load(), last); err != nil {
		return err
	}
	g.followed.Store(max(g.followed.Load(), last))
	return nil
}

// Resume returns the outbox position from which the follower must continue. That is earlier than at if the gate has
// opened a new epoch since the last call, because the new epoch may not have all changes. Until Resume is called, Apply
// skips everything.
func (g *Gate) Resume(at int64) int64 {
	t := g.epoch.Load()
	if t == nil || t == g.resumed.Load() {
		return at
	}
	at = min(at, t.position)
	g.followed.Store(at)
	g.resumed.Store(t)
	return at
}

func (t *epoch) partitionOf(ch inventory.Change) *partition {
	if ch.Terms != nil {
		return t.sale(ch.Terms.Sale)
	}
	return t.pool(inventory.Pool{Sale: ch.Moved.Sale, SKU: ch.Moved.SKU})
}

// applyPartition applies changes to one partition. It returns false if the epoch has ended.
func (g *Gate) applyPartition(ctx context.Context, t *epoch, r *partition, changes []inventory.Change) (bool, error) {
	for len(changes) > 0 {
		page := changes[:min(len(changes), applyPage)]
		n, err := g.apply(ctx, t, r, page)
		if err != nil {
			return false, err
		}
		if n == noPartition && r.sale != 0 {
			rest, err := g.addPartition(ctx, t, r, changes)
			if err != nil || len(rest) == 0 {
				return g.epoch.Load() == t, err
			}
			changes = rest
			continue
		}
		if n < 0 {
			return false, g.checkMissing(ctx, t, r, n)
		}
		changes = changes[len(page):]
	}
	return true, nil
}

func (g *Gate) apply(ctx context.Context, t *epoch, r *partition, changes []inventory.Change) (int64, error) {
	args := make([]string, 0, 2+6*len(changes))
	args = append(args, t.text, r.kind)
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

// addPartition creates the partition of a sale from the first change that carries its terms, and returns the changes
// from there on. It returns none if no change carries terms, or if the partition existed and Redis has lost it. Later
// movements of a sale that was dropped after its end are skipped, because the gate no longer knows its keys.
func (g *Gate) addPartition(ctx context.Context, t *epoch, r *partition, changes []inventory.Change) ([]inventory.Change, error) {
	for i, ch := range changes {
		if ch.Terms == nil || ch.Terms.Ended {
			continue
		}
		position := strconv.FormatInt(ch.Position, 10)
		// The mark records which change created a sale's partition. Another process that applies the same change
		// creates the same partition; one that applies a later change and finds no partition knows that it was lost.
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
		epoch, _ := mark[0].ToString() // empty never matches
		if by, _ := mark[1].ToString(); epoch != t.text || by != position {
			g.distrust(t, "the keys of a sale are gone")
			return nil, nil
		}
		n, err := addPartitionScript.Exec(ctx, g.client, []string{r.head}, []string{t.text, strconv.FormatInt(ch.Position-1, 10), t.firstVersion()}).AsInt64()
		if err != nil {
			return nil, err
		}
		if n < 0 {
			return nil, g.checkMissing(ctx, t, r, n)
		}
		return changes[i:], nil
	}
	return nil, g.checkMissing(ctx, t, r, noPartition)
}

// firstVersion is the first version of a partition in this epoch. No partition of another epoch has used it.
func (t *epoch) firstVersion() string { return strconv.FormatInt(t.number<<32, 10) }

// advanceStream records how far a stream of the outbox has been applied, so that a new process continues there.
func (g *Gate) advanceStream(ctx context.Context, t *epoch, stream string, from, to int64) error {
	if to <= from {
		return nil
	}
	n, err := markScript.Exec(ctx, g.client, []string{t.mark}, []string{t.text, stream, strconv.FormatInt(from, 10), strconv.FormatInt(to, 10)}).AsInt64()
	if n == noPartition && err == nil {
		g.distrust(t, "the gate's mark is gone")
	}
	return err
}

// placedPage is the number of orders that one script confirms.
const placedPage = 100

// partitionPlaced is the part of a placed order in one partition.
type partitionPlaced struct {
	*inventory.Placed
	lines []inventory.Line
}

// confirm applies placed orders and returns how many had no reservation. An order with a reservation in a sale needs
// only its id; any other needs its full content.
func (g *Gate) confirm(ctx context.Context, t *epoch, placed []inventory.Placed) (late int64, err error) {
	var unknown []*inventory.Placed
	for i := range placed {
		if placed[i].Sale == 0 {
			unknown = append(unknown, &placed[i])
		}
	}
	if err := g.fill(ctx, unknown); err != nil {
		return 0, err
	}
	var order []*partition
	grouped := map[*partition][]partitionPlaced{}
	for i := range placed {
		p := &placed[i]
		for _, s := range t.split(p.Sale, p.Lines) {
			if grouped[s.partition] == nil {
				order = append(order, s.partition)
			}
			grouped[s.partition] = append(grouped[s.partition], partitionPlaced{p, s.lines})
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
				if err := g.checkMissing(ctx, t, r, done); err != nil {
					return late, err
				}
				break // the sale was dropped or the epoch has ended
			}
			late += done
		}
	}
	return late, nil
}

// confirmPage applies placed orders of one partition. It returns how many had no reservation, or placed.lua's code for
// a missing partition.
func (g *Gate) confirmPage(ctx context.Context, t *epoch, r *partition, page []partitionPlaced) (int64, error) {
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
		page[i].lines = page[i].Lines // a sale has a single partition
	}
	return placedScript.Exec(ctx, g.client, r.placed, placedArgs(t, r, page)).AsInt64()
}

// placedArgs encodes a page for placed.lua.
func placedArgs(t *epoch, r *partition, page []partitionPlaced) []string {
	args := make([]string, 0, 2+7*len(page))
	args = append(args, t.text, r.kind)
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

// lineText encodes lines for the scripts.
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

// Sales returns the sales in the gate, in no order.
func (g *Gate) Sales(ctx context.Context) ([]id.Sale, error) {
	t := g.epoch.Load()
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

// Drop removes a sale. Its claims are then answered with not_loaded.
func (g *Gate) Drop(ctx context.Context, s id.Sale) error {
	t := g.epoch.Load()
	if t == nil {
		return nil
	}
	r := t.sale(s)
	if err := g.client.Do(ctx, g.client.B().Hdel().Key(t.mark).Field(saleField(s)).Build()).Error(); err != nil {
		return err
	}
	return g.client.Do(ctx, g.client.B().Unlink().Key(r.head, r.customers, r.reservations, r.holders).Build()).Error()
}
