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

// rebuildLease avoids parallel rebuilds. If two run nevertheless, the epoch decides which one counts.
const (
	rebuildLease = "gate_rebuild"
	// rebuildTTL is how long other processes wait for one that died during a rebuild. A running rebuild renews the
	// lease.
	rebuildTTL = 6 * time.Second
)

// lookTimeout bounds one check of Redis, whatever the configured timeouts are.
const lookTimeout = 3 * time.Second

// Step compares the gate with the database: its epoch, its servers and every partition. If they differ, one process
// rebuilds the gate and the others adopt the new epoch. Step returns 1 if this process adopted an epoch.
//
// A promoted or emptied server has a new replication id. It may hold the epoch and yet lack the last writes, so the
// gate is rebuilt.
func (g *Gate) Step(ctx context.Context) (int, error) {
	trusted := g.epoch.Load()
	looking, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	engine, err := g.engine(looking)
	if g.cutOff.Store(err != nil); err != nil {
		g.distrust(trusted, "Redis does not answer")
		return 0, fmt.Errorf("look at the gate's Redis: %w", err)
	}
	if err := g.readClock(ctx); err != nil {
		return 0, err
	}
	said, err := g.readEpoch(ctx)
	if err != nil {
		return 0, err
	}
	if said.Ready && said.Engine == engine && said.Number > g.rebuildAfter.Load() {
		t := trusted
		if t == nil || t.number != said.Number {
			t = newEpoch(g.prefix, said.Number)
		}
		whole, err := g.checkPartitions(looking, t)
		if err != nil {
			g.cutOff.Store(true)
			g.distrust(trusted, "Redis does not answer")
			return 0, err
		}
		if whole {
			return g.adopt(looking, trusted, t)
		}
		g.distrust(trusted, "keys of the gate are gone")
	}
	switch {
	case !said.Ready: // another process is rebuilding it
		g.epoch.CompareAndSwap(trusted, nil)
	case said.Engine != engine:
		g.distrust(trusted, "Redis has failed over, or was started anew")
	}
	return g.rebuildUnderLease(ctx, engine)
}

// lookPause and lookTries bound the wait for a sale's partition after the mark names it.
const (
	lookTries = 3
	lookPause = 20 * time.Millisecond
)

// checkPartitions reports whether every partition of the epoch exists. It stores the availability of the sales.
func (g *Gate) checkPartitions(ctx context.Context, t *epoch) (bool, error) {
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
				levels[inventory.Pool{Sale: h.partition.sale, SKU: sku}] = units
			}
		}
		g.lastSeen.Store(&levels)
		return true, nil
	}
	return false, nil
}

// adopt starts to trust a complete epoch.
func (g *Gate) adopt(ctx context.Context, trusted, t *epoch) (int, error) {
	if t == trusted {
		return 0, nil
	}
	position, err := g.streamPosition(ctx, t, "position")
	if err != nil {
		return 0, err
	}
	t.position = position
	if !g.epoch.CompareAndSwap(trusted, t) {
		return 0, nil
	}
	g.log.InfoContext(ctx, "gate taken up", "epoch", t.number, "position", position)
	return 1, nil
}

// streamPosition returns how far a stream of the outbox has been applied in the epoch.
func (g *Gate) streamPosition(ctx context.Context, t *epoch, stream string) (int64, error) {
	mark, err := g.client.Do(ctx, g.client.B().Hmget().Key(t.mark).Field("epoch", stream).Build()).ToArray()
	if err != nil {
		return 0, err
	}
	if epoch, _ := mark[0].ToString(); epoch != t.text {
		g.distrust(t, "the gate's mark is gone")
		return 0, errOvertaken
	}
	return mark[1].AsInt64()
}

// rebuildUnderLease rebuilds the gate unless another process does.
func (g *Gate) rebuildUnderLease(ctx context.Context, engine string) (int, error) {
	turn := lease.NewKeeper(g.store, rebuildLease, g.holder, rebuildTTL)
	if _, err := turn.Step(ctx); err != nil {
		return 0, err
	}
	if _, held := turn.Held(); !held {
		return 0, nil
	}
	release := turn.HoldDuring()
	err := g.rebuild(ctx, engine, g.store.GateSnapshot)
	if errors.Is(err, errOvertaken) {
		err = nil
	}
	if err == nil {
		// Read the replication ids again: a server that lost its role during the rebuild has lost the writes.
		var after string
		if after, err = g.engine(ctx); err == nil && after != engine {
			g.distrust(g.epoch.Load(), "the servers changed during the rebuild")
		}
	}
	if err := errors.Join(err, release(ctx)); err != nil {
		return 0, err
	}
	return 1, nil
}

// readClock measures the offset of the database's clock.
func (g *Gate) readClock(ctx context.Context) error {
	asked := time.Now()
	now, err := g.store.Now(ctx)
	if err != nil {
		return err
	}
	g.clock.Store(&databaseClock{now, asked.Add(time.Since(asked) / 2)})
	return nil
}

// databaseClock is a reading of the database's clock and when it was taken.
type databaseClock struct{ showed, at time.Time }

// now estimates the database's time. It extrapolates with the monotonic clock, so that setting this machine's clock
// moves no deadline.
func (g *Gate) now() time.Time {
	c := g.clock.Load()
	if c == nil {
		return time.Now()
	}
	return c.showed.Add(time.Since(c.at))
}

// Deadline returns the end of a reservation made now, in milliseconds of the database's clock.
func (g *Gate) Deadline() int64 { return g.now().Add(g.config.Hold).UnixMilli() }

// engine identifies the servers that hold the gate by their replication ids.
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

// infoField returns a field of an INFO reply.
func infoField(text, name string) string {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), name+":"); ok {
			return value
		}
	}
	return ""
}
