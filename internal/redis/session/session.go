// Package session stores customers' sessions and the ledger of revoked sessions in Redis. If Redis loses its data,
// every customer must sign in again. All keys share one slot, so that each method is one script.
package session

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/rueidis"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/redis"
)

var _ account.SessionStore = (*Store)(nil)

// Store implements account.SessionStore. It is safe for concurrent use.
type Store struct {
	client *redis.Client
	base   string
}

// New returns a Store.
func New(client *redis.Client) *Store {
	return &Store{client, client.Key("session1", "{sessions}", "")}
}

// Keys below the base KEYS[1]:
//
//	s:<id>      a session
//	c:<customer> the customer's open sessions, by expiry
//	ends        all sessions, by expiry
//	ledger      revoked sessions, by position
//	untils      revoked sessions, by the time when they may be deleted
//	position    the last position
//
// Times are milliseconds since 1970. Ids are compared as strings, by length first, because a Lua number cannot hold
// them exactly.
const common = `
local base = KEYS[1]
-- position increases with each revoked session. It follows the clock of Redis, so it still increases after a loss of all data.
local function position()
  local t = redis.call('TIME')
  local p = t[1] * 1000000 + t[2]
  local last = tonumber(redis.call('GET', base .. 'position') or 0)
  if p <= last then p = last + 1 end
  redis.call('SET', base .. 'position', string.format('%.0f', p))
  return string.format('%.0f', p)
end
local function finish(session, now, till)
  local s = base .. 's:' .. session
  local at = redis.call('HMGET', s, 'revoked', 'expires', 'customer')
  if at[1] ~= '0' then return end
  local expires = at[2]
  if tonumber(expires) > tonumber(till) then expires = till end
  redis.call('HSET', s, 'revoked', now, 'expires', expires)
  redis.call('ZADD', base .. 'ends', expires, session)
  redis.call('ZREM', base .. 'c:' .. at[3], session)
  local entry = session .. ':' .. till
  redis.call('ZADD', base .. 'ledger', position(), entry)
  redis.call('ZADD', base .. 'untils', till, entry)
end
-- finishOpen ends the customer's open sessions but the newest skip, and returns them, the newest first.
local function finishOpen(customer, now, till, skip)
  local open = redis.call('ZRANGEBYSCORE', base .. 'c:' .. customer, '(' .. now, '+inf')
  table.sort(open, function(a, b)
    if #a ~= #b then return #a > #b end
    return a > b
  end)
  local ended = {}
  for i = skip + 1, #open do
    finish(open[i], now, till)
    ended[#ended + 1] = open[i]
  end
  return ended
end
`

