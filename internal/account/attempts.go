package account

import (
	"container/list"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// attempts counts tries by who makes them: so many in a row, then one at a time as they are given back. It is bounded,
// forgetting whoever has been idle longest, and safe for concurrent use.
type attempts[K comparable] struct {
	burst      int
	every      rate.Limit
	trackedMax int

	mu    sync.Mutex
	byKey map[K]*list.Element
	idle  *list.List // of attempt[K]; the front tried last
}

type attempt[K comparable] struct {
	key    K
	bucket *rate.Limiter
}

func newAttempts[K comparable](burst int, every time.Duration, trackedMax int) *attempts[K] {
	return &attempts[K]{
		burst:      burst,
		every:      rate.Every(every),
		trackedMax: trackedMax,
		byKey:      map[K]*list.Element{},
		idle:       list.New(),
	}
}

// take counts one try. It returns a TooManyRequests fault, and counts nothing, when none is left; else a function that
// gives the try back, for one that came to nothing through no fault of who made it.
func (a *attempts[K]) take(key K, now time.Time) (giveBack func(), err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	element, known := a.byKey[key]
	if !known {
		if a.idle.Len() >= a.trackedMax {
			oldest := a.idle.Back()
			delete(a.byKey, oldest.Value.(attempt[K]).key)
			a.idle.Remove(oldest)
		}
		element = a.idle.PushFront(attempt[K]{key: key, bucket: rate.NewLimiter(a.every, a.burst)})
		a.byKey[key] = element
	}
	a.idle.MoveToFront(element)
	reservation := element.Value.(attempt[K]).bucket.ReserveN(now, 1)
	if wait := reservation.DelayFrom(now); wait > 0 {
		reservation.CancelAt(now)
		return nil, fault.New(fault.TooManyRequests, "Too many attempts; wait before the next.").After(wait)
	}
	return func() { reservation.CancelAt(now) }, nil
}

// forgive forgets the tries of one who succeeded.
func (a *attempts[K]) forgive(key K) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if element, known := a.byKey[key]; known {
		delete(a.byKey, key)
		a.idle.Remove(element)
	}
}

// clientKey is whom an address stands for: an IPv4 address itself, and for IPv6 its /64, of which one subscriber has all.
func clientKey(client netip.Addr) netip.Addr {
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
