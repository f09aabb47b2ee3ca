package limit

import (
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Shared adds up what the processes of a shop count. Implementations are safe for concurrent use and answer within a bound of their
// own.
type Shared interface {
	// Settle counts every use, also beyond what is left, and returns for how long the key is to be refused, zero for not at all.
	Settle(use Use) (time.Duration, error)
}

// Use is how often a key was used since it was last settled.
type Use struct {
	Key   string
	Rate  Rate
	Times int
}

// Requests limits the requests of customers and of client addresses. It is safe for concurrent use and bounded. Each process counts in
// memory. Where processes share their counts, a process settles a key's requests in portions of a sixteenth of its burst: the request that
// completes a portion waits for the shared count, one round trip, and so do the key's others meanwhile. Together n processes therefore
// grant a burst and at most n portions more. Keys that ask less than a portion cost no round trip. While the shared count does not
// answer, each process counts for itself.
type Requests struct {
	customers atomic.Pointer[table[id.Customer]]
	clients   atomic.Pointer[table[netip.Addr]]
	shared    Shared
}

// NewRequests returns the limits of the configuration, which must be valid. shared is nil where the process is alone.
func NewRequests(c Config, shared Shared) *Requests {
	r := &Requests{shared: shared}
	r.Set(c)
	return r
}

// Set has the limits be those of another configuration, which must be valid. Where the limits of customers or those of client addresses
// change, their counts begin anew: what was counted by one rate says nothing by another.
func (r *Requests) Set(c Config) {
	customers, clients := rate(c.CustomerPerSecond, c.CustomerBurst), rate(c.ClientPerSecond, c.ClientBurst)
	if t := r.customers.Load(); t == nil || t.rate != customers || t.trackedMax != c.TrackedMax {
		r.customers.Store(newTable(customers, c.TrackedMax, r.shared,
			func(customer id.Customer) uint64 { return uint64(customer) },
			func(customer id.Customer) string { return "customer:" + customer.String() }))
	}
	if t := r.clients.Load(); t == nil || t.rate != clients || t.trackedMax != c.TrackedMax {
		r.clients.Store(newTable(clients, c.TrackedMax, r.shared, addressHash,
			func(client netip.Addr) string { return "client:" + client.String() }))
	}
}

func addressHash(a netip.Addr) (h uint64) {
	b := a.As16()
	for _, part := range b {
		h = h*31 + uint64(part)
	}
	return h
}

// LimitsClients reports whether client addresses are limited at all: finding one out costs a little.
func (r *Requests) LimitsClients() bool { return r.clients.Load().rate.Every != 0 }

// Customer counts a request of a customer. It returns fault.TooManyRequests where none is left.
func (r *Requests) Customer(customer id.Customer) error { return r.customers.Load().take(customer) }

// Client counts a request from a client address; IPv6 addresses of one /64 are one. It returns fault.TooManyRequests where none
// is left.
func (r *Requests) Client(client netip.Addr) error { return r.clients.Load().take(ClientKey(client)) }

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

// portions is how many portions a burst has.
const portions = 16

// aloneFor is how long a process counts for itself after the shared count has failed: requests do not wait for it one by one.
const aloneFor = time.Second

const shards = 64

// table counts by key in memory, by one rate.
type table[K comparable] struct {
	rate       Rate // zero: no limit
	trackedMax int
	shared     Shared       // nil: nothing is settled
	portion    int          // requests of a key that are settled together
	alone      atomic.Int64 // nanoseconds since began until which nothing is settled
	began      time.Time
	hash       func(K) uint64
	name       func(K) string
	shards     [shards]shard[K]
}

type shard[K comparable] struct {
	mu     sync.Mutex
	max    int
	byKey  map[K]bucket
	asking map[K]chan struct{} // keys whose portion is being settled; closed when it has been
}

// bucket is a key's count. Times are since the table began.
type bucket struct {
	tat       time.Duration
	refused   time.Duration // until then, by what others have counted
	unsettled int           // -1: a request was settled and then refused
}

func newTable[K comparable](r Rate, trackedMax int, shared Shared, hash func(K) uint64, name func(K) string) *table[K] {
	t := &table[K]{rate: r, trackedMax: trackedMax, began: time.Now(), hash: hash, shared: shared, portion: max(1, r.Burst/portions)}
	// Processes that have heard of a new rate, and those that have not, add up each by its own: a count by one rate would lock out for long by
	// another.
	by := " by " + strconv.FormatInt(int64(r.Every), 36) + "x" + strconv.Itoa(r.Burst)
	t.name = func(key K) string { return name(key) + by }
	for i := range t.shards {
		t.shards[i] = shard[K]{max: max(1, trackedMax/shards), byKey: map[K]bucket{}, asking: map[K]chan struct{}{}}
	}
	return t
}

func (t *table[K]) shard(key K) *shard[K] { return &t.shards[t.hash(key)*0x9E3779B97F4A7C15>>58] }

func (t *table[K]) take(key K) error {
	if t.rate.Every == 0 {
		return nil
	}
	for {
		wait, uses, settling := t.count(key)
		switch {
		case settling != nil && uses == 0:
			<-settling // another request of the key settles: Shared bounds how long that takes
			continue
		case settling != nil:
			wait = t.settle(key, uses, settling)
		}
		if wait > 0 {
			return fault.New(fault.TooManyRequests, "Too many requests; wait before the next.").After(wait)
		}
		return nil
	}
}

// count counts a request in memory, and returns how long it has to wait. Where settling is not nil, uses are for the caller to settle; none:
// another request does, and nothing was counted.
func (t *table[K]) count(key K) (wait time.Duration, uses int, settling chan struct{}) {
	now := time.Since(t.began)
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.asking) > 0 {
		if settling := s.asking[key]; settling != nil {
			return 0, 0, settling
		}
	}
	b, known := s.byKey[key]
	if !known {
		s.makeRoom(now)
	}
	after, wait := t.rate.Take(b.tat-now, 1)
	if wait = max(wait, b.refused-now); wait > 0 {
		return wait, 0, nil
	}
	b.tat = now + after
	if t.shared != nil {
		if b.unsettled++; b.unsettled >= t.portion && int64(now) >= t.alone.Load() {
			uses, settling = b.unsettled, make(chan struct{})
			s.asking[key], b.unsettled = settling, 0
		}
	}
	s.byKey[key] = b
	return 0, uses, settling
}

// settle adds uses of a key, of which the caller's request is the last, to the shared count. It returns how long that request has to wait.
// A request that is refused is taken back from both counts.
func (t *table[K]) settle(key K, uses int, settling chan struct{}) time.Duration {
	wait, err := t.shared.Settle(Use{Key: t.name(key), Rate: t.rate, Times: uses})
	now := time.Since(t.began)
	s := t.shard(key)
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.asking, key)
	close(settling)
	if err != nil {
		t.alone.Store(int64(now + aloneFor))
		return 0
	}
	if b, known := s.byKey[key]; known && wait > 0 {
		b.tat, b.refused, b.unsettled = b.tat-t.rate.Every, now+wait, -1
		s.byKey[key] = b
	}
	return wait
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
}
