// Package limit implements rate limits across processes in Redis: log-in attempts exactly, and requests in portions
// that each process reserves. One script implements GCRA with a single number per key, by the clock of Redis.
package limit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/admission/limit"
	"github.com/tidegate/tidegate/internal/redis"
)

// answerMax bounds one request to Redis. After it the process counts by itself.
const answerMax = 250 * time.Millisecond

// gcra counts ARGV[3] events of ARGV[1] microseconds each, with a burst of ARGV[2] microseconds. It returns by how many
// microseconds the limit is exceeded; it then counts the events only if ARGV[4] is 1. A negative count gives events
// back. The excess is bounded: a refusal lasts at most twice the burst.
var gcra = rueidis.NewLuaScript(`
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local every, allowed = tonumber(ARGV[1]), tonumber(ARGV[2])
local tat = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now) + tonumber(ARGV[3]) * every
local over = tat - now - allowed
if over > 0 and ARGV[4] ~= '1' then return over end
tat = math.min(tat, now + 2 * allowed)
if tat <= now then
  redis.call('DEL', KEYS[1])
else
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', math.ceil((tat - now) / 1000))
end
return math.max(over, 0)`)

// Counter implements limit.Counter and limit.Shared. It is safe for concurrent use.
type Counter struct{ client *redis.Client }

// New returns a Counter.
func New(client *redis.Client) *Counter { return &Counter{client} }

// key hashes the counted name: it may be long, and an e-mail address should not be readable in Redis.
func (c *Counter) key(key string) string {
	sum := sha256.Sum256([]byte(key))
	return c.client.Key("limit1", hex.EncodeToString(sum[:16]))
}

func arguments(r limit.Rate, times int, always string) []string {
	every := r.Every.Microseconds()
	return []string{
		strconv.FormatInt(every, 10), strconv.FormatInt(every*int64(r.Burst), 10), strconv.Itoa(times), always,
	}
}

const (
	ifLeft = "0"
	always = "1"
)

func (c *Counter) count(ctx context.Context, key string, r limit.Rate, times int, when string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	over, err := gcra.Exec(ctx, c.client, []string{c.key(key)}, arguments(r, times, when)).AsInt64()
	return time.Duration(over) * time.Microsecond, err
}

// Take implements limit.Counter.
func (c *Counter) Take(ctx context.Context, key string, r limit.Rate) (time.Duration, error) {
	return c.count(ctx, key, r, 1, ifLeft)
}

// GiveBack implements limit.Counter.
func (c *Counter) GiveBack(ctx context.Context, key string, r limit.Rate) error {
	_, err := c.count(ctx, key, r, -1, always)
	return err
}

// Forgive implements limit.Counter.
func (c *Counter) Forgive(ctx context.Context, key string) error {
	ctx, cancel := context.WithTimeout(ctx, answerMax)
	defer cancel()
	return c.client.Do(ctx, c.client.B().Del().Key(c.key(key)).Build()).Error()
}

// Settle implements limit.Shared.
func (c *Counter) Settle(use limit.Use) (time.Duration, error) {
	return c.count(context.Background(), use.Key, use.Rate, use.Times, always)
}
