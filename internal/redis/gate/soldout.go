package gate

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// soldOut is a process's memory of a sale that has answered sold_out. It lets the process refuse late shoppers without
// a round trip. It holds for one version of the partition; every change of the partition increments the version, and
// Redis notifies this process of the increment (server-assisted client-side caching).
//
// Customers who hold something in the sale are never refused from memory: their key may have an order.
type soldOut struct {
	mu      sync.RWMutex
	version string
	left    map[id.SKU]int64
	members int64 // length of the list of holders at this version
	// The version is known to be the newest until newestUntil, while Tracking.Changes equals newestAt.
	newestAt    uint64
	newestUntil time.Time
	// holders are the entries of that list that have been read.
	holders map[id.Customer]struct{}
	read    int64

	reading sync.Mutex // held while the list is read
}

// note stores a sold_out answer.
func (s *soldOut) note(p reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != p.version {
		s.version, s.left, s.members, s.newestUntil = p.version, map[id.SKU]int64{}, p.holders, time.Time{}
	}
	s.left[p.sku] = p.left
}

// short is the outcome of a check from memory.
type short struct {
	sku     id.SKU // first SKU with too few units; zero if there may be enough, or the customer holds something
	version string // version for which this is known
	// complete says that the list of holders was read to its end. newest says that the version is known to be the
	// newest.
	complete, newest bool
}

func (s *soldOut) short(c *inventory.Claim, changes uint64) short {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range c.Lines {
		left, known := s.left[c.Lines[i].SKU]
		if !known {
			return short{} // as far as known, the SKUs before it have enough
		}
		if left >= c.Lines[i].Units {
			continue
		}
		if _, holds := s.holders[c.Customer]; holds {
			return short{}
		}
		newest := s.newestAt == changes && time.Now().Before(s.newestUntil)
		return short{c.Lines[i].SKU, s.version, s.read >= s.members, newest}
	}
	return short{}
}

// isNewest records that a version is the newest while no further change is reported.
func (s *soldOut) isNewest(version string, changes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == version {
		s.newestAt, s.newestUntil = changes, time.Now().Add(newestKept)
	}
}

// versionKept bounds how long a version is used without reading it, in addition to invalidations. newestKept bounds how
// long it is used without checking for invalidations.
const (
	versionKept = 10 * time.Second
	newestKept  = time.Second
)

// soldOut returns a SKU of the claim that is known to be sold out, or zero if Redis must be asked.
func (g *Gate) soldOut(ctx context.Context, r *partition, c *inventory.Claim) id.SKU {
	changes := g.tracked.Changes()
	s := r.soldOut.short(c, changes)
	if s.sku == 0 || s.complete && s.newest {
		return s.sku
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	if !s.complete {
		g.readHolders(ctx, r)
		return 0 // holders may ask Redis
	}
	newest, err := g.tracked.DoCache(ctx, g.tracked.B().Hget().Key(r.head).Field("version").Cache(), versionKept).ToString()
	if err != nil || newest != s.version {
		return 0
	}
	r.soldOut.isNewest(newest, changes)
	return s.sku
}

// holdersPage bounds the holders of one request, which takes Redis a fraction of a millisecond.
const holdersPage = 2000

// readHolders reads further entries of the list of holders, unless another goroutine does. Unread holders are asked for
// in Redis.
func (g *Gate) readHolders(ctx context.Context, r *partition) {
	s := &r.soldOut
	if !s.reading.TryLock() {
		return
	}
	defer s.reading.Unlock()
	for {
		s.mu.RLock()
		from, to := s.read, s.members
		s.mu.RUnlock()
		if from >= to {
			return
		}
		to = min(to, from+holdersPage)
		page, err := g.client.Do(ctx, g.client.B().Lrange().Key(r.holders).Start(from).Stop(to-1).Build()).AsStrSlice()
		if err != nil || int64(len(page)) != to-from {
			return
		}
		s.mu.Lock()
		if s.holders == nil {
			s.holders = map[id.Customer]struct{}{}
		}
		for _, one := range page {
			if n, err := strconv.ParseInt(one, 10, 64); err == nil {
				s.holders[id.Customer(n)] = struct{}{}
			}
		}
		s.read = to
		s.mu.Unlock()
	}
}
