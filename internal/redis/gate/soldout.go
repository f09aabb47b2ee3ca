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
		s.version, s.left, s.members = p.version, map[id.SKU]int64{}, p.holders
	}
	s.left[p.sku] = p.left
}

// short returns the first SKU of which less is left than the claim asks for, and the version that is known to be of; zero
// where there may be enough, or the customer holds something. complete is false where the list of holders was not read to its
// end.
func (s *soldOut) short(c *inventory.Claim) (sku id.SKU, version string, complete bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, l := range c.Lines {
		left, known := s.left[l.SKU]
		if !known {
			return 0, "", true // the SKUs before it have enough, as far as is known
		}
		if left >= l.Units {
			continue
		}
		if _, holds := s.holders[c.Customer]; holds {
			return 0, "", true
		}
		return l.SKU, s.version, s.read >= s.members
	}
	return 0, "", true
}

// versionKept bounds how long a version is believed without asking, beside being told that it has changed.
const versionKept = 10 * time.Second

// soldOut returns the SKU that is sold out for the claim, where that is known without asking; else zero.
func (g *Gate) soldOut(ctx context.Context, r *room, c *inventory.Claim) id.SKU {
	sku, version, complete := r.soldOut.short(c)
	if sku == 0 {
		return 0
	}
	if !complete {
		g.readHolders(ctx, r)
		return 0 // this one asks
	}
	newest, err := g.tracked.DoCache(ctx, g.tracked.B().Hget().Key(r.head).Field("version").Cache(), versionKept).ToString()
	if err != nil || newest != version {
		return 0
	}
	return sku
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
