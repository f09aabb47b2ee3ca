package account

import (
	"errors"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// tokenBytesMax bounds the length of an accepted access token; the shop's have about 280 bytes with the default issuer.
const tokenBytesMax = 1024

// TestTokenLifetimeMax bounds the lifetime of a token without a session, which cannot be revoked.
const TestTokenLifetimeMax = 24 * time.Hour

// Tokens signs and verifies access tokens: JWTs (RFC 7519) with HS256. The customer is the sub, the session the sid. It
// is safe for concurrent use and does no I/O.
type Tokens struct {
	ring     Keyring
	issuer   string
	audience string
	clock    clock.Clock
	parser   *jwt.Parser
	keys     jwt.VerificationKeySet
	own      ownForm
	macs     []sync.Pool // a keyed hash for each key of the ring
}

type claims struct {
	jwt.RegisteredClaims
	Session string `json:"sid,omitempty"`
}

// NewTokens returns Tokens that sign with the ring's first key and verify with all.
func NewTokens(ring Keyring, c Config, now clock.Clock) *Tokens {
	t := &Tokens{ring: ring, issuer: c.Issuer, audience: c.Audience, clock: now, own: newOwnForm(c.Issuer, c.Audience), macs: macsOf(ring)}
	for _, key := range ring.keys {
		t.keys.Keys = append(t.keys.Keys, key)
	}
	// RFC 8725: the parser fixes the algorithm and checks issuer, audience and expiry. There is no leeway: the signing
	// and the verifying process share one clock, and an expired token only costs a refresh.
	t.parser = jwt.NewParser(
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
		jwt.WithIssuer(c.Issuer),
		jwt.WithAudience(c.Audience),
		jwt.WithExpirationRequired(),
		jwt.WithStrictDecoding(),
		jwt.WithTimeFunc(now.Now),
	)
	return t
}

// Sign returns an access token of the customer in the session. It expires at the whole second at or before expires.
func (t *Tokens) Sign(customer id.Customer, session id.Session, expires time.Time) (string, error) {
	c := claims{RegisteredClaims: jwt.RegisteredClaims{
		Issuer:    t.issuer,
		Audience:  jwt.ClaimStrings{t.audience},
		Subject:   customer.String(),
		IssuedAt:  jwt.NewNumericDate(t.clock.Now()),
		ExpiresAt: jwt.NewNumericDate(expires),
	}}
	if !session.IsZero() {
		c.Session = session.String()
	}
	return jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(t.ring.keys[0])
}

// SignTest returns a load-test token of the customer, which has no session. The customer need not exist. It returns an
// Invalid fault of the field ttl if the lifetime is less than a second or more than TestTokenLifetimeMax.
func (t *Tokens) SignTest(customer id.Customer, lifetime time.Duration) (string, time.Time, error) {
	if lifetime < time.Second || lifetime > TestTokenLifetimeMax {
		return "", time.Time{}, fault.Bad("ttl", "%s is out of range: 1s to %s, because such a token cannot be revoked.", lifetime, TestTokenLifetimeMax)
	}
	expires := t.clock.Now().Add(lifetime).Truncate(time.Second)
	token, err := t.Sign(customer, 0, expires)
	return token, expires, err
}

// verify checks everything about a token that does not change until it expires. It returns an Unauthenticated fault.
func (t *Tokens) verify(token string) (verified, error) {
	if len(token) > tokenBytesMax {
		return verified{}, errBadToken()
	}
	if v, ok := t.verifyOwn(token); ok {
		return v, nil
	}
	var c claims
	if _, err := t.parser.ParseWithClaims(token, &c, t.keyFor); err != nil {
		if errors.Is(err, jwt.ErrTokenExpired) && !errors.Is(err, jwt.ErrTokenSignatureInvalid) {
			return verified{}, errExpired()
		}
		return verified{}, errBadToken()
	}
	customer, err := id.Parse[id.Customer](c.Subject)
	if err != nil || c.IssuedAt == nil {
		return verified{}, errBadToken()
	}
	v := verified{principal: Principal{Customer: customer, Expires: c.ExpiresAt.UTC()}, issued: c.IssuedAt.UTC()}
	if c.Session != "" {
		if v.principal.Session, err = id.Parse[id.Session](c.Session); err != nil {
			return verified{}, errBadToken()
		}
	}
	return v, nil
}

func (t *Tokens) keyFor(*jwt.Token) (any, error) { return t.keys, nil }

// The faults of a token say what to do next. They do not say why a forged token was refused.
func errBadToken() error {
	return fault.New(fault.Unauthenticated, "The access token is not one of ours; sign in.")
}

func errExpired() error {
	return fault.New(fault.Unauthenticated, "The access token has expired; refresh it.")
}

func errEnded() error {
	return fault.New(fault.Unauthenticated, "The session has ended; sign in.")
}
