package gate

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// soldOut is what a process remembers of a sale that has said sold_out, so that the crowd that comes too late needs no round
// trip. It is true at one version of the room, which every change of the room raises: Redis tells this process when the
// version that it keeps is no longer the newest (server-assisted client-side caching).
//
// Whoever holds something in the sale is always asked about: their key comes before the refusal.
type soldOut struct {
	mu      sync.RWMutex
	version string
	left    map[id.SKU]int64
	members int64 // length of the list of holders at the version
	// Until newestUntil the version is known to be the newest, as long as Redis has told of newestAt changes.
	newestAt    uint64
	newestUntil time.Time
	// holders are the first of that list, as many as read.
	holders map[id.Customer]struct{}
	read    int64

	reading sync.Mutex // held by the one who reads the list on
}

// note remembers an answer that was sold_out.
func (s *soldOut) note(p reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version != p.version {
		s.version, s.left, s.members, s.newestUntil = p.version, map[id.SKU]int64{}, p.holders, time.Time{}
	}
	s.left[p.sku] = p.left
}

// short is what is known of a claim without asking.
type short struct {
	sku     id.SKU // the first of which less is left than is asked for; zero where there may be enough, or the customer holds something
	version string // that this is known to be of
	// complete is false where the list of holders was not read to its end; newest says that the version is known to be the newest.
	complete, newest bool
}

func (s *soldOut) short(c *inventory.Claim, changes uint64) short {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range c.Lines {
		left, known := s.left[c.Lines[i].SKU]
		if !known {
			return short{} // the SKUs before it have enough, as far as is known
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

// isNewest notes that a version is the newest, as long as there is no further change.
func (s *soldOut) isNewest(version string, changes uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.version == version {
		s.newestAt, s.newestUntil = changes, time.Now().Add(newestKept)
	}
}

// versionKept bounds how long a version is believed without asking, beside being told that it has changed; newestKept, how
// long it is believed without looking at what was told.
const (
	versionKept = 10 * time.Second
	newestKept  = time.Second
)

// soldOut returns the SKU that is sold out for the claim, where that is known without asking; else zero.
func (g *Gate) soldOut(ctx context.Context, r *room, c *inventory.Claim) id.SKU {
	changes := g.tracked.Changes()
	s := r.soldOut.short(c, changes)
	if s.sku == 0 || s.complete && s.newest {
		return s.sku
	}
	ctx, cancel := context.WithTimeout(ctx, g.config.AskTimeout)
	defer cancel()
	if !s.complete {
		g.readHolders(ctx, r)
		return 0 // this one asks
	}
	newest, err := g.tracked.DoCache(ctx, g.tracked.B().Hget().Key(r.head).Field("version").Cache(), versionKept).ToString()
	if err != nil || newest != s.version {
		return 0
	}
	r.soldOut.isNewest(newest, changes)
	return s.sku
}

// holdersPage is how many holders one question reads: a fraction of a millisecond of Redis.
const holdersPage = 2000

// readHolders reads the list of holders on, where nobody else does. What it misses is asked for again.
func (g *Gate) readHolders(ctx context.Context, r *room) {
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
