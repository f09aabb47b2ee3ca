package store_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/encryption"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/webhook"
	"github.com/tidegate/tidegate/test/engine"
)

// encrypted gives a store its own keys.
func encrypted(t testing.TB, s *store.Store) *store.Store {
	t.Helper()
	_, _, err := s.UseKeys(t.Context(), keysOf(t, encryption.NewText()))
	ok(t, err)
	return s
}

func keysOf(t testing.TB, texts ...string) *encryption.Keys {
	t.Helper()
	keys, err := encryption.Parse(strings.Join(texts, ""))
	ok(t, err)
	return keys
}

const (
	clearSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	clearBefore = "whsec_plJ3nmyCDGBKInavdOK15jsl3B5mVXZ9"
	goneSecret  = "whsec_C2FVsBQIhrscChlQIMV6b5sSYspob7oD"
)

// TestSecretsAreEncrypted: plain-text secrets of an earlier release are encrypted and leave no trace in SQLite's files.
// Keys can be changed, and a process with wrong keys is refused. It runs on SQLite and MySQL.
func TestSecretsAreEncrypted(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "tidegate.db")
		secretsAreEncrypted(t, func() *store.Store { return openAt(t, path) }, func(t *testing.T) {
			for _, name := range []string{path, path + "-wal"} {
				text, err := os.ReadFile(name)
				if errors.Is(err, os.ErrNotExist) {
					continue // a log is deleted with the last connection
				}
				ok(t, err)
				for _, secret := range []string{clearSecret, clearBefore, goneSecret} {
					if bytes.Contains(text, []byte(secret)) {
						t.Errorf("%s holds a secret in clear", filepath.Base(name))
					}
				}
			}
		})
	})
	t.Run("MySQL", func(t *testing.T) {
		t.Parallel()
		address := engine.MySQL(t)
		secretsAreEncrypted(t, func() *store.Store { return openAtAddress(t, address) }, func(*testing.T) {})
	})
}

func secretsAreEncrypted(t *testing.T, open func() *store.Store, look func(*testing.T)) {
	ctx := t.Context()
	const e id.Endpoint = 7
	reads := func(s *store.Store, secret, before string) {
		t.Helper()
		all, err := s.Endpoints(ctx, false)
		ok(t, err)
		if len(all) != 1 || all[0].Secret != secret || all[0].SecretBefore != before {
			t.Errorf("read %+v, want %q and %q", all, secret, before)
		}
	}
	// As left by an earlier release: a secret in plain text, replaced twice.
	s := open()
	ok(t, s.Do(ctx, "INSERT INTO webhook_endpoint (id, url, description, types, secret, status, paused_reason, failing_since, last_error, delivered_at, created_at) VALUES (7, 'https://x.example', '', ' * ', '"+goneSecret+"', 'active', '', 0, '', 0, 0)"))
	ok(t, s.Do(ctx, "UPDATE webhook_endpoint SET secret = '"+clearBefore+"', secret_before = '"+goneSecret+"'"))
	ok(t, s.Do(ctx, "UPDATE webhook_endpoint SET secret = '"+clearSecret+"', secret_before = '"+clearBefore+"'"))
	if _, err := s.Endpoints(ctx, false); err == nil {
		t.Error("secrets are read without keys")
	}
	first, second := encryption.NewText(), encryption.NewText()
	n, left, err := s.UseKeys(ctx, keysOf(t, first))
	if n != 1 || left != 0 || err != nil {
		t.Fatalf("encrypted %d, left %d, %v", n, left, err)
	}
	look(t)
	reads(s, clearSecret, clearBefore)
	ok(t, s.Close())
	look(t)

	s = open()
	if _, _, err := s.UseKeys(ctx, keysOf(t, second)); err == nil || !strings.Contains(err.Error(), keysOf(t, first).ID()) {
		t.Errorf("with another key: %v", err)
	}
	if n, _, err := s.UseKeys(ctx, keysOf(t, first)); n != 0 || err != nil {
		t.Errorf("with the same key: %d, %v", n, err)
	}
	reads(s, clearSecret, clearBefore)
	// First add a new key: everything is encrypted with it, and then the old one can be removed.
	if n, _, err := s.UseKeys(ctx, keysOf(t, second, first)); n != 1 || err != nil {
		t.Errorf("with a new key: %d, %v", n, err)
	}
	reads(s, clearSecret, clearBefore)
	if n, _, err := s.UseKeys(ctx, keysOf(t, second)); n != 0 || err != nil {
		t.Errorf("without the old key: %d, %v", n, err)
	}
	reads(s, clearSecret, clearBefore)
	if _, _, err := s.UseKeys(ctx, keysOf(t, first)); err == nil {
		t.Error("the old key alone is taken")
	}
	_, err = s.RotateEndpoint(ctx, e, goneSecret, time.Now().Add(time.Hour))
	ok(t, err)
	reads(s, goneSecret, clearSecret)
	if ids, err := s.KeyIDs(ctx); err != nil || len(ids) != 1 || ids[0] != keysOf(t, second).ID() {
		t.Errorf("the database's keys are %v, %v", ids, err)
	}
	// A row with another row's secret, and a row whose key is gone, do not hide the others.
	ok(t, s.InsertEndpoint(ctx, webhook.Endpoint{ID: 8, URL: "https://y.example", Types: []string{"*"}, Secret: clearBefore, Status: webhook.Active}))
	ok(t, s.Do(ctx, "UPDATE webhook_endpoint SET secret = (SELECT secret FROM (SELECT secret FROM webhook_endpoint WHERE id = 8) AS other) WHERE id = 7"))
	all, err := s.Endpoints(ctx, false)
	ok(t, err)
	if len(all) != 2 || all[0].Secret != "" || all[0].SecretBefore != clearSecret || all[1].Secret != clearBefore {
		t.Errorf("with a secret copied to another row: %+v", all)
	}
	// The key is lost: after an operator has said so, a new key is used, and the secrets are made anew.
	ok(t, s.Do(ctx, "DELETE FROM encryption_key"))
	if n, left, err := s.UseKeys(ctx, keysOf(t, encryption.NewText())); n != 0 || left != 2 || err != nil {
		t.Errorf("with the key lost: %d, %d, %v", n, left, err)
	}
	_, err = s.RotateEndpoint(ctx, 8, goneSecret, time.Now().Add(time.Hour))
	ok(t, err)
	v, err := s.Endpoint(ctx, 8)
	if err != nil || v.Secret != goneSecret || v.SecretBefore != "" {
		t.Errorf("made anew: %+v, %v", v, err)
	}
	ok(t, s.Close())
}
