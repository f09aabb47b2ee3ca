// Package limit counts in Redis what the processes of a shop count together: tries to log in, exactly, and requests, settled in
// portions. One script, GCRA over one number, by the clock of Redis.
package limit

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/limit"
	"github.com/tidegate/tidegate/internal/redis"
)

// answerMax bounds one count: past it the process counts for itself.
const answerMax = 250 * time.Millisecond

// gcra counts ARGV[3] of the key, each of ARGV[1] microseconds, where ARGV[2] microseconds ahead of the clock are allowed. It
// returns for how many microseconds that is too many, and counts then only where ARGV[4] is 1. A negative count gives back. What
// is counted beyond the limit is bounded, so that nobody is refused for longer than twice what fills it.
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

// key hides what is counted: an address of mail is nobody's business who looks at Redis, and may be long.
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

// Settle implements limit.Shared: one exchange for all the uses.
func (c *Counter) Settle(ctx context.Context, uses []limit.Use) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, c.client.ReplyTimeout())
	defer cancel()
	calls := make([]rueidis.LuaExec, len(uses))
	for i, u := range uses {
		calls[i] = rueidis.LuaExec{Keys: []string{c.key(u.Key)}, Args: arguments(u.Rate, u.Times, always)}
	}
	waits := make([]time.Duration, len(uses))
	for i, result := range gcra.ExecMulti(ctx, c.client, calls...) {
		over, err := result.AsInt64()
		if err != nil {
			return nil, err
		}
		waits[i] = time.Duration(over) * time.Microsecond
	}
	return waits, nil
}
