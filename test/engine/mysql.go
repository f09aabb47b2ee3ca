package engine

import (
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"os"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/go-sql-driver/mysql"
)

// MySQL makes a database of the test's own on the MySQL or MariaDB of this machine (TIDEGATE_TEST_MYSQL=host:port names
// another; its user is root, or TIDEGATE_TEST_MYSQL_USER and _PASSWORD) and returns its address, as store.primary takes
// it. The database is dropped when the test ends. Where databases cannot be made, TIDEGATE_TEST_MYSQL_DATABASES=one,two names empty ones,
// of which each is taken once.
func MySQL(t testing.TB) string {
	t.Helper()
	return MySQLDatabase(t, Service(t, "MySQL or MariaDB", "TIDEGATE_TEST_MYSQL", "127.0.0.1:3306"))
}

// taken counts the databases of TIDEGATE_TEST_MYSQL_DATABASES that tests of this process have.
var taken atomic.Int64

// MySQLDatabase is MySQL on a server that the test has started itself.
func MySQLDatabase(t testing.TB, server string) string {
	t.Helper()
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User = "tcp", server, "root"
	if user := os.Getenv("TIDEGATE_TEST_MYSQL_USER"); user != "" {
		c.User = user
	}
	c.Passwd = os.Getenv("TIDEGATE_TEST_MYSQL_PASSWORD")
	if ready := os.Getenv("TIDEGATE_TEST_MYSQL_DATABASES"); ready != "" {
		all := strings.Split(ready, ",")
		n := int(taken.Add(1))
		if n > len(all) {
			t.Fatalf("the %d databases of TIDEGATE_TEST_MYSQL_DATABASES are taken", len(all))
		}
		c.DBName = all[n-1]
		return c.FormatDSN()
	}
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

// EmptyMySQL deletes every row of a database that the shop has migrated, and has its positions begin anew.
func EmptyMySQL(t testing.TB, address string) {
	t.Helper()
	db, err := sql.Open("mysql", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	at, err := mysql.ParseDSN(address)
	if err != nil {
		t.Fatal(err)
	}
	// By its name: DATABASE() is something else on Vitess.
	rows, err := db.Query("SELECT table_name FROM information_schema.tables WHERE table_schema = '" + at.DBName + "' AND table_name <> 'goose_db_version'")
	if err != nil {
		t.Fatal(err)
	}
	var empty []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			t.Fatal(err)
		}
		switch table {
		case "stamp": // rows that a migration has made
			empty = append(empty, "UPDATE stamp SET position = 0")
		case "gate_epoch":
			empty = append(empty, "UPDATE gate_epoch SET number = 0, ready = 0, opened = 0, position = 0, engine = ''")
		case "refusal_fence":
			empty = append(empty, "UPDATE refusal_fence SET newest = 0")
		default:
			empty = append(empty, "DELETE FROM "+table)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	for _, text := range empty {
		if _, err := db.Exec(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}
