package gate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/lease"
)

// rebuildLease keeps two processes from rebuilding at the same time; the epoch decides where they do.
const (
	rebuildLease = "gate_rebuild"
	// rebuildTTL is how long a rebuild waits for a process that died in the middle of one. Who rebuilds prolongs the lease.
	rebuildTTL = 6 * time.Second
)

// lookTimeout bounds one look at Redis, whatever its timeouts are.
const lookTimeout = 3 * time.Second

// Step looks whether the gate is what the database says it is: the epoch, the servers that hold it, every room. A gate that
// is not is rebuilt by one process and taken up by the others. It returns 1 where this process took an epoch up.
//
// A server that was promoted, or that came back without its data, has another replication id: it may have the epoch and
// yet not the last writes, so the gate is rebuilt.
func (g *Gate) Step(ctx context.Context) (int, error) {
	trusted := g.term.Load()
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	engine, err := g.engine(looking)
	if err != nil {
		g.lose(trusted, "Redis does not answer")
		return 0, fmt.Errorf("look at the gate's Redis: %w", err)
	}
	if err := g.lookAtClock(ctx); err != nil {
		return 0, err
	}
	said, err := g.store.GateEpoch(ctx)
	if err != nil {
		return 0, err
	}
	if said.Ready && said.Engine == engine && said.Number > g.rebuildAfter.Load() {
		t := trusted
		if t == nil || t.number != said.Number {
			t = newTerm(g.prefix, said.Number)
		}
		whole, err := g.look(looking, t)
		if err != nil {
			g.lose(trusted, "Redis does not answer")
			return 0, err
		}
		if whole {
			return g.takeUp(looking, trusted, t)
		}
		g.lose(trusted, "a room is gone")
	}
	switch {
	case !said.Ready: // another process is rebuilding it
		g.term.CompareAndSwap(trusted, nil)
	case said.Engine != engine:
		g.lose(trusted, "Redis has failed over, or was started anew")
	}
	return g.rebuildAlone(ctx, engine)
}

// lookPause and lookTries are how long a sale may take between its mention in the mark and its room.
const (
	lookTries = 3
	lookPause = 20 * time.Millisecond
)

// look reports whether every room of the epoch is there, and remembers the levels of the sales.
func (g *Gate) look(ctx context.Context, t *term) (bool, error) {
	for try := range lookTries {
		if try > 0 {
			select {
			case <-time.After(lookPause):
			case <-ctx.Done():
				return false, ctx.Err()
			}
		}
		heads, whole, err := g.heads(ctx, t, false)
		if err != nil {
			return false, err
		}
		if !whole {
			continue
		}
		levels := map[inventory.Pool]int64{}
		for _, h := range heads {
			for sku, units := range h.units {
				levels[inventory.Pool{Sale: h.room.sale, SKU: sku}] = units
			}
		}
		g.mirror.Store(&levels)
		return true, nil
	}
	return false, nil
}

// takeUp trusts an epoch that is whole.
func (g *Gate) takeUp(ctx context.Context, trusted, t *term) (int, error) {
	if t == trusted {
		return 0, nil
	}
	position, err := g.reached(ctx, t, "position")
	if err != nil {
		return 0, err
	}
	t.position = position
	if !g.term.CompareAndSwap(trusted, t) {
		return 0, nil
	}
	g.log.InfoContext(ctx, "gate taken up", "epoch", t.number, "position", position)
	return 1, nil
}

// reached returns how far a stream of the outbox has been carried out in the epoch.
func (g *Gate) reached(ctx context.Context, t *term, stream string) (int64, error) {
	mark, err := g.client.Do(ctx, g.client.B().Hmget().Key(t.mark).Field("epoch", stream).Build()).ToArray()
	if err != nil {
		return 0, err
	}
	if epoch, _ := mark[0].ToString(); epoch != t.epoch {
		g.lose(t, "the gate's mark is gone")
		return 0, errOvertaken
	}
	return mark[1].AsInt64()
}

