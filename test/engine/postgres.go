package engine

import (
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"os"
	"testing"

	_ "github.com/jackc/pgx/v5/stdlib" // the driver "pgx"
)

// PostgreSQL makes a database of the test's own on the PostgreSQL of this machine (TIDEGATE_TEST_POSTGRES=host:port names another; its
// user is postgres, or TIDEGATE_TEST_POSTGRES_USER and _PASSWORD) and returns its address, as store.primary takes it. The database is
// dropped when the test ends.
func PostgreSQL(t testing.TB) string {
	t.Helper()
	return PostgreSQLDatabase(t, Service(t, "PostgreSQL", "TIDEGATE_TEST_POSTGRES", "127.0.0.1:5432"))
}

// PostgreSQLDatabase is PostgreSQL on a server that the test has started itself.
func PostgreSQLDatabase(t testing.TB, server string) string {
	t.Helper()
	at := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: server, Path: "/postgres", RawQuery: "sslmode=disable"}
	if user := os.Getenv("TIDEGATE_TEST_POSTGRES_USER"); user != "" {
		at.User = url.User(user)
	}
	if password := os.Getenv("TIDEGATE_TEST_POSTGRES_PASSWORD"); password != "" {
		at.User = url.UserPassword(at.User.Username(), password)
	}
	db := openAddress(t, at.String())
	suffix := make([]byte, 8)
	_, _ = rand.Read(suffix) // it never fails
	name := "tidegate_test_" + hex.EncodeToString(suffix)
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+name+" TEMPLATE template0 ENCODING 'UTF8'"); err != nil {
		t.Fatalf("cannot make a database on %s: %v", server, err)
	}
	t.Cleanup(func() {
		if _, err := db.Exec("DROP DATABASE IF EXISTS " + name + " WITH (FORCE)"); err != nil {
			t.Errorf("cannot drop the test's database: %v", err)
		}
		_ = db.Close()
	})
	at.Path = "/" + name
	return at.String()
}

// EmptyPostgreSQL deletes every row of a database that the shop has migrated, and has its positions begin anew.
func EmptyPostgreSQL(t testing.TB, address string) {
	t.Helper()
	Do(t, address, `
		DO $$
		DECLARE
			one TEXT;
		BEGIN
			FOR one IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename NOT IN ('goose_db_version', 'stamp', 'gate_epoch', 'refusal_fence') LOOP
				EXECUTE 'DELETE FROM ' || quote_ident(one);
			END LOOP;
			UPDATE stamp SET position = 0;
			UPDATE refusal_fence SET newest = 0;
			UPDATE gate_epoch SET number = 0, ready = 0, opened = 0, position = 0, engine = '';
		END $$`)
}
