// Package cache is the level of the cache that the processes of a shop share, in Redis, and how each of them hears at once of
// what another has changed.
//
// A value and the right to load it lie under one key, so that they cannot part:
//
//	absent        whoever asks first takes the lease: the key is set to a token of their own, for leaseFor
//	a lease       somebody is loading; others ask again until the value is there, or the lease has run out
//	a value       until it expires
//
// Only the holder of the token may put the value in its place. A change deletes the key, and with it the lease: a loader that
// read the database before the change cannot store what it read. One that died is waited for no longer than its lease.
//
// A change also writes a sign, a small key of its own, which Redis announces to every process (CLIENT TRACKING, broadcast by
// prefix). The values themselves are not tracked: that one was loaded or has expired is nobody's news.
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
	// leaseFor is how long one loader is waited for: a load takes milliseconds.
	leaseFor = time.Second
	// waitMax is how long a process waits for another's load before it loads for itself.
	waitMax = 2 * leaseFor
	// askAgainFirst and askAgainMax bound the pauses between two looks at another's load.
	askAgainFirst = 3 * time.Millisecond
	askAgainMax   = 50 * time.Millisecond
	// answerMax bounds one look into Redis: the database answers sooner than a Redis that takes longer.
	answerMax = 250 * time.Millisecond
	// forgetMax bounds the telling of a change, for which whoever changed something waits.
	forgetMax = time.Second
	// signFor is how long a sign stays. Its end is announced too, and only makes a process look once more.
	signFor = time.Minute
	// forgetBatchMax bounds how many changes go into one pipeline.
	forgetBatchMax = 500
)

// The first byte of what lies under a key.
const (
	isLease = 'L'
	isValue = 'V'
)

// The scripts may run twice where a connection breaks: the second time does no harm.

// claim returns what lies under the key, or nothing after it has put the lease ARGV[1] there for ARGV[2] milliseconds.
var claim = rueidis.NewLuaScriptRetryable(`
local there = redis.call('GET', KEYS[1])
if there then return there end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false`)

// fill puts the value ARGV[2] in the place of the lease ARGV[1], for ARGV[3] milliseconds; without a value it takes the lease
// away. It returns 1, or 0 where the lease is not there any more.
var fill = rueidis.NewLuaScriptRetryable(`
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`)

// forget deletes the value or the lease of KEYS[1] and gives the sign KEYS[2] for ARGV[1] milliseconds.
var forget = rueidis.NewLuaScriptNoShaRetryable(`
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '', 'PX', ARGV[1])
return 1`)

// Cache is the shared level. It is safe for concurrent use.
type Cache struct {
	client *redis.Client
	watch

	hits, loads, waits, refused, failed atomic.Uint64
}

// New returns the Cache. It is not live before Listen and the first WatchStep.
func New(client *redis.Client) *Cache {
	c := &Cache{client: client}
	c.watch = newWatch(client, c.signPrefix())
	return c
}

// Stats counts what the shared level did since the process began.
type Stats struct {
	// Hits are values that were there, Loads those that this process loaded, Waits those that it waited for while another did.
	Hits, Loads, Waits uint64
	// Refused are loaded values that were not shared, because something had changed meanwhile or the lease had run out.
	Refused uint64
	// Failed are look-ups that Redis did not answer.
	Failed uint64
}

// Stats returns the counts.
func (c *Cache) Stats() Stats {
	return Stats{Hits: c.hits.Load(), Loads: c.loads.Load(), Waits: c.waits.Load(), Refused: c.refused.Load(), Failed: c.failed.Load()}
}

// The names of keys carry a number of the values' form: a release that changes a form takes the next one. The key itself is
// escaped, so that nothing in it can end the braces that keep value and sign on one slot.
func (c *Cache) valueKey(key string) string {
	return c.client.Key("cache1", "{"+url.QueryEscape(key)+"}")
}
func (c *Cache) signKey(key string) string { return c.signPrefix() + "{" + url.QueryEscape(key) + "}" }
func (c *Cache) signPrefix() string        { return c.client.Key("changed1", "") }

// Load returns the value of the key: the shared one, or what load returns, which is then shared for the lifetime that load
// says. In all processes together one load of a key runs at a time, as far as a second reaches. Where Redis does not answer,
// or while this process would not hear of changes, it is load's own answer. It returns load's error.
func (c *Cache) Load(ctx context.Context, key string, load func(context.Context) ([]byte, time.Duration, error)) ([]byte, error) {
	deadline := time.Now().Add(waitMax)
	name, lease := c.valueKey(key), newLease()
	waited := false
	for pause := askAgainFirst; c.Live(); pause = min(2*pause, askAgainMax) {
		there, err := c.claim(ctx, name, lease)
		switch {
		case errors.Is(err, rueidis.Nil), there == lease: // the latter where the first answer was lost
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

// alone loads for this process only.
func alone(ctx context.Context, load func(context.Context) ([]byte, time.Duration, error)) ([]byte, error) {
	value, _, err := load(ctx)
	return value, err
}

// claim returns what lies under the key, never empty, and rueidis.Nil where the lease was taken.
func (c *Cache) claim(ctx context.Context, name, lease string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	there, err := claim.Exec(ctx, c.client, []string{name}, []string{lease, milliseconds(leaseFor)}).ToString()
	if err == nil && there == "" {
		err = errEmpty
	}
	return there, err
}

// errEmpty says that something that is not ours lies under a key.
var errEmpty = errors.New("a key of the cache holds nothing")

func (c *Cache) loadUnder(ctx context.Context, name, lease string, load func(context.Context) ([]byte, time.Duration, error)) ([]byte, error) {
	c.loads.Add(1)
	value, lifetime, err := load(ctx)
	// The lease is given back also where whoever waited has left.
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

// Forget drops the keys for every process, which hear of it at once. Call it after the change has been committed. It returns
// an error where Redis may not have done it for all: call it again then.
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

// leaseBytes make a token that no two loaders share.
const leaseBytes = 12

func newLease() string {
	token := make([]byte, leaseBytes)
	rand.Read(token)
	return string(isLease) + string(token)
}

func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// sleep returns the context's error where that ends first.
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
