package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// The settings that say where a shared shop keeps its things.
const (
	primary   = "TIDEGATE_STORE_PRIMARY="
	addresses = "TIDEGATE_REDIS_ADDRESSES="
)

// exitRun is the status of a process that could not do its work.
const exitRun, exitUsage = 3, 2

// newer makes a database that a newer binary has migrated.
func newer(of func(testing.TB) string, yes string) func(testing.TB) []string {
	return func(t testing.TB) []string {
		database := of(t)
		if code, _, stderr := blackbox.New(t, primary+database).Run("migrate", "up"); code != 0 {
			t.Fatal(stderr)
		}
		engine.Do(t, database, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, "+yes+")")
		return []string{primary + database}
	}
}

// TestWhatASharedShopCannotRelyOn: what cannot be relied on is one sentence that names the setting and says what to do, and
// the process does not serve.
func TestWhatASharedShopCannotRelyOn(t *testing.T) {
	t.Parallel()
	database, postgres, redis := engine.MySQL(t), engine.PostgreSQL(t), engine.Redis(t)
	shared := blackbox.SharedBy(t, database, redis)
	at := func(setting, value string) func(testing.TB) []string {
		return func(testing.TB) []string { return []string{setting + value} }
	}
	own := func(options ...string) func(testing.TB) []string { // a Redis that is so
		return func(t testing.TB) []string { return []string{addresses + engine.Redis(t, options...).Address} }
	}
	ownSQL := func(options ...string) func(testing.TB) []string { // a MariaDB that is so
		return func(t testing.TB) []string {
			return []string{primary + engine.StartMariaDB(t, options...).Database(t, "shop")}
		}
	}
	for _, c := range []struct {
		name string
		env  func(testing.TB) []string
		exit int
		says []string
	}{
		{"no Redis", at(addresses, "127.0.0.1:1"), exitRun, []string{"no Redis answers at 127.0.0.1:1", "redis.addresses", "start it"}},
		{"wrong user of Redis", at("TIDEGATE_REDIS_PASSWORD=guess\x00TIDEGATE_REDIS_USER=", "nobody"), exitRun, []string{"redis.user", "redis.password", "correct them"}},
		{"wrong password of Redis", own("--requirepass", "opensesame"), exitRun, []string{"redis.password", "correct them"}},
		{"a Redis that is too old", func(t testing.TB) []string { return []string{addresses + engine.OldRedis(t, "5.0.14")} }, exitRun, []string{"redis.addresses", "version 5.0.14", "needs 6.2", "upgrade it"}},
		{"a Redis that is a replica", own("--replicaof", strings.Replace(redis.Address, ":", " ", 1)), exitRun, []string{"redis.addresses", "is a replica", "name its master"}},
		{"a Redis that may evict", own("--maxmemory-policy", "allkeys-lru"), exitRun, []string{"redis.addresses", "set its maxmemory-policy to noeviction", "allkeys-lru"}},
		{"a Redis whose clock is apart", func(t testing.TB) []string { return []string{addresses + engine.RedisApart(t, -time.Minute)} }, exitRun, []string{"clock", "redis.clock_apart_max", "NTP"}},
		{"a Redis that is a node of a Cluster", own("--cluster-enabled", "yes"), exitRun, []string{"redis.addresses", "set redis.cluster"}},
		{"a Valkey that is a node of a Cluster", func(t testing.TB) []string { return []string{addresses + engine.ValkeyNode(t)} }, exitRun, []string{"redis.addresses", "set redis.cluster"}},
		{"clocks that may be too far apart", at("TIDEGATE_REDIS_CLOCK_APART_MAX=", "1h"), exitUsage, []string{"redis.clock_apart_max", "10ms to 1m"}},
		{"sessions in no Redis", at("TIDEGATE_ACCOUNT_SESSIONS=redis\x00"+addresses, ""), exitRun, []string{"account.sessions", "redis.addresses"}},
		{"no address of Redis", at(addresses, "redis"), exitUsage, []string{"redis.addresses", "host:port"}},

		{"no MySQL", at(primary, "root@tcp(127.0.0.1:1)/x"), exitRun, []string{"127.0.0.1:1", "does not answer: start it, or correct the address in store.primary"}},
		{"wrong credentials of MySQL", at(primary, strings.Replace(database, "root@", "root:guess@", 1)), exitRun, []string{"correct the name or the password in store.primary"}},
		{"no such database", at(primary, database+"_no"), exitRun, []string{"CREATE DATABASE", "store.primary"}},
		{"a MySQL that is too old", ownSQL("--version=10.4.1-MariaDB"), exitRun, []string{"store.primary", "MariaDB 10.4.1", "needs 10.5.0 or newer"}},
		{"a MySQL that takes no writes", ownSQL("--read-only=1"), exitRun, []string{"read_only", "store.primary"}},
		{"a MySQL that may lose commits", ownSQL("--innodb-flush-log-at-trx-commit=2"), exitRun, []string{"innodb_flush_log_at_trx_commit is 2", "store.allow_unsafe"}},
		{"a MySQL whose clock is apart", at(primary, database+"?timestamp=1600000000"), exitRun, []string{"store.primary", "clock", "synchronise"}},
		{"a schema of MySQL from a newer binary", newer(engine.MySQL, "1"), exitRun, []string{"schema version 9999", "run the newer binary"}},
		{"no address of MySQL", at(primary, "mysql"), exitRun, []string{"store.primary", "user:password@tcp(host:3306)/tidegate"}},

		{"no PostgreSQL", at(primary, "postgres://postgres@127.0.0.1:1/x"), exitRun, []string{"127.0.0.1:1", "does not answer: start it, or correct the address in store.primary"}},
		{"an unknown user of PostgreSQL", at(primary, strings.Replace(postgres, "postgres@", "nobody_here:guess@", 1)), exitRun, []string{"correct the name or the password in store.primary"}},
		{"no such database of PostgreSQL", at(primary, strings.Replace(postgres, "?", "_no?", 1)), exitRun, []string{"CREATE DATABASE", "store.primary"}},
		{"a PostgreSQL that takes no writes", at(primary, postgres+"&default_transaction_read_only=on"), exitRun, []string{"default_transaction_read_only", "store.primary"}},
		{"a PostgreSQL that may lose commits", at(primary, postgres+"&synchronous_commit=off"), exitRun, []string{"synchronous_commit is off", "store.allow_unsafe"}},
		{"a schema of PostgreSQL from a newer binary", newer(engine.PostgreSQL, "true"), exitRun, []string{"schema version 9999", "run the newer binary"}},
		{"no address of PostgreSQL", at(primary, "postgres://"), exitRun, []string{"store.primary", "postgres://user:password@"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			env := append([]string(nil), shared...)
			for _, one := range c.env(t) {
				env = append(env, strings.Split(one, "\x00")...)
			}
			code, stdout, stderr := blackbox.New(t, env...).Run("serve")
			if code != c.exit || strings.Contains(stdout, "http://") {
				t.Errorf("exit %d, want %d: %s%s", code, c.exit, stdout, stderr)
			}
			lines := strings.Split(strings.TrimSpace(stderr), "\n")
			last := lines[len(lines)-1]
			for _, want := range c.says {
				if !strings.Contains(last, want) {
					t.Errorf("%q is missing in: %s", want, last)
				}
			}
			for _, line := range lines[:len(lines)-1] {
				if strings.Contains(line, "panic") || strings.Contains(line, `"level":"ERROR"`) {
					t.Errorf("more than the sentence is said: %s", line)
				}
			}
		})
	}
}