var (
	insert = rueidis.NewLuaScript(common + `
local session, customer, expires = ARGV[1], ARGV[2], ARGV[3]
redis.call('HSET', base .. 's:' .. session, 'customer', customer, 'expires', expires, 'revoked', ARGV[4],
  'family', ARGV[5], 'current', ARGV[6], 'previous', ARGV[7], 'salt', ARGV[8], 'rotated', ARGV[9], 'created', ARGV[10])
redis.call('ZADD', base .. 'ends', expires, session)
if ARGV[4] == '0' then redis.call('ZADD', base .. 'c:' .. customer, expires, session) end
return finishOpen(customer, ARGV[10], ARGV[11], tonumber(ARGV[12]))`)

	rotate = rueidis.NewLuaScript(common + `
local session, s = ARGV[1], base .. 's:' .. ARGV[1]
local at = redis.call('HMGET', s, 'current', 'revoked', 'customer')
if at[1] ~= ARGV[2] or at[2] ~= '0' then return 0 end
redis.call('HSET', s, 'current', ARGV[3], 'previous', ARGV[4], 'salt', ARGV[5], 'rotated', ARGV[6], 'expires', ARGV[7])
redis.call('ZADD', base .. 'ends', ARGV[7], session)
redis.call('ZADD', base .. 'c:' .. at[3], ARGV[7], session)
return 1`)

	revoke = rueidis.NewLuaScript(common + `
finish(ARGV[1], ARGV[2], ARGV[3])
return 1`)

	revokeAll = rueidis.NewLuaScript(common + `
return finishOpen(ARGV[1], ARGV[2], ARGV[3], 0)`)

	// open returns the customer's open sessions, newest first, at most ARGV[3]: for each, its id and the fields as read
	// returns them.
	open = rueidis.NewLuaScriptRetryable(`
local all = redis.call('ZRANGEBYSCORE', KEYS[1] .. 'c:' .. ARGV[1], '(' .. ARGV[2], '+inf')
table.sort(all, function(a, b)
  if #a ~= #b then return #a > #b end
  return a > b
end)
local found = {}
for i = 1, math.min(#all, tonumber(ARGV[3])) do
  found[#found + 1] = all[i]
  for _, value in ipairs(redis.call('HMGET', KEYS[1] .. 's:' .. all[i], 'customer', 'family', 'current', 'previous', 'salt', 'rotated', 'created', 'expires', 'revoked')) do
    found[#found + 1] = value
  end
end
return found`)

	read = rueidis.NewLuaScriptRetryable(`
return redis.call('HMGET', KEYS[1] .. 's:' .. ARGV[1], 'customer', 'family', 'current', 'previous', 'salt', 'rotated', 'created', 'expires', 'revoked')`)

	// revocations returns a flat list: position, session and expiry of each.
	revocations = rueidis.NewLuaScriptRetryable(`
local found, from, limit = {}, '(' .. ARGV[1], tonumber(ARGV[3])
repeat
  local page = redis.call('ZRANGEBYSCORE', KEYS[1] .. 'ledger', from, '+inf', 'WITHSCORES', 'LIMIT', 0, limit)
  for i = 1, #page, 2 do
    local session, till = string.match(page[i], '(%d+):(%d+)')
    from = '(' .. page[i + 1]
    if tonumber(till) > tonumber(ARGV[2]) and #found < 3 * limit then
      found[#found + 1], found[#found + 2], found[#found + 3] = page[i + 1], session, till
    end
  end
until #page == 0 or #found >= 3 * limit
return found`)

	deleteEnded = rueidis.NewLuaScript(common + `
local sessions = redis.call('ZRANGEBYSCORE', base .. 'ends', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, session in ipairs(sessions) do
  local customer = redis.call('HGET', base .. 's:' .. session, 'customer')
  if customer then redis.call('ZREM', base .. 'c:' .. customer, session) end
  redis.call('DEL', base .. 's:' .. session)
  redis.call('ZREM', base .. 'ends', session)
end
local entries = redis.call('ZRANGEBYSCORE', base .. 'untils', '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, entry in ipairs(entries) do
  redis.call('ZREM', base .. 'ledger', entry)
  redis.call('ZREM', base .. 'untils', entry)
end
return #sessions + #entries`)
)

// run runs a script. It returns fault.StoreUnavailable and fault.TimedOut.
func (s *Store) run(ctx context.Context, script *rueidis.Lua, args ...string) rueidis.RedisResult {
	return script.Exec(ctx, s.client, []string{s.base}, args)
}

func unavailable(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return fault.Wrap(fault.TimedOut, err, "The sessions could not be asked in time.")
	default:
		return fault.Wrap(fault.StoreUnavailable, err, "The sessions cannot be reached at the moment; try again.")
	}
}

func millis(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.UnixMilli(), 10)
}

func moment(text string) (time.Time, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n == 0 {
		return time.Time{}, err
	}
	return time.UnixMilli(n).UTC(), nil
}

// InsertSession implements account.SessionStore.
func (s *Store) InsertSession(ctx context.Context, v account.Session, openMax int, until time.Time) ([]id.Session, error) {
	return ids(s.run(ctx, insert, v.ID.String(), v.Customer.String(), millis(v.ExpiresAt), millis(v.RevokedAt),
		string(v.Family[:]), string(v.Current[:]), string(v.Previous[:]), string(v.Salt[:]), millis(v.RotatedAt), millis(v.CreatedAt),
		millis(until), strconv.Itoa(openMax)))
}

func ids(result rueidis.RedisResult) ([]id.Session, error) {
	texts, err := result.AsStrSlice()
	if err != nil {
		return nil, unavailable(err)
	}
	var all []id.Session
	for _, text := range texts {
		session, err := id.Parse[id.Session](text)
		if err != nil {
			return nil, fmt.Errorf("a session in Redis: %w", err)
		}
		all = append(all, session)
	}
	return all, nil
}

