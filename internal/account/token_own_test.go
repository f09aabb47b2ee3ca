package account

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// TestOwnForm: verifyOwn accepts every token that Sign writes, with the library's result, and rejects it if any byte is
// changed.
func TestOwnForm(t *testing.T) {
	now := clock.NewManual(time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC))
	ring := NewKeyring()
	ring.keys = append(ring.keys, NewKeyring().keys...)
	config := DefaultConfig()
	config.Issuer = `the "shop" & co`
	tokens, other := NewTokens(ring, config, now), NewTokens(NewKeyring(), config, now)
	library := NewTokens(ring, config, now)
	library.own.header = "none is like this"
	old := NewTokens(Keyring{keys: ring.keys[1:]}, config, now)
	rapid.Check(t, func(t *rapid.T) {
		customer := id.Customer(rapid.Int64Range(1, 1<<63-1).Draw(t, "customer"))
		session := id.Session(rapid.Int64Range(0, 1<<63-1).Draw(t, "session"))
		expires := now.Now().Add(time.Duration(rapid.Int64Range(1, 1<<20).Draw(t, "seconds")) * time.Second)
		signer := map[bool]*Tokens{true: tokens, false: old}[rapid.Bool().Draw(t, "by the first key")]
		token, err := signer.Sign(customer, session, expires)
		if err != nil {
			t.Fatal(err)
		}
		short, ok := tokens.verifyOwn(token)
		if long, err := library.verify(token); err != nil || !ok || short != long {
			t.Fatalf("short %+v, %t; library %+v, %v", short, ok, long, err)
		}
		if _, ok := other.verifyOwn(token); ok {
			t.Fatal("another key verified it")
		}
		at := rapid.IntRange(0, len(token)-1).Draw(t, "at")
		changed := token[:at] + string(token[at]^1) + token[at+1:]
		if _, ok := tokens.verifyOwn(changed); ok {
			t.Fatalf("byte %d was changed and it was verified", at)
		}
	})
	expired, err := tokens.Sign(1, 2, now.Now())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"expired": expired, "empty": "", "dots": "...", "no signature": expired[:strings.LastIndexByte(expired, '.')+1]} {
		if _, ok := tokens.verifyOwn(text); ok {
			t.Errorf("%s: was verified", name)
		}
	}
}
