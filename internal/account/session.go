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

// Session is a stored sign-in of a customer. It contains no secret: nobody can refresh with a copy of the row.
type Session struct {
	ID       id.Session
	Customer id.Customer
	// Family is the hash of a secret in every refresh token of the session. It distinguishes an old token of the
	// session from an invented one.
	Family Hash
	// Current is the hash of the valid refresh secret, Previous that of the one before it; Previous starts as zero.
	Current, Previous Hash
	// Salt made the current secret from the previous one.
	Salt      [16]byte
	RotatedAt time.Time
	CreatedAt time.Time
	ExpiresAt time.Time
	// RevokedAt is zero until the session is revoked.
	RevokedAt time.Time
}

// Hash is a SHA-256. That suffices for secrets of 128 random bits and more, which cannot be guessed at any speed. Slow
// hashes are for passwords that people choose.
type Hash [sha256.Size]byte

func hashOf(secret []byte) Hash { return sha256.Sum256(secret) }

func (h Hash) equals(o Hash) bool { return subtle.ConstantTimeCompare(h[:], o[:]) == 1 }

// Grant is the result of signing in or refreshing. Its tokens are secrets.
type Grant struct {
	Customer       id.Customer
	Session        id.Session
	Access         string
	AccessExpires  time.Time
	Refresh        string
	RefreshExpires time.Time
	// Device is a token that marks this device as known at its next sign-in. It is set only by a sign-in.
	Device string
}

// Revocation records the end of a session. Position follows the order of commits. Until is when the session's last
// access token expires.
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

// text returns the token for the shopper. It is the only way to its secrets: String omits them, for logs.
func (t refreshToken) text() string {
	return refreshPrefix + t.session.String() + "_" + base64.RawURLEncoding.EncodeToString(append(t.family[:], t.secret[:]...))
}

// String implements fmt.Stringer without the secrets.
func (t refreshToken) String() string { return "the refresh token of session " + t.session.String() }

// parseRefreshToken returns an Unauthenticated fault for a text that is not a refresh token.
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
	if t.text() != text { // base64 ignores line breaks
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

// rotate returns the session after a refresh, and its new token.
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
// It depends on the row's salt and on the presented secret, so neither a copy of the table nor an old token alone
// yields it.
func (s Session) successor(presented refreshToken) refreshToken {
	mac := hmac.New(sha256.New, presented.secret[:])
	mac.Write(s.Salt[:])
	mac.Sum(presented.secret[:0])
	return presented
}

// verdict is the decision about a refresh.
type verdict uint8

const (
	// refuse changes nothing.
	refuse verdict = iota
	// rotate issues a new token.
	rotate
	// repeat returns the same answer again.
	repeat
	// revoke ends the session.
	revoke
)

// judge decides about a refresh token that is presented now.
//
// An old token that comes back means that it or a later one was stolen. Nobody can tell the thief from the shopper, so
// the session ends (RFC 9700 section 4.14.2). The previous token is exempt for a few seconds after a rotation, because
// a lost reply and two tabs that refresh concurrently look the same. It gets the same answer again, not another branch
// of the family, so any other holder is found out at the next refresh. An older token is never exempt, however soon it
// comes: otherwise a thief who refreshes every few seconds would be safe. A token that never belonged to this session
// ends nothing, because session ids are not secret.
func (s Session) judge(t refreshToken, now time.Time, window time.Duration) verdict {
	secret := hashOf(t.secret[:])
	switch {
	case !s.Family.equals(hashOf(t.family[:])):
		return refuse
	case !s.RevokedAt.IsZero() || !now.Before(s.ExpiresAt):
		return refuse
	case s.Current.equals(secret):
		return rotate
	case s.Previous.equals(secret) && now.Sub(s.RotatedAt) <= window:
		return repeat
	default:
		return revoke
	}
}
