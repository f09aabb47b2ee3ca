package account

import (
	"math"
	"runtime"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// AccessLifetimeMax is the longest life of an access token that belongs to a session. Revocations are remembered this
// long, so that a token made under a longer setting, before a restart, is still caught.
const AccessLifetimeMax = time.Hour

// Where sessions are kept: the values of Config.Sessions.
const (
	SessionsInSQL   = "sql"
	SessionsInRedis = "redis"
)

// Config is the part of the configuration that account owns.
type Config struct {
	Issuer         string        `koanf:"issuer" help:"the iss of access tokens; a token of another issuer is refused"`
	Audience       string        `koanf:"audience" help:"the aud of access tokens; a token for another audience is refused"`
	SigningKeyFile string        `koanf:"signing_key_file" help:"file of the keys that sign access tokens, one a line: the first signs, all verify; made at the first start; a relative path is inside the data folder"`
	AccessLifetime time.Duration `koanf:"access_lifetime" help:"how long an access token is good, 1m to 1h"`

	Sessions               string        `koanf:"sessions" help:"where sessions are kept: sql, the shop's database, or redis, which loses them with its data"`
	SessionIdle            time.Duration `koanf:"session_idle" help:"how long a session lasts without being refreshed"`
	SessionLifetime        time.Duration `koanf:"session_lifetime" help:"how long a session lasts at most, however often it is refreshed"`
	RefreshRepeat          time.Duration `koanf:"refresh_repeat" help:"how long a refresh may be repeated after its reply was lost, 1s to 1m"`
	SessionsPerCustomerMax int           `koanf:"sessions_per_customer_max" help:"open sessions of one customer; the oldest is ended beyond it"`

	PasswordMemoryKiB  int           `koanf:"password_memory_kib" help:"argon2id: memory of one hash in KiB"`
	PasswordPasses     int           `koanf:"password_passes" help:"argon2id: passes over that memory"`
	PasswordLanes      int           `koanf:"password_lanes" help:"argon2id: lanes computed in parallel"`
	PasswordHashesMax  int           `koanf:"password_hashes_max" help:"passwords hashed at once; 0: half of the processors"`
	PasswordWaitingMax int           `koanf:"password_waiting_max" help:"requests that may wait for a hash; more are refused with 429"`
	PasswordWait       time.Duration `koanf:"password_wait" help:"how long a request waits for a hash before it is refused with 429"`

	AccountAttemptsMax  int           `koanf:"account_attempts_max" help:"wrong passwords in a row for one account from one client address, or from one device that signed in before; what others try locks nobody out"`
	AccountAttemptEvery time.Duration `koanf:"account_attempt_every" help:"how often they then get one attempt back"`
	ClientAttemptsMax   int           `koanf:"client_attempts_max" help:"wrong passwords and keys, and registrations, from one client address (one /64 for IPv6) in a row"`
	ClientAttemptEvery  time.Duration `koanf:"client_attempt_every" help:"how often a client address then gets one attempt back"`
	AttemptsTrackedMax  int           `koanf:"attempts_tracked_max" help:"accounts, client addresses, pairs of both, and devices whose attempts are counted; the longest idle is forgotten beyond it"`

	TokensRememberedMax      int `koanf:"tokens_remembered_max" help:"verified access tokens remembered, so that each is verified once; about 400 bytes each"`
	RevocationsRememberedMax int `koanf:"revocations_remembered_max" help:"ended sessions remembered while their access tokens last; beyond it every older token must be refreshed"`
}

// DefaultConfig returns the defaults. The cost of a password hash is OWASP's (Password Storage Cheat Sheet): 19 MiB,
// two passes, one lane. The limit of a client address is high, because an office or a campus shares one address in a
// live sale.
func DefaultConfig() Config {
	return Config{
		Issuer:         "tidegate",
		Audience:       "tidegate-shop",
		SigningKeyFile: "keys/signing.key",
		AccessLifetime: 15 * time.Minute,

		Sessions:               SessionsInSQL,
		SessionIdle:            30 * 24 * time.Hour,
		SessionLifetime:        180 * 24 * time.Hour,
		RefreshRepeat:          10 * time.Second,
		SessionsPerCustomerMax: 20,

		PasswordMemoryKiB:  19 * 1024,
		PasswordPasses:     2,
		PasswordLanes:      1,
		PasswordWaitingMax: 64,
		PasswordWait:       2 * time.Second,

		AccountAttemptsMax:  10,
		AccountAttemptEvery: 30 * time.Second,
		ClientAttemptsMax:   120,
		ClientAttemptEvery:  500 * time.Millisecond,
		AttemptsTrackedMax:  65_536,

		TokensRememberedMax:      32_768,
		RevocationsRememberedMax: 1_048_576,
	}
}

// Validate returns an Invalid fault of the first value that is out of range, with its path relative to account.
func (c Config) Validate() error {
	if c.Issuer == "" || len(c.Issuer) > 100 {
		return fault.Bad("issuer", "A text of 1 to 100 bytes.")
	}
	if c.Audience == "" || len(c.Audience) > 100 {
		return fault.Bad("audience", "A text of 1 to 100 bytes.")
	}
	if c.SigningKeyFile == "" {
		return fault.Bad("signing_key_file", "A file name such as keys/signing.key.")
	}
	if c.Sessions != SessionsInSQL && c.Sessions != SessionsInRedis {
		return fault.Bad("sessions", "%s or %s, not %q", SessionsInSQL, SessionsInRedis, c.Sessions)
	}
	if err := c.argon().validate(); err != nil {
		return err
	}
	for _, d := range []struct {
		key          string
		is, min, max time.Duration
	}{
		{"access_lifetime", c.AccessLifetime, time.Minute, AccessLifetimeMax},
		{"session_idle", c.SessionIdle, 2 * AccessLifetimeMax, 366 * 24 * time.Hour},
		{"session_lifetime", c.SessionLifetime, c.SessionIdle, 3 * 366 * 24 * time.Hour},
		{"refresh_repeat", c.RefreshRepeat, time.Second, time.Minute},
		{"password_wait", c.PasswordWait, 10 * time.Millisecond, 30 * time.Second},
		{"account_attempt_every", c.AccountAttemptEvery, time.Millisecond, time.Hour},
		{"client_attempt_every", c.ClientAttemptEvery, time.Millisecond, time.Hour},
	} {
		if d.is < d.min || d.is > d.max {
			return fault.Bad(d.key, "%s is out of range: %s to %s.", d.is, d.min, d.max)
		}
	}
	for _, n := range []struct {
		key          string
		is, min, max int
	}{
		{"sessions_per_customer_max", c.SessionsPerCustomerMax, 1, 1000},
		{"password_hashes_max", c.PasswordHashesMax, 0, 1024},
		{"password_waiting_max", c.PasswordWaitingMax, 0, 100_000},
		{"account_attempts_max", c.AccountAttemptsMax, 1, 1_000_000},
		{"client_attempts_max", c.ClientAttemptsMax, 1, 1_000_000},
		{"attempts_tracked_max", c.AttemptsTrackedMax, 16, 10_000_000},
		{"tokens_remembered_max", c.TokensRememberedMax, 16, 100_000_000},
		{"revocations_remembered_max", c.RevocationsRememberedMax, 16, 100_000_000},
	} {
		if n.is < n.min || n.is > n.max {
			return fault.Bad(n.key, "%d is out of range: %d to %d.", n.is, n.min, n.max)
		}
	}
	return nil
}

func (c Config) argon() argon {
	return argon{
		memoryKiB: uint32(clamp(c.PasswordMemoryKiB, math.MaxUint32)),
		passes:    uint32(clamp(c.PasswordPasses, math.MaxUint32)),
		lanes:     uint8(clamp(c.PasswordLanes, math.MaxUint8)),
	}
}

// clamp keeps a configured number from wrapping round when it is narrowed. validate then rejects a number out of range.
func clamp(n, most int) int { return min(max(n, 0), most) }

func (c Config) hashesMax() int {
	if c.PasswordHashesMax > 0 {
		return c.PasswordHashesMax
	}
	return max(1, runtime.GOMAXPROCS(0)/2)
}

// validate bounds the cost: at least eight KiB for each lane (RFC 9106 section 3.1), at most what a server can afford.
func (a argon) validate() error {
	const memoryMaxKiB, passesMax, lanesMax = 1 << 20, 64, 16
	switch {
	case a.lanes < 1 || a.lanes > lanesMax:
		return fault.Bad("password_lanes", "%d is out of range: 1 to %d.", a.lanes, lanesMax)
	case a.memoryKiB < 8*uint32(a.lanes) || a.memoryKiB > memoryMaxKiB:
		return fault.Bad("password_memory_kib", "%d is out of range: %d to %d.", a.memoryKiB, 8*uint32(a.lanes), memoryMaxKiB)
	case a.passes < 1 || a.passes > passesMax:
		return fault.Bad("password_passes", "%d is out of range: 1 to %d.", a.passes, passesMax)
	}
	return nil
}
