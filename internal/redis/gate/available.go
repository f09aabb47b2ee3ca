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

// levelTimeout bounds requests whose caller passes no context.
const levelTimeout = 2 * time.Second

// Available implements inventory.Gate with one request to Redis. It is for tests and operators; shoppers use
// FallbackGate.
func (g *Gate) Available(p inventory.Pool) (int64, bool) {
	t := g.epoch.Load()
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
	if epoch, err := head[0].ToString(); err != nil || epoch != t.text {
		return 0, false
	}
	units, err := head[1].AsInt64()
	return units, err == nil
}

// Availability implements inventory.Gate. It yields nothing if Redis cannot be reached.
func (g *Gate) Availability(fn func(inventory.Pool, int64)) {
	ctx, cancel := context.WithTimeout(context.Background(), levelTimeout)
	defer cancel()
	t := g.epoch.Load()
	if t == nil {
		return
	}
	heads, _, err := g.heads(ctx, t, true)
	if err != nil {
		return
	}
	for _, h := range heads {
		for sku, units := range h.units {
			fn(inventory.Pool{Sale: h.partition.sale, SKU: sku}, units)
		}
	}
}

// head is the content of a partition's head key.
type head struct {
	partition *partition
	present   bool // it exists and belongs to this epoch
	units     map[id.SKU]int64
}

// heads reads the mark and the heads of the epoch's partitions. It always checks the general partitions, and returns
// their content only if general is set. there is false if the mark or a partition is missing or belongs to another
// epoch.
func (g *Gate) heads(ctx context.Context, t *epoch, general bool) (all []head, there bool, err error) {
	mark, err := g.client.Do(ctx, g.client.B().Hgetall().Key(t.mark).Build()).AsStrMap()
	if err != nil || mark["epoch"] != t.text {
		return nil, false, err
	}
	var rooms []*partition
	var cmds rueidis.Commands
	ask := func(r *partition, whole bool) {
		rooms = append(rooms, r)
		if whole {
			cmds = append(cmds, g.client.B().Hgetall().Key(r.head).Build())
			return
		}
		cmds = append(cmds, g.client.B().Hmget().Key(r.head).Field("epoch").Build())
	}
	for _, r := range t.general {
		ask(r, general)
	}
	for field := range mark {
		if s, ok := saleOf(field); ok {
			ask(t.sale(s), true)
		}
	}
	there = true
	for i, answer := range g.client.DoMulti(ctx, cmds...) {
		h := head{partition: rooms[i], units: map[id.SKU]int64{}}
		if h.partition.sale == 0 && !general {
			said, err := answer.ToArray()
			if err != nil {
				return nil, false, err
			}
			epoch, _ := said[0].ToString() // empty never matches
			h.present = epoch == t.text
		} else {
			said, err := answer.AsStrMap()
			if err != nil {
				return nil, false, err
			}
			if err := h.read(said, t.text); err != nil {
				return nil, false, err
			}
		}
		there = there && h.present
		all = append(all, h)
	}
	return all, there, nil
}

func (h *head) read(said map[string]string, epoch string) error {
	h.present = said["epoch"] == epoch
	for field, value := range said {
		sku, ok := skuOf(field)
		if !ok {
			continue
		}
		units, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return fmt.Errorf("the gate's %s of %s is no number: %w", field, h.partition.head, err)
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

// numberAfterS parses a field such as s4711.
func numberAfterS(field string) (int64, bool) {
	if len(field) < 2 || field[0] != 's' {
		return 0, false
	}
	n, err := strconv.ParseInt(field[1:], 10, 64)
	return n, err == nil
}
