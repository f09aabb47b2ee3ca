package security

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// signingKey reads the key that the shop signs with, from its folder, as nobody outside can.
func (s *stage) signingKey() []byte {
	s.T.Helper()
	var text []byte
	err := filepath.WalkDir(filepath.Join(s.shop.Folder, "keys"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() == "signing.key" && text == nil {
			text, err = os.ReadFile(path)
		}
		return err
	})
	if err != nil || len(text) == 0 {
		s.T.Fatalf("the signing key cannot be read: %v", err)
	}
	for _, word := range strings.Fields(string(text)) {
		for _, decode := range []func(string) ([]byte, error){base64.StdEncoding.DecodeString, base64.RawURLEncoding.DecodeString, base64.RawStdEncoding.DecodeString, hex.DecodeString} {
			if key, err := decode(word); err == nil && s.signs(key) {
				return key
			}
		}
	}
	s.T.Fatal("the form of the signing key is not known to this test")
	return nil
}

// claims returns those of the customer's token.
func (s *stage) claims() jwt.MapClaims {
	s.T.Helper()
	c := jwt.MapClaims{}
	if _, _, err := jwt.NewParser().ParseUnverified(s.owner, c); err != nil {
		s.T.Fatal(err)
	}
	return c
}

// signs reports whether a key makes the customer's own token.
func (s *stage) signs(key []byte) bool {
	_, err := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"})).ParseWithClaims(s.owner, jwt.MapClaims{}, func(*jwt.Token) (any, error) { return key, nil })
	return err == nil
}

// forge signs the customer's claims, changed; by the shop's own key where key is nil.
func (s *stage) forge(change func(jwt.MapClaims), key []byte) string {
	s.T.Helper()
	c := s.claims()
	change(c)
	if key == nil {
		key = s.signingKey()
	}
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, c).SignedString(key)
	if err != nil {
		s.T.Fatal(err)
	}
	return token
}

// TestForgedTokensAreRefused tries tokens that are none of the shop's, or not any more, or not yet, on both lanes.
func TestForgedTokensAreRefused(t *testing.T) {
	t.Parallel()
	s := open(t)
	key := s.signingKey()
	signed := func(m jwt.SigningMethod, with any, change func(jwt.MapClaims)) string {
		c := s.claims()
		change(c)
		token, err := jwt.NewWithClaims(m, c).SignedString(with)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	same := func(jwt.MapClaims) {}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(s.owner, ".")
	claims, err := json.Marshal(s.claims())
	if err != nil {
		t.Fatal(err)
	}
	other := strings.Replace(string(claims), s.claims()["sub"].(string), "2000001", 1)
	encode := base64.RawURLEncoding.EncodeToString
	forged := map[string]string{
		"algorithm none":             signed(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, same),
		"algorithm None, spelt so":   encode([]byte(`{"alg":"None","typ":"JWT"}`)) + "." + parts[1] + ".",
		"no algorithm":               encode([]byte(`{"typ":"JWT"}`)) + "." + parts[1] + "." + parts[2],
		"another algorithm, our key": signed(jwt.SigningMethodHS512, key, same),
		"an asymmetric algorithm":    signed(jwt.SigningMethodES256, ec, same),
		"another key":                signed(jwt.SigningMethodHS256, []byte("not the key that the shop signs its tokens with"), same),
		"an empty key":               signed(jwt.SigningMethodHS256, []byte{}, same),
		"edited claims":              parts[0] + "." + encode([]byte(other)) + "." + parts[2],
		"no signature":               parts[0] + "." + parts[1] + ".",
		"two parts":                  parts[0] + "." + parts[1],
		"another signature's end":    s.owner[:len(s.owner)-3] + "AAA",
		"expired":                    signed(jwt.SigningMethodHS256, key, func(c jwt.MapClaims) { c["exp"] = time.Now().Add(-time.Minute).Unix() }),
		"no end":                     signed(jwt.SigningMethodHS256, key, func(c jwt.MapClaims) { delete(c, "exp") }),
		"another issuer":             signed(jwt.SigningMethodHS256, key, func(c jwt.MapClaims) { c["iss"] = "somebody else" }),
		"for somebody else":          signed(jwt.SigningMethodHS256, key, func(c jwt.MapClaims) { c["aud"] = "another shop" }),
		"of no customer":             signed(jwt.SigningMethodHS256, key, func(c jwt.MapClaims) { c["sub"] = "" }),
		"of a customer that is none": signed(jwt.SigningMethodHS256, key, func(c jwt.MapClaims) { c["sub"] = "-1" }),
		"an admin key":               s.keys["all"],
		"very long":                  s.owner + strings.Repeat("A", 6000),
	}
	lanes := []string{s.shop.Running().Public, s.shop.Running().Express}
	for name, token := range forged {
		for _, lane := range lanes {
			p := blackbox.Buying("", 1, 0, token, "forged", s.sku)
			p.Path = lane + "/v1/sales/1/orders"
			if a := s.shop.Buy(p); a.Status != 401 && a.Status != 431 {
				t.Errorf("%s, at %s: %s", name, lane, a)
			}
		}
		if a := s.shop.Ask("GET", "/v1/orders", token, ""); a.Status != 401 && a.Status != 431 {
			t.Errorf("%s, reading orders: %s", name, a)
		}
	}
	for _, lane := range lanes { // and the token that all were made of is good
		p := blackbox.Buying("", 1, 0, s.owner, "good", s.sku)
		p.Path = lane + "/v1/sales/1/orders"
		if a := s.shop.Buy(p); a.Status != 404 {
			t.Errorf("the good token, at %s: %s", lane, a)
		}
	}
}

// TestLoginTellsNothing: an unknown address and a wrong password are answered by the same bytes, and after the same work. The shortest
// time of each says how much that is, whatever else the machine does: the one is not a fraction of the other's.
func TestLoginTellsNothing(t *testing.T) {
	t.Parallel()
	s := open(t)
	took := [2]time.Duration{time.Hour, time.Hour}
	var bodies [2]string
	tries := 0
	await.Until(t, "the shortest times are alike", func() bool {
		for i, who := range []string{email, "nobody.at.all@example.test"} {
			began := time.Now()
			a := s.shop.Ask("POST", "/v1/sessions", "", `{"email":"`+who+`","password":"a wrong password 123"}`)
			took[i] = min(took[i], time.Since(began))
			if a.Status != 401 {
				t.Fatalf("log-in as %s: %s", who, a)
			}
			bodies[i], _, _ = strings.Cut(string(a.Body), `"request_id"`)
		}
		tries++
		return tries >= 15 && took[1] >= took[0]/3 && took[0] >= took[1]/3
	}, func() any { return took })
	if bodies[0] != bodies[1] {
		t.Errorf("a wrong password is answered %s, an unknown address %s", bodies[0], bodies[1])
	}
}
