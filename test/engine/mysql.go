package engine

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"os"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// MySQL makes a database of the test's own on the MySQL or MariaDB of this machine (TIDEGATE_TEST_MYSQL=host:port names
// another; its user is root, or TIDEGATE_TEST_MYSQL_USER and _PASSWORD) and returns its address, as store.primary takes
// it. The database is dropped when the test ends.
func MySQL(t testing.TB) string {
	t.Helper()
	return MySQLDatabase(t, Service(t, "MySQL or MariaDB", "TIDEGATE_TEST_MYSQL", "127.0.0.1:3306"))
}

// MySQLDatabase is MySQL on a server that the test has started itself.
func MySQLDatabase(t testing.TB, server string) string {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User = "tcp", server, "root"
	if user := os.Getenv("TIDEGATE_TEST_MYSQL_USER"); user != "" {
		c.User = user
	}
	c.Passwd = os.Getenv("TIDEGATE_TEST_MYSQL_PASSWORD")
	db, err := sql.Open("mysql", c.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	suffix := make([]byte, 8)
	_, _ = rand.Read(suffix) // it never fails
	c.DBName = "tidegate_test_" + hex.EncodeToString(suffix)
	if _, err := db.ExecContext(t.Context(), "CREATE DATABASE "+c.DBName); err != nil {
		t.Fatalf("cannot make a database on %s: %v", server, err)
	}
	t.Cleanup(func() {
		_, err := db.Exec("DROP DATABASE IF EXISTS " + c.DBName)
		if err != nil {
			t.Errorf("cannot drop the test's database: %v", err)
		}
		_ = db.Close()
	})
	return c.FormatDSN()
}
