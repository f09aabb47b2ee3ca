package store_test

import (
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/test/engine"
)

// refusal opens a store that must be refused. It returns the reason: one line that does not repeat a password.
func refusal(t *testing.T, c store.Config) string {
	t.Helper()
	s, err := store.Open(t.Context(), c)
	if err == nil {
		_, _, err = s.Migrate(t.Context())
		ok(t, s.Close())
	}
	if err == nil {
		t.Fatal("it was opened")
	}
	why := err.Error()
	if strings.Contains(why, "\n") || strings.Contains(why, "hidden") {
		t.Errorf("not one line, or a secret in it: %s", why)
	}
	return why
}

// TestMySQLRefused: an unreliable server is refused in one sentence that names the setting and the remedy.
func TestMySQLRefused(t *testing.T) {
	t.Parallel()
	good := engine.MySQL(t)
	server, _ := between(good, "tcp(", ")")
	database := good[strings.LastIndex(good, "/")+1:]
	newer := openAtAddress(t, good)
	ok(t, newer.Do(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)"))
	for _, c := range []struct{ name, primary, says string }{
		{"no address", "hidden", "store.primary must be an address such as user:password@tcp(host:3306)/tidegate"},
		{"no database named", "root:hidden@tcp(" + server + ")/", "store.primary must be an address that names a database"},
		{"unreachable", "root:hidden@tcp(" + engine.FreeAddress(t) + ")/shop", "does not answer: start it, or correct the address in store.primary"},
		{"wrong credentials", "nobody:hidden@tcp(" + server + ")/" + database, `refuses the user "nobody": correct the name or the password in store.primary`},
		{"no such database", strings.Replace(good, database, "tidegate_no_such", 1), "CREATE DATABASE tidegate_no_such there, or name another in store.primary"},
		{"a schema from a newer binary", good, "run the newer binary that wrote it"},
		{"clocks apart", good + "?timestamp=1600000000", "clock is"},
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
		config.Primary, config.Replicas = good, []string{"nobody:hidden@tcp(" + server + ")/" + database}
		if why := refusal(t, config); !strings.Contains(why, "store.replicas[0]") {
			t.Errorf("says %q", why)
		}
	})
	t.Run("settings that could lose a commit", func(t *testing.T) {
		unsafe := engine.StartMariaDB(t, "--innodb-flush-log-at-trx-commit=2", "--log-bin=log", "--server-id=1", "--sync-binlog=0", "--max-allowed-packet=1M", "--read-only=1")
		config := store.DefaultConfig()
		config.Primary = unsafe.Database(t, "shop")
		why := refusal(t, config)
		for _, setting := range []string{"innodb_flush_log_at_trx_commit is 2", "sync_binlog is 0", "max_allowed_packet is 1048576", "read_only", "store.allow_unsafe"} {
			if !strings.Contains(why, setting) {
				t.Errorf("nothing of %s in %q", setting, why)
			}
		}
		config.AllowUnsafe = true
		s, err := store.Open(t.Context(), config)
		ok(t, err)
		if n := len(s.Warnings()); n != 4 {
			t.Errorf("%d warnings: %q", n, s.Warnings())
		}
		if !strings.HasPrefix(s.Engine(), "MariaDB ") {
			t.Errorf("engine %q", s.Engine())
		}
		ok(t, s.Close())
	})
}
