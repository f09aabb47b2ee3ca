package account

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Session is one sign-in of a customer, as it is kept. No secret is in it: whoever reads the row cannot refresh.
type Session struct {
	ID       id.Session
	Customer id.Customer
	// Family is the hash of the secret that every refresh token of the session carries: it tells an old token of this
	// session from one that somebody made up.
	Family Hash
	// Current is the hash of the refresh secret that is good now; Previous that of the one before, zero at first.
	Current, Previous Hash
	// Salt made the current secret from the previous one.
	Salt      [16]byte
	RotatedAt time.Time
	CreatedAt time.Time
	ExpiresAt time.Time
	// RevokedAt is zero while the session has not been ended.
	RevokedAt time.Time
}

// Hash is a SHA-256. It is enough for secrets of 128 random bits and more, which cannot be guessed at any speed: a slow
// hash protects what people choose.
type Hash [sha256.Size]byte

func hashOf(secret []byte) Hash { return sha256.Sum256(secret) }

func (h Hash) equals(o Hash) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// Grant is what signing in and refreshing give the shopper. The texts are secrets.
type Grant struct {
	Customer       id.Customer
	Session        id.Session
	Access         string
	AccessExpires  time.Time
	Refresh        string
	RefreshExpires time.Time
}

// Revocation says that a session has ended. Position orders revocations as they were committed; Until is when the last
// access token of the session will have expired.
type Revocation struct {
	Position int64
	Session  id.Session
	Until    time.Time
}

// refreshToken is tgr_<session>_<family and secret in base64url>.
type refreshToken struct {
	session id.Session
	family  [16]byte
	secret  [32]byte
}

const refreshPrefix = "tgr_"

// text is the token as the shopper gets it, and the only way to its secrets: String says less, for logs.
func (t refreshToken) text() string {
	return refreshPrefix + t.session.String() + "_" + base64.RawURLEncoding.EncodeToString(append(t.family[:], t.secret[:]...))
}

// String implements fmt.Stringer without the secrets.
func (t refreshToken) String() string { return "the refresh token of session " + t.session.String() }

// parseRefreshToken returns an Unauthenticated fault for what is not a refresh token.
func parseRefreshToken(text string) (t refreshToken, err error) {
	rest, isOurs := strings.CutPrefix(text, refreshPrefix)
	number, secrets, found := strings.Cut(rest, "_")
	if !isOurs || !found || len(text) > 128 {
		return t, errBadRefresh()
	}
	if t.session, err = id.Parse[id.Session](number); err != nil {
		return t, errBadRefresh()
	}
	raw, err := base64.RawURLEncoding.DecodeString(secrets)
	if err != nil || len(raw) != len(t.family)+len(t.secret) {
		return t, errBadRefresh()
	}
	copy(t.secret[:], raw[copy(t.family[:], raw):])
	if t.text() != text { // base64 passes over line ends
		return refreshToken{}, errBadRefresh()
	}
	return t, nil
}

func errBadRefresh() error {
	return fault.New(fault.Unauthenticated, "The refresh token is not good; sign in.")
}

// openSession returns a new session and its first refresh token.
func openSession(sid id.Session, customer id.Customer, now time.Time, c Config) (Session, refreshToken) {
	token := refreshToken{session: sid}
	rand.Read(token.family[:])
	rand.Read(token.secret[:])
	return Session{
		ID:        sid,
		Customer:  customer,
		Family:    hashOf(token.family[:]),
		Current:   hashOf(token.secret[:]),
		RotatedAt: now,
		CreatedAt: now,
		ExpiresAt: sessionEnd(now, now, c),
	}, token
}

func sessionEnd(created, now time.Time, c Config) time.Time {
	idle, whole := now.Add(c.SessionIdle), created.Add(c.SessionLifetime)
	if idle.Before(whole) {
		return idle
	}
	return whole
}

// rotate returns the session after a refresh, and the token that is good from then on.
func (s Session) rotate(presented refreshToken, now time.Time, c Config) (Session, refreshToken) {
	s.Previous = s.Current
	rand.Read(s.Salt[:])
	next := s.successor(presented)
	s.Current = hashOf(next.secret[:])
	s.RotatedAt = now
	s.ExpiresAt = sessionEnd(s.CreatedAt, now, c)
	return s, next
}

// successor returns the token that follows the presented one: the same at every call until the session rotates again.
// It takes the row's salt and the presented secret: neither a copy of the table nor an old token makes it alone.
func (s Session) successor(presented refreshToken) refreshToken {
	mac := hmac.New(sha256.New, presented.secret[:])
	mac.Write(s.Salt[:])
	mac.Sum(presented.secret[:0])
	return presented
}

// verdict is what becomes of a refresh.
type verdict uint8

const (
	// refuse changes nothing.
	refuse verdict = iota
	// rotate gives a new token.
	rotate
	// repeat gives the same answer again.
	repeat
	// revoke ends the session.
	revoke
)

// judge decides what becomes of a refresh token presented now.
//
// An old token that comes back is theft, of it or of what followed, and nobody can tell the thief from the shopper: the
// session ends (RFC 9700 section 4.14.2). But a reply that was lost looks the same, and so do two tabs that refresh at
// once. So for a few seconds after a rotation the token before it gets the very answer that was lost: not one more
// branch of the family, so whoever else holds it is found out at the next refresh. A still older token that arrives in
// those seconds is taken for a late duplicate and only refused. And a token that never was one of this session, for
// session ids are no secret, ends nothing.
func (s Session) judge(t refreshToken, now time.Time, window time.Duration) verdict {
	secret := hashOf(t.secret[:])
	switch {
	case !s.Family.equals(hashOf(t.family[:])):
		return refuse
	case !s.RevokedAt.IsZero() || !now.Before(s.ExpiresAt):
		return refuse
	case s.Current.equals(secret):
		return rotate
	case now.Sub(s.RotatedAt) > window:
		return revoke
	case s.Previous.equals(secret):
		return repeat
	default:
		return refuse
	}
}
