package engine

import (
	"database/sql"
	"strings"
	"testing"
)

// SQLServer is a database server of a test's own. It ends with the test.
type SQLServer interface {
	// Database makes a database and returns its address, as store.primary takes it.
	Database(t testing.TB, name string) string
	// Kill ends the server at once; Start starts it again, with what it had committed.
	Kill(t testing.TB)
	Start(t testing.TB)
	// Pause stops the server where it is, connections and all, as a machine does that hangs; Resume lets it go on.
	Pause(t testing.TB)
	Resume(t testing.TB)
}

// Database is a kind of database that several processes of a shop can share.
type Database struct {
	Name string
	// Make makes a database of the test's own on the server of this machine and returns its address, as store.primary takes it.
	Make func(testing.TB) string
	// Serve starts a server of the test's own.
	Serve func(testing.TB) SQLServer
}

// Databases are all of them. A test of what several processes share runs on each.
var Databases = []Database{
	{"MySQL", MySQL, func(t testing.TB) SQLServer { return StartMariaDB(t) }},
	{"PostgreSQL", PostgreSQL, func(t testing.TB) SQLServer { return StartPostgreSQL(t) }},
}

// Do carries out a statement in the database of an address of store.primary.
func Do(t testing.TB, address, text string) {
	t.Helper()
	db := openAddress(t, address)
	defer func() { _ = db.Close() }()
	if _, err := db.Exec(text); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

// SQLCount returns what a statement counts in a database; zero where it cannot be asked.
func SQLCount(t testing.TB, address, text string) (n int) {
	t.Helper()
	db := openAddress(t, address)
	defer func() { _ = db.Close() }()
	_ = db.QueryRowContext(t.Context(), text).Scan(&n) // a table that is still to be made has nothing
	return n
}

func openAddress(t testing.TB, address string) *sql.DB {
	t.Helper()
	driver := "mysql"
	if strings.HasPrefix(address, "postgres://") {
		driver = "pgx"
	}
	db, err := sql.Open(driver, address)
	if err != nil {
		t.Fatal(err)
	}
	return db
}
