package account

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// revoked holds the sessions that ended before their access tokens expired, and when the tokens expire. It is safe for
// concurrent use, does no I/O and looks up without allocating.
//
// It is bounded. When it is full it drops its list and raises a floor: every token issued earlier is refused and must
// be refreshed, and the refresh asks the store. That causes a burst of refreshes, but never accepts a token of an ended
// session.
type revoked struct {
	sessionsMax int64
	count       atomic.Int64
	floor       atomic.Int64 // Unix milliseconds; 0: none
	raise       sync.Mutex
	next        atomic.Uint32
	shards      [revokedShards]revokedShard
}

const revokedShards = 64

type revokedShard struct {
	mu    sync.RWMutex
	until map[id.Session]int64 // Unix milliseconds
}

func newRevoked(sessionsMax int) *revoked {
	r := &revoked{sessionsMax: int64(sessionsMax)}
	for i := range r.shards {
		r.shards[i].until = map[id.Session]int64{}
	}
	return r
}

// shard uses all bits of the id: the low bits of a snowflake are mostly zero.
func (r *revoked) shard(session id.Session) *revokedShard {
	return &r.shards[uint64(session)*0x9E3779B97F4A7C15>>58]
}

// add remembers an ended session. Its tokens are refused as soon as add returns.
func (r *revoked) add(session id.Session, until, now time.Time) {
	if session.IsZero() || !now.Before(until) {
		return
	}
	if r.count.Load() >= r.sessionsMax {
		r.raiseFloor(now)
	}
	shard := r.shard(session)
	shard.mu.Lock()
	defer shard.mu.Unlock()
	was, known := shard.until[session]
	if !known {
		r.count.Add(1)
	}
	shard.until[session] = max(was, until.UnixMilli())
}

// raiseFloor sets the floor before it empties the list, so that no ended session is accepted in between.
func (r *revoked) raiseFloor(now time.Time) {
	r.raise.Lock()
	defer r.raise.Unlock()
	if r.count.Load() < r.sessionsMax {
		return // another caller was first
	}
	r.floor.Store(max(r.floor.Load(), now.UnixMilli()))
	for i := range r.shards {
		shard := &r.shards[i]
		shard.mu.Lock()
		r.count.Add(-int64(len(shard.until)))
		clear(shard.until)
		shard.mu.Unlock()
	}
}

// refuses reports whether a token of the session issued at that time is refused. Tokens without a session never are.
func (r *revoked) refuses(session id.Session, issued time.Time) bool {
	if session.IsZero() {
		return false
	}
	// Check the list first: the floor is raised before the list is emptied, so one of the two always refuses.
	if r.count.Load() != 0 && r.shard(session).has(session) {
		return true
	}
	floor := r.floor.Load()
	return floor != 0 && issued.UnixMilli() < floor
}

func (s *revokedShard) has(session id.Session) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	_, found := s.until[session]
	return found
}

// forget removes sessions whose last access token has expired, from one shard at each call. It returns their number.
func (r *revoked) forget(now time.Time) int {
	shard := &r.shards[r.next.Add(1)%revokedShards]
	shard.mu.Lock()
	defer shard.mu.Unlock()
	dropped := 0
	for session, until := range shard.until {
		if until <= now.UnixMilli() {
			delete(shard.until, session)
			dropped++
		}
	}
	r.count.Add(-int64(dropped))
	return dropped
}
