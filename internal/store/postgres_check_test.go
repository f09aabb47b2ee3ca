package store_test

import (
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/test/engine"
)

// TestPostgreSQLRefused: an unreliable server is refused in one sentence that names the setting and the remedy.
func TestPostgreSQLRefused(t *testing.T) {
	t.Parallel()
	good := engine.PostgreSQL(t)
	server := onPostgreSQL.host(good)
	newer := openAtAddress(t, good)
	ok(t, newer.Do(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)"))
	for _, c := range []struct{ name, primary, says string }{
		{"no address", "postgres://hidden:%zz", "store.primary must be an address such as postgres://user:password@host:5432/tidegate"},
		{"no database named", "postgres://postgres:hidden@" + server, "store.primary must be an address that names a database"},
		{"unreachable", "postgres://postgres:hidden@" + engine.FreeAddress(t) + "/shop?sslmode=disable", "does not answer: start it, or correct the address in store.primary"},
		{"no such user", strings.Replace(good, "postgres@", "nobody_here:hidden@", 1), `refuses the user "nobody_here": correct the name or the password in store.primary`},
		{"no such database", "postgres://postgres:hidden@" + server + "/tidegate_no_such?sslmode=disable", "CREATE DATABASE tidegate_no_such there, or name another in store.primary"},
		{"a schema from a newer binary", good, "run the newer binary that wrote it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := store.DefaultConfig()
			config.Primary = c.primary
			if why := refusal(t, config); !strings.Contains(why, c.says) {
				t.Errorf("says %q, want %q in it", why, c.says)
			}
		})
	}
	t.Run("a replica that refuses", func(t *testing.T) {
		config := store.DefaultConfig()
		config.Primary, config.Replicas = good, []string{strings.Replace(good, "postgres@", "nobody_here:hidden@", 1)}
		if why := refusal(t, config); !strings.Contains(why, "store.replicas[0]") {
			t.Errorf("says %q", why)
		}
	})
	t.Run("settings that could lose a commit, and a standby", func(t *testing.T) {
		unsafe := engine.StartPostgreSQL(t, "fsync=off", "full_page_writes=off", "synchronous_commit=off")
		config := store.DefaultConfig()
		config.Primary = unsafe.Database(t, "shop")
		why := refusal(t, config)
		for _, setting := range []string{"fsync is off", "full_page_writes is off", "synchronous_commit is off", "store.allow_unsafe"} {
			if !strings.Contains(why, setting) {
				t.Errorf("nothing of %s in %q", setting, why)
			}
		}
		config.AllowUnsafe = true
		s, err := store.Open(t.Context(), config)
		ok(t, err)
		if n := len(s.Warnings()); n != 3 {
			t.Errorf("%d warnings: %q", n, s.Warnings())
		}
		if !strings.HasPrefix(s.Engine(), "PostgreSQL ") {
			t.Errorf("engine %q", s.Engine())
		}
		ok(t, s.Close())
		config.Primary = engine.StandbyOf(t, unsafe).DSN("shop")
		if why := refusal(t, config); !strings.Contains(why, "is a standby, which takes no writes: name the primary") {
			t.Errorf("says %q", why)
		}
	})
}

// TestPostgreSQLBehindAPooler: a pooler that keeps a connection's session is accepted, any other is refused.
func TestPostgreSQLBehindAPooler(t *testing.T) {
	t.Parallel()
	for mode, says := range map[string]string{"session": "", "transaction": "pool_mode", "statement": "statement pooling mode"} {
		t.Run(mode, func(t *testing.T) {
			config := store.DefaultConfig()
			config.Primary = engine.PgBouncer(t, engine.PostgreSQL(t), mode)
			if says != "" {
				if why := refusal(t, config); !strings.Contains(why, says) {
					t.Errorf("says %q, want %q in it", why, says)
				}
				return
			}
			s := openAtAddress(t, config.Primary)
			if err := s.Writable(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestPostgreSQLRefusesAZeroByte: a text that cannot be stored is reported as the caller's mistake.
func TestPostgreSQLRefusesAZeroByte(t *testing.T) {
	t.Parallel()
	s := openAtAddress(t, engine.PostgreSQL(t))
	err := s.Do(t.Context(), "INSERT INTO brand (id, handle, title) VALUES (1, convert_from('\\x6100'::bytea, 'UTF8'), 'x')")
	if err == nil || !strings.Contains(err.Error(), "cannot be stored") {
		t.Errorf("got %v", err)
	}
}
