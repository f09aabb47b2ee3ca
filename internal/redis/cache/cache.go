// Package cache is the second cache level: values in Redis, shared by all processes of a shop, with invalidations that
// reach every process immediately.
//
// The value of a key and the lease to load it share one Redis key:
//
//	absent: the first process that asks takes the lease, a random token that lives for leaseFor
//	a lease: one process loads; the others poll until the value appears or the lease expires
//	a value: valid until it expires
//
// Only the holder of the lease may replace it with the value. A change deletes the key and with it the lease, so a
// loader that read the database before the change cannot store an outdated value. If a loader dies, the others wait
// only until its lease expires.
//
// A change also writes an invalidation key, which Redis announces to every process (CLIENT TRACKING in broadcast mode,
// by prefix). The values themselves are not tracked: no process needs to know that one was loaded or has expired.
package cache

import (
	"context"
	"crypto/rand"
	"errors"
	"net/url"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/redis"
)

const (
	// leaseFor is the lifetime of a load lease. A load takes milliseconds.
	leaseFor = time.Second
	// waitMax is how long a process waits for another's load before it loads the value itself.
	waitMax = 2 * leaseFor
	// askAgainFirst and askAgainMax bound the interval between polls for another process's load.
	askAgainFirst = 3 * time.Millisecond
	askAgainMax   = 50 * time.Millisecond
	// answerMax bounds one Redis request. A slower Redis is of no use: the database answers faster.
	answerMax = 250 * time.Millisecond
	// forgetMax bounds an invalidation, because the caller that made the change waits for it.
	forgetMax = time.Second
	// signFor is the lifetime of an invalidation key. Redis also announces its expiry, which costs one needless reload.
	signFor = time.Minute
	// forgetBatchMax bounds the invalidations of one pipeline.
	forgetBatchMax = 500
)

// The first byte of a stored string: lease or value.
const (
	isLease = 'L'
	isValue = 'V'
)

// The scripts are idempotent, so the client may resend them after a broken connection.

// claim returns what the key holds. If it is absent, claim stores the lease ARGV[1] for ARGV[2] milliseconds and
// returns nothing.
var claim = rueidis.NewLuaScriptRetryable(`
local there = redis.call('GET', KEYS[1])
if there then return there end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false`)

