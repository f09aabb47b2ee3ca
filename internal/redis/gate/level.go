package gate

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// levelTimeout bounds the questions that have no context of their own.
const levelTimeout = 2 * time.Second

// Level implements inventory.Gate: one question to Redis. It is for tests and for operators; see Front for the crowd.
func (g *Gate) Level(p inventory.Pool) (int64, bool) {
	t := g.term.Load()
	if t == nil {
		return 0, false
	}
	ctx, cancel := context.WithTimeout(context.Background(), levelTimeout)
	defer cancel()
	r := t.pool(p)
	head, err := g.client.Do(ctx, g.client.B().Hmget().Key(r.head).Field("epoch", "s"+p.SKU.String()).Build()).ToArray()
	if err != nil {
		return 0, false
	}
	if epoch, err := head[0].ToString(); err != nil || epoch != t.epoch {
		return 0, false
	}
	units, err := head[1].AsInt64()
	return units, err == nil
}

// Levels implements inventory.Gate. Where Redis cannot be asked it gives nothing.
func (g *Gate) Levels(fn func(inventory.Pool, int64)) {
	ctx, cancel := context.WithTimeout(context.Background(), levelTimeout)
	defer cancel()
	t := g.term.Load()
	if t == nil {
		return
	}
	heads, _, err := g.heads(ctx, t, true)
	if err != nil {
		return
	}
	for _, h := range heads {
		for sku, units := range h.units {
			fn(inventory.Pool{Sale: h.room.sale, SKU: sku}, units)
		}
	}
}

// head is what a room's head says.
type head struct {
	room  *room
	there bool // it is, and of this epoch
	units map[id.SKU]int64
}

// heads reads the mark and the heads of every room that belongs to the epoch; the general ones only where they are asked for.
// there is false where the mark or a room is missing or of another epoch. The rooms of the general pools are always looked
// for.
func (g *Gate) heads(ctx context.Context, t *term, general bool) (all []head, there bool, err error) {
	mark, err := g.client.Do(ctx, g.client.B().Hgetall().Key(t.mark).Build()).AsStrMap()
	if err != nil || mark["epoch"] != t.epoch {
		return nil, false, err
	}
	var rooms []*room
	var cmds rueidis.Commands
	ask := func(r *room, whole bool) {
		rooms = append(rooms, r)
		if whole {
			cmds = append(cmds, g.client.B().Hgetall().Key(r.head).Build())
			return
		}
		cmds = append(cmds, g.client.B().Hmget().Key(r.head).Field("epoch").Build())
	}
	for _, r := range t.parts {
		ask(r, general)
	}
	for field := range mark {
		if s, ok := saleOf(field); ok {
			ask(t.sale(s), true)
		}
	}
	there = true
	for i, answer := range g.client.DoMulti(ctx, cmds...) {
		h := head{room: rooms[i], units: map[id.SKU]int64{}}
		if h.room.sale == 0 && !general {
			said, err := answer.ToArray()
			if err != nil {
				return nil, false, err
			}
			epoch, _ := said[0].ToString() // none is not this one
			h.there = epoch == t.epoch
		} else {
			said, err := answer.AsStrMap()
			if err != nil {
				return nil, false, err
			}
			if err := h.read(said, t.epoch); err != nil {
				return nil, false, err
			}
		}
		there = there && h.there
		all = append(all, h)
	}
	return all, there, nil
}

func (h *head) read(said map[string]string, epoch string) error {
	h.there = said["epoch"] == epoch
	for field, value := range said {
		sku, ok := skuOf(field)
		if !ok {
			continue
		}
		units, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("the gate's %s of %s is no number: %w", field, h.room.head, err)
		}
		h.units[sku] = units
	}
	return nil
}

func saleOf(field string) (id.Sale, bool) {
	n, ok := numberAfterS(field)
	return id.Sale(n), ok
}

func skuOf(field string) (id.SKU, bool) {
	n, ok := numberAfterS(field)
	return id.SKU(n), ok
}

// numberAfterS reads a field such as s4711.
func numberAfterS(field string) (int64, bool) {
	if len(field) < 2 || field[0] != 's' {
		return 0, false
	}
	n, err := strconv.ParseInt(field[1:], 10, 64)
	return n, err == nil
}
