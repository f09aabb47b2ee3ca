package account

import (
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// FuzzToken: every accepted token equals, byte for byte, a token that was signed here.
func FuzzToken(f *testing.F) {
	now := clock.NewManual(time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC))
	tokens := NewTokens(NewKeyring(), DefaultConfig(), now)
	signed := map[string]bool{}
	for customer := range 3 {
		token, _, err := tokens.SignTest(7, time.Duration(customer+1)*time.Hour)
		if err != nil {
			f.Fatal(err)
		}
		signed[token] = true
		f.Add(token)
	}
	for _, seed := range []string{"", ".", "..", "a.b.c", "eyJhbGciOiJub25lIn0.eyJzdWIiOiI3In0."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		if v, err := tokens.verify(token); err == nil && !signed[token] {
			t.Errorf("%q was never signed, and is let in as %+v", token, v)
		}
	})
}