// fill replaces the lease ARGV[1] with the value ARGV[2] for ARGV[3] milliseconds; without a value it deletes the
// lease. It returns 1, or 0 if the lease is gone.
var fill = rueidis.NewLuaScriptRetryable(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`)

// forget deletes the value or lease at KEYS[1] and writes the invalidation key KEYS[2] for ARGV[1] milliseconds.
var forget = rueidis.NewLuaScriptNoShaRetryable(`
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '', 'PX', ARGV[1])
return 1`)

// Cache is the shared cache level. It is safe for concurrent use.
type Cache struct {
	client *redis.Client
	watch

	hits, loads, waits, refused, failed atomic.Uint64
}

// New returns a Cache. It is used only after Listen and the first WatchStep.
func New(client *redis.Client) *Cache {
	c := &Cache{client: client}
	c.watch = newWatch(client, c.signPrefix())
	return c
}

// Stats counts the use of the shared level since the process started.
type Stats struct {
	// Hits found a value, Loads loaded it in this process, Waits waited for another process's load.
	Hits, Loads, Waits uint64
	// Refused counts loaded values that were not stored, because the key changed meanwhile or the lease had expired.
	Refused uint64
	// Failed counts requests that Redis did not answer.
	Failed uint64
}

// Stats returns the current counts.
func (c *Cache) Stats() Stats {
	return Stats{Hits: c.hits.Load(), Loads: c.loads.Load(), Waits: c.waits.Load(), Refused: c.refused.Load(), Failed: c.failed.Load()}
}

// The Redis key contains a format version: a release that changes the format of a value uses the next number. The cache
// key is escaped, so that it cannot close the braces that keep value and invalidation key on one slot.
func (c *Cache) valueKey(key string) string {
	return c.client.Key("cache1", "{"+url.QueryEscape(key)+"}")
}
func (c *Cache) signKey(key string) string { return c.signPrefix() + "{" + url.QueryEscape(key) + "}" }
func (c *Cache) signPrefix() string        { return c.client.Key("changed1", "") }

// Load returns the shared value of a key, or calls load and shares its result for the lifetime that load returns.
// Across all processes one load of a key runs at a time, up to leaseFor. If Redis does not answer, or this process
// receives no invalidations, Load calls load and shares nothing. It returns load's error.
func (c *Cache) Load(ctx context.Context, key string, load func(context.Context) ([]byte, time.Duration, error)) ([]byte, error) {
	deadline := time.Now().Add(waitMax)
	name, lease := c.valueKey(key), newLease()
	waited := false
	for pause := askAgainFirst; c.Live(); pause = min(2*pause, askAgainMax) {
		there, err := c.claim(ctx, name, lease)
		switch {
		case errors.Is(err, rueidis.Nil), there == lease: // the second if the reply to the first attempt was lost
			return c.loadUnder(ctx, name, lease, load)
		case err != nil:
			c.failed.Add(1)
			return alone(ctx, load)
		case there[0] == isValue:
			c.hits.Add(1)
			return []byte(there[1:]), nil
		}
		if !waited {
			waited = true
			c.waits.Add(1)
		}
		if time.Now().After(deadline) {
			break
		}
		if err := sleep(ctx, pause); err != nil {
			return nil, err
		}
	}
	return alone(ctx, load)
}

// alone loads the value for this process only.
func alone(ctx context.Context, load func(context.Context) ([]byte, time.Duration, error)) ([]byte, error) {
	value, _, err := load(ctx)
	return value, err
}

// claim returns what the key holds, never empty, or rueidis.Nil if this call took the lease.
func (c *Cache) claim(ctx context.Context, name, lease string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	there, err := claim.Exec(ctx, c.client, []string{name}, []string{lease, milliseconds(leaseFor)}).ToString()
	if err == nil && there == "" {
		err = errEmpty
	}
	return there, err
}

// errEmpty says that the key holds something this package did not write.
var errEmpty = errors.New("a key of the cache holds nothing")

func (c *Cache) loadUnder(ctx context.Context, name, lease string, load func(context.Context) ([]byte, time.Duration, error)) ([]byte, error) {
	c.loads.Add(1)
	value, lifetime, err := load(ctx)
	// Release the lease even if the caller has left.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), answerMax)
	defer cancel()
	put, text := "", milliseconds(lifetime)
	if err == nil && lifetime >= time.Millisecond {
		put = string(isValue) + string(value)
	}
	kept, failed := fill.Exec(ctx, c.client, []string{name}, []string{lease, put, text}).AsInt64()
	if failed != nil {
		c.failed.Add(1)
	} else if kept == 0 {
		c.refused.Add(1)
	}
	return value, err
}

// Forget deletes the keys and invalidates them in every process. Call it after the change is committed. An error means
// that some keys may not be invalidated: call it again.
func (c *Cache) Forget(ctx context.Context, keys []string) error {
	ctx, cancel := context.WithTimeout(ctx, forgetMax)
	defer cancel()
	for len(keys) > 0 {
		n := min(len(keys), forgetBatchMax)
		calls := make([]rueidis.LuaExec, n)
		for i, key := range keys[:n] {
			calls[i] = rueidis.LuaExec{Keys: []string{c.valueKey(key), c.signKey(key)}, Args: []string{milliseconds(signFor)}}
		}
		for _, result := range forget.ExecMulti(ctx, c.client, calls...) {
			if err := result.Error(); err != nil {
				return err
			}
		}
		keys = keys[n:]
	}
	return nil
}

// leaseBytes is long enough that no two leases are equal.
const leaseBytes = 12

func newLease() string {
	token := make([]byte, leaseBytes)
	rand.Read(token)
	return string(isLease) + string(token)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// sleep waits for d. It returns ctx's error if ctx ends first.
func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
