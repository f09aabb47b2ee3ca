package account

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func newTokens(t *testing.T, ring Keyring) (*Tokens, *clock.Manual) {
	t.Helper()
	now := clock.NewManual(noon)
	return NewTokens(ring, DefaultConfig(), now), now
}

// forge signs any claims with any method and key.
func forge(t *testing.T, method jwt.SigningMethod, key any, change func(c *claims)) string {
	t.Helper()
	c := claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer:    "tidegate",
			Audience:  jwt.ClaimStrings{"tidegate-shop"},
			Subject:   "42",
			IssuedAt:  jwt.NewNumericDate(noon),
			ExpiresAt: jwt.NewNumericDate(noon.Add(time.Minute)),
		},
		Session: "7",
	}
	change(&c)
	token, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestVerifyRefusesForgeries(t *testing.T) {
	ring, other := NewKeyring(), NewKeyring()
	key := ring.keys[0]
	hs := jwt.SigningMethodHS256
	same := func(*claims) {}
	good := forge(t, hs, key, same)
	part := strings.Split(good, ".")
	b64 := base64.RawURLEncoding.EncodeToString
	edited := strings.Replace(mustDecode(t, part[1]), `"42"`, `"43"`, 1)
	cases := []struct{ name, token string }{
		{"empty", ""},
		{"no dots", "abc"},
		{"two parts", part[0] + "." + part[1]},
		{"four parts", good + ".x"},
		{"algorithm none", forge(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same)},
		{"algorithm none, our signature", b64([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + part[1] + "." + part[2]},
		{"algorithm none in capitals", b64([]byte(`{"alg":"NONE"}`)) + "." + part[1] + "."},
		{"our key, HS512", forge(t, jwt.SigningMethodHS512, key, same)},
		{"header says HS384", b64([]byte(`{"alg":"HS384","typ":"JWT"}`)) + "." + part[1] + "." + part[2]},
		{"header says RS256", b64([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + part[1] + "." + part[2]},
		{"another key", forge(t, hs, other.keys[0], same)},
		{"an empty key", forge(t, hs, []byte{}, same)},
		{"edited claims", part[0] + "." + b64([]byte(edited)) + "." + part[2]},
		{"no signature", part[0] + "." + part[1] + "."},
		{"signature cut", good[:len(good)-4]},
		{"padded", good + "="},
		{"expired", forge(t, hs, key, func(c *claims) { c.ExpiresAt = jwt.NewNumericDate(noon) })},
		{"never expires", forge(t, hs, key, func(c *claims) { c.ExpiresAt = nil })},
		{"no issue time", forge(t, hs, key, func(c *claims) { c.IssuedAt = nil })},
		{"foreign issuer", forge(t, hs, key, func(c *claims) { c.Issuer = "elsewhere" })},
		{"no issuer", forge(t, hs, key, func(c *claims) { c.Issuer = "" })},
		{"foreign audience", forge(t, hs, key, func(c *claims) { c.Audience = jwt.ClaimStrings{"console"} })},
		{"no audience", forge(t, hs, key, func(c *claims) { c.Audience = nil })},
		{"not yet valid", forge(t, hs, key, func(c *claims) { c.NotBefore = jwt.NewNumericDate(noon.Add(time.Second)) })},
		{"no customer", forge(t, hs, key, func(c *claims) { c.Subject = "" })},
		{"customer zero", forge(t, hs, key, func(c *claims) { c.Subject = "0" })},
		{"customer is a name", forge(t, hs, key, func(c *claims) { c.Subject = "admin" })},
		{"customer is negative", forge(t, hs, key, func(c *claims) { c.Subject = "-1" })},
		{"session is a name", forge(t, hs, key, func(c *claims) { c.Session = "x" })},
		{"too long", forge(t, hs, key, func(c *claims) { c.ID = strings.Repeat("x", tokenBytesMax) })},
	}
	tokens, _ := newTokens(t, ring)
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if v, err := tokens.verify(c.token); !errors.Is(err, fault.Unauthenticated) {
				t.Errorf("verify = %+v, %v; want unauthenticated", v, err)
			}
		})
	}
	v, err := tokens.verify(good)
	if err != nil || v.principal.Customer != 42 || v.principal.Session != 7 || !v.principal.Expires.Equal(noon.Add(time.Minute)) {
		t.Errorf("the unforged token: %+v, %v", v, err)
	}
}

func mustDecode(t *testing.T, s string) string {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestKeysRotate(t *testing.T) {
	older, newer := NewKeyring(), NewKeyring()
	before, _ := newTokens(t, older)
	old, err := before.Sign(1, 2, noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	both, _ := newTokens(t, Keyring{keys: append(newer.keys, older.keys...)})
	if _, err := both.verify(old); err != nil {
		t.Errorf("the second key does not verify: %v", err)
	}
	fresh, err := both.Sign(1, 2, noon.Add(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	after, _ := newTokens(t, newer)
	if _, err := after.verify(fresh); err != nil {
		t.Errorf("the first key does not sign: %v", err)
	}
	if _, err := after.verify(old); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("a key that was taken out still verifies: %v", err)
	}
}

func TestSignTestBoundsItsLifetime(t *testing.T) {
	tokens, _ := newTokens(t, NewKeyring())
	for _, d := range []time.Duration{-time.Hour, 0, time.Millisecond, TestTokenLifetimeMax + 1} {
		if _, _, err := tokens.SignTest(5, d); !errors.Is(err, fault.Invalid) {
			t.Errorf("SignTest(%s) = %v, want invalid", d, err)
		}
	}
	token, expires, err := tokens.SignTest(5, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v, err := tokens.verify(token)
	want := Principal{Customer: 5, Expires: noon.Add(time.Hour)}
	if err != nil || v.principal != want || !expires.Equal(want.Expires) {
		t.Errorf("verify = %+v, %v; want %+v", v, err, want)
	}
}

func TestRefreshTokenText(t *testing.T) {
	_, token := openSession(99, 1, noon, DefaultConfig())
	text := token.text()
	if said := fmt.Sprint(token); strings.Contains(said, "tgr_") || !strings.Contains(said, "99") {
		t.Errorf("printed it says %q", said)
	}
	back, err := parseRefreshToken(text)
	if err != nil || back != token {
		t.Fatalf("parse(%q) = %v, %v", text, back, err)
	}
	sum := sha256.Sum256([]byte(text))
	for name, bad := range map[string]string{
		"empty":          "",
		"an access key":  "tgk_99_abc",
		"no secret":      "tgr_99_",
		"no session":     "tgr__" + strings.TrimPrefix(text, "tgr_99_"),
		"session zero":   strings.Replace(text, "_99_", "_0_", 1),
		"short secret":   text[:len(text)-4],
		"long secret":    text + "AAAA",
		"not base64url":  text[:len(text)-1] + "!",
		"half a secret":  "tgr_99_" + base64.RawURLEncoding.EncodeToString(sum[:]),
		"a line ending":  text + "\n",
		"far too long":   text + strings.Repeat("A", 4096),
		"signed session": strings.Replace(text, "_99_", "_+99_", 1),
	} {
		if _, err := parseRefreshToken(bad); !errors.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %v, want unauthenticated", name, err)
		}
	}
}
