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

// TestWhatASharedShopCannotRelyOn: what cannot be relied on is one sentence that names the setting and says what to do, and
// the process does not serve.
func TestWhatASharedShopCannotRelyOn(t *testing.T) {
	t.Parallel()
	shared := blackbox.SharedEngines(t)
	database, redis := strings.TrimPrefix(shared[0], primary), strings.TrimPrefix(shared[1], addresses)
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
		{"a Redis that is a replica", own("--replicaof", strings.Replace(redis, ":", " ", 1)), exitRun, []string{"redis.addresses", "is a replica", "name its master"}},
		{"a Redis that may evict", own("--maxmemory-policy", "allkeys-lru"), exitRun, []string{"redis.addresses", "set its maxmemory-policy to noeviction", "allkeys-lru"}},
		{"a Redis whose clock is apart", func(t testing.TB) []string { return []string{addresses + engine.RedisApart(t, -time.Minute)} }, exitRun, []string{"clock", "redis.clock_apart_max", "NTP"}},
		{"a Redis that is a node of a Cluster", own("--cluster-enabled", "yes"), exitRun, []string{"redis.addresses", "set redis.cluster"}},
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
		{"a schema from a newer binary", func(t testing.TB) []string {
			newer := engine.MySQL(t)
			if code, _, stderr := blackbox.New(t, primary+newer).Run("migrate", "up"); code != 0 {
				t.Fatal(stderr)
			}
			engine.MySQLDo(t, newer, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
			return []string{primary + newer}
		}, exitRun, []string{"schema version 9999", "run the newer binary"}},
		{"no address of MySQL", at(primary, "mysql"), exitRun, []string{"store.primary", "user:password@tcp(host:3306)/tidegate"}},
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