// Session implements account.SessionStore.
func (s *Store) Session(ctx context.Context, session id.Session) (account.Session, error) {
	fields, err := s.run(ctx, read, session.String()).AsStrSlice()
	if err != nil {
		return account.Session{}, unavailable(err)
	}
	if len(fields) != sessionFields || fields[0] == "" {
		return account.Session{}, fault.New(fault.NotFound, "There is no session %s.", session)
	}
	return parse(session, fields)
}

// sessionFields is the number of fields of a session that the scripts return.
const sessionFields = 9

// parse decodes the fields of a session.
func parse(session id.Session, fields []string) (account.Session, error) {
	v := account.Session{ID: session}
	var errs [6]error
	v.Customer, errs[0] = id.Parse[id.Customer](fields[0])
	if copy(v.Family[:], fields[1])+copy(v.Current[:], fields[2])+copy(v.Previous[:], fields[3])+copy(v.Salt[:], fields[4]) != 3*len(v.Family)+len(v.Salt) {
		errs[1] = errors.New("a hash is too short")
	}
	v.RotatedAt, errs[2] = moment(fields[5])
	v.CreatedAt, errs[3] = moment(fields[6])
	v.ExpiresAt, errs[4] = moment(fields[7])
	v.RevokedAt, errs[5] = moment(fields[8])
	if err := errors.Join(errs[:]...); err != nil {
		return account.Session{}, fmt.Errorf("session %s in Redis: %w", session, err)
	}
	return v, nil
}

// OpenSessions implements account.SessionStore.
func (s *Store) OpenSessions(ctx context.Context, customer id.Customer, now time.Time, limit int) ([]account.Session, error) {
	flat, err := s.run(ctx, open, customer.String(), millis(now), strconv.Itoa(limit)).AsStrSlice()
	if err != nil {
		return nil, unavailable(err)
	}
	var all []account.Session
	for ; len(flat) > sessionFields; flat = flat[1+sessionFields:] {
		session, err := id.Parse[id.Session](flat[0])
		if err != nil {
			return nil, fmt.Errorf("a session in Redis: %w", err)
		}
		v, err := parse(session, flat[1:1+sessionFields])
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// RotateSession implements account.SessionStore. Of two concurrent calls one rotates and the other learns of it.
func (s *Store) RotateSession(ctx context.Context, v account.Session, from account.Hash) (bool, error) {
	done, err := s.run(ctx, rotate, v.ID.String(), string(from[:]), string(v.Current[:]), string(v.Previous[:]), string(v.Salt[:]),
		millis(v.RotatedAt), millis(v.ExpiresAt)).AsInt64()
	return done == 1, unavailable(err)
}

// RevokeSession implements account.SessionStore.
func (s *Store) RevokeSession(ctx context.Context, session id.Session, now, until time.Time) error {
	return unavailable(s.run(ctx, revoke, session.String(), millis(now), millis(until)).Error())
}

// RevokeSessions implements account.SessionStore.
func (s *Store) RevokeSessions(ctx context.Context, customer id.Customer, now, until time.Time) ([]id.Session, error) {
	return ids(s.run(ctx, revokeAll, customer.String(), millis(now), millis(until)))
}

// Revocations implements account.SessionStore.
func (s *Store) Revocations(ctx context.Context, after int64, now time.Time, limit int) ([]account.Revocation, error) {
	flat, err := s.run(ctx, revocations, strconv.FormatInt(after, 10), millis(now), strconv.Itoa(limit)).AsStrSlice()
	if err != nil {
		return nil, unavailable(err)
	}
	var all []account.Revocation
	for i := 0; i+2 < len(flat); i += 3 {
		position, err1 := strconv.ParseInt(flat[i], 10, 64)
		session, err2 := id.Parse[id.Session](flat[i+1])
		until, err3 := moment(flat[i+2])
		if err := errors.Join(err1, err2, err3); err != nil {
			return nil, fmt.Errorf("a revocation in Redis: %w", err)
		}
		all = append(all, account.Revocation{Position: position, Session: session, Until: until})
	}
	return all, nil
}

// DeleteEndedSessions implements account.SessionStore.
func (s *Store) DeleteEndedSessions(ctx context.Context, now time.Time, limit int) (int, error) {
	n, err := s.run(ctx, deleteEnded, millis(now), strconv.Itoa(limit)).AsInt64()
	return int(n), unavailable(err)
}
