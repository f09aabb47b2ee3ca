package limit

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Shared adds up what the processes of a shop count. Implementations are safe for concurrent use.
type Shared interface {
	// Settle counts every use, also beyond what is left, and returns for each how long its key is to be refused, zero for not
	// at all. Its error is for all of them.
	Settle(ctx context.Context, uses []Use) ([]time.Duration, error)
}

// Use is how often a key was used since it was last settled.
type Use struct {
	Key   string
	Rate  Rate
	Times int
}

// Requests limits the requests of customers and of client addresses. It is safe for concurrent use, bounded, and does no I/O:
// each process counts in memory and refuses by that. Where processes share their counts, each settles them in the background
// in portions of a quarter of the burst, and learns whom to refuse; together they may let through that many more each.
type Requests struct {
	customers table[id.Customer]
	clients   table[netip.Addr]
	shared    Shared
}

// NewRequests returns the limits of the configuration, which must be valid. shared is nil where the process is alone.
func NewRequests(c Config, shared Shared) *Requests {
	r := &Requests{shared: shared}
	r.customers.init(rate(c.CustomerPerSecond, c.CustomerBurst), c.TrackedMax, shared != nil,
		func(customer id.Customer) uint64 { return uint64(customer) },
		func(customer id.Customer) string { return "customer:" + customer.String() })
	r.clients.init(rate(c.ClientPerSecond, c.ClientBurst), c.TrackedMax, shared != nil, addressHash,
		func(client netip.Addr) string { return "client:" + client.String() })
	return r
}

func addressHash(a netip.Addr) (h uint64) {
	b := a.As16()
	for _, part := range b {
		h = h*31 + uint64(part)
	}
	return h
}

// LimitsClients reports whether client addresses are limited at all: finding one out costs a little.
func (r *Requests) LimitsClients() bool { return r.clients.rate.Every != 0 }

// Customer counts a request of a customer. It returns fault.TooManyRequests where none is left.
func (r *Requests) Customer(customer id.Customer) error { return r.customers.take(customer) }

// Client counts a request from a client address; IPv6 addresses of one /64 are one. It returns fault.TooManyRequests where none
// is left.
func (r *Requests) Client(client netip.Addr) error { return r.clients.take(ClientKey(client)) }

// ClientKey is whom an address stands for: an IPv4 address itself, and for IPv6 its /64, of which one subscriber has all.
func ClientKey(client netip.Addr) netip.Addr {
	client = client.Unmap().WithZone("")
	if !client.Is6() {
		return client
	}
	prefix, err := client.Prefix(64)
	if err != nil {
		return client
	}
	return prefix.Addr()
}

// SettleStep settles what has been counted since the last step. It returns how many keys it settled, and the error of Shared;
// what could not be settled is dropped, and the process's own counts go on limiting.
func (r *Requests) SettleStep(ctx context.Context) (did int, err error) {
	if r.shared == nil {
		return 0, nil
	}
	customers, err1 := r.customers.settle(ctx, r.shared)
	clients, err2 := r.clients.settle(ctx, r.shared)
	return customers + clients, errors.Join(err1, err2)
}

const (
	// settleMax bounds one exchange with the shared counts.
	settleMax = 1000
	shards    = 64
)

// table counts by key in memory.
type table[K comparable] struct {
	rate    Rate // zero: no limit
	portion int  // 0: nothing is settled
	began   time.Time
	hash    func(K) uint64
	name    func(K) string
	shards  [shards]shard[K]
}

type shard[K comparable] struct {
	mu    sync.Mutex
	max   int
	byKey map[K]bucket
	due   map[K]struct{} // those with a portion to settle
}

// bucket is a key's count. Times are since the table began.
type bucket struct {
	tat       time.Duration
	refused   time.Duration // until then, by what others have counted
	unsettled int
}

func (t *table[K]) init(r Rate, trackedMax int, settles bool, hash func(K) uint64, name func(K) string) {
	t.rate, t.began, t.hash, t.name = r, time.Now(), hash, name
	if settles {
		t.portion = max(1, r.Burst/4)
	}
	for i := range t.shards {
		t.shards[i] = shard[K]{max: max(1, trackedMax/shards), byKey: map[K]bucket{}, due: map[K]struct{}{}}
	}
}

func (t *table[K]) shard(key K) *shard[K] { return &t.shards[t.hash(key)*0x9E3779B97F4A7C15>>58] }

func (t *table[K]) take(key K) error {
	if t.rate.Every == 0 {
		return nil
	}
	now := time.Since(t.began)
	s := t.shard(key)
	s.mu.Lock()
	b, known := s.byKey[key]
	if !known {
		s.makeRoom(now)
	}
	after, wait := t.rate.Take(b.tat-now, 1)
	if wait = max(wait, b.refused-now); wait <= 0 {
		b.tat = now + after
		if b.unsettled++; b.unsettled == t.portion {
			s.due[key] = struct{}{}
		}
		s.byKey[key] = b
	}
	s.mu.Unlock()
	if wait > 0 {
		return fault.New(fault.TooManyRequests, "Too many requests; wait before the next.").After(wait)
	}
	return nil
}

// roomTries is how many keys are looked at for one that owes nothing.
const roomTries = 8

// makeRoom drops a key where the shard is full, if it can be one that has been idle.
func (s *shard[K]) makeRoom(now time.Duration) {
	if len(s.byKey) < s.max {
		return
	}
	var victim K
	tries := 0
	for key, b := range s.byKey { // in random order
		victim = key
		if tries++; tries == roomTries || b.tat < now && b.refused < now {
			break
		}
	}
	delete(s.byKey, victim)
	delete(s.due, victim)
}

// settle settles the portions that are due, and returns how many keys they are of.
func (t *table[K]) settle(ctx context.Context, shared Shared) (did int, err error) {
	keys, uses := t.takeDue()
	for did < len(uses) {
		to := min(did+settleMax, len(uses))
		waits, err := shared.Settle(ctx, uses[did:to])
		if err != nil {
			return did, err
		}
		now := time.Since(t.began)
		for i, wait := range waits {
			if wait > 0 {
				t.refuse(keys[did+i], now+wait)
			}
		}
		did = to
	}
	return did, nil
}

func (t *table[K]) takeDue() (keys []K, uses []Use) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		for key := range s.due {
			b := s.byKey[key]
			keys, uses = append(keys, key), append(uses, Use{Key: t.name(key), Rate: t.rate, Times: b.unsettled})
			b.unsettled = 0
			s.byKey[key] = b
		}
		clear(s.due)
		s.mu.Unlock()
	}
	return keys, uses
}

func (t *table[K]) refuse(key K, until time.Duration) {
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, known := s.byKey[key]; known {
		b.refused = until
		s.byKey[key] = b
	}
}