// rebuildAlone rebuilds the gate where no other process does.
func (g *Gate) rebuildAlone(ctx context.Context, engine string) (int, error) {
	turn := lease.NewKeeper(g.store, rebuildLease, g.holder, rebuildTTL)
	if _, err := turn.Step(ctx); err != nil {
		return 0, err
	}
	if _, held := turn.Held(); !held {
		return 0, nil
	}
	release := turn.While()
	err := g.rebuild(ctx, engine, g.store.GateSnapshot)
	if errors.Is(err, errOvertaken) {
		err = nil
	}
	if err == nil {
		// The servers are asked again: what was written to one that was no longer the master is not there.
		var after string
		if after, err = g.engine(ctx); err == nil && after != engine {
			g.lose(g.term.Load(), "the servers changed during the rebuild")
		}
	}
	if err := errors.Join(err, release(ctx)); err != nil {
		return 0, err
	}
	return 1, nil
}

// lookAtClock learns how far the database's clock is ahead.
func (g *Gate) lookAtClock(ctx context.Context) error {
	asked := time.Now()
	now, err := g.store.Now(ctx)
	if err != nil {
		return err
	}
	took := time.Since(asked)
	g.clockAhead.Store(int64(now.Sub(asked.Add(took / 2))))
	return nil
}

// now is the database's clock, as far as it is known.
func (g *Gate) now() time.Time { return time.Now().Add(time.Duration(g.clockAhead.Load())) }

// Deadline returns when a reservation made now ends, in milliseconds by the database's clock.
func (g *Gate) Deadline() int64 { return g.now().Add(g.config.Hold).UnixMilli() }

// engine names the servers that hold the gate, by their replication ids.
func (g *Gate) engine(ctx context.Context) (string, error) {
	nodes := g.client.Nodes()
	if g.cluster {
		masters, err := g.masters(ctx)
		if err != nil {
			return "", err
		}
		for address := range nodes {
			if !slices.Contains(masters, address) {
				delete(nodes, address)
			}
		}
		if len(nodes) < len(masters) {
			return "", fmt.Errorf("of the Cluster's masters %v only %d are known yet", masters, len(nodes))
		}
	}
	ids := make([]string, 0, len(nodes))
	for address, node := range nodes {
		said, err := node.Do(ctx, node.B().Info().Section("replication").Build()).ToString()
		if err != nil {
			return "", err
		}
		role, replication := infoField(said, "role"), infoField(said, "master_replid")
		if role != "master" || replication == "" {
			if g.cluster {
				return "", fmt.Errorf("%s is a %s, no master, yet", address, role)
			}
			return "", fmt.Errorf("%s is a %s: the gate needs a master", address, role)
		}
		ids = append(ids, replication)
	}
	slices.Sort(ids)
	return strings.Join(ids, ","), nil
}

// masters lists the addresses of the Cluster's masters that have slots.
func (g *Gate) masters(ctx context.Context) ([]string, error) {
	slots, err := g.client.Do(ctx, g.client.B().ClusterSlots().Build()).ToArray()
	if err != nil {
		return nil, err
	}
	var all []string
	for _, slot := range slots {
		parts, err := slot.ToArray()
		if err != nil || len(parts) < 3 {
			return nil, errors.Join(err, errors.New("an answer to CLUSTER SLOTS cannot be read"))
		}
		address, err := nodeAddress(parts[2])
		if err != nil {
			return nil, err
		}
		if !slices.Contains(all, address) {
			all = append(all, address)
		}
	}
	return all, nil
}

func nodeAddress(m rueidis.RedisMessage) (string, error) {
	node, err := m.ToArray()
	if err != nil || len(node) < 2 {
		return "", errors.Join(err, errors.New("an answer to CLUSTER SLOTS cannot be read"))
	}
	host, err := node[0].ToString()
	if err != nil {
		return "", err
	}
	port, err := node[1].AsInt64()
	return fmt.Sprintf("%s:%d", host, port), err
}

// infoField returns a field of INFO's answer.
func infoField(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
