package mysql

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Defaults of a connection, unless its address sets them.
const (
	dialMax = 5 * time.Second
	// answerMax bounds the wait for one reply, so that a vanished peer is noticed. It exceeds lockSecondsMax and every
	// statement of the shop; the audit reads in portions.
	answerMax = 30 * time.Second
	// lockSecondsMax is how long a statement waits for a row lock before its transaction is rolled back and repeated.
	lockSecondsMax = 5
	// idleMax is shorter than the time after which proxies and load balancers usually drop an idle connection.
	idleMax = 4 * time.Minute
)

// Address is a server's address and credentials.
type Address struct{ config *mysql.Config }

// Parse reads an address such as tidegate:secret@tcp(db.internal:3306)/tidegate?tls=true. Its error does not repeat the
// password.
func Parse(address string) (Address, error) {
	c, err := mysql.ParseDSN(address)
	if err != nil {
		return Address{}, fmt.Errorf("an address such as user:password@tcp(host:3306)/tidegate")
	}
	if c.DBName == "" {
		return Address{}, fmt.Errorf("an address that names a database, such as user:password@tcp(%s)/tidegate", c.Addr)
	}
	// The store relies on these settings, so the address cannot change them.
	c.InterpolateParams = true // one round trip a statement; nothing to prepare again after a failover
	c.ClientFoundRows = true   // count matched rows of an UPDATE, as SQLite does
	c.ParseTime = false
	c.MultiStatements = false
	c.RejectReadOnly = true // reconnect when a primary has become a replica
	c.Loc = time.UTC
	c.Collation = "utf8mb4_bin"
	if c.Timeout == 0 {
		c.Timeout = dialMax
	}
	if c.ReadTimeout == 0 {
		c.ReadTimeout = answerMax
	}
	if c.WriteTimeout == 0 {
		c.WriteTimeout = answerMax
	}
	c.Logger = silent{} // the driver returns the same errors
	return Address{c}, nil
}

// String returns the server and the database, without user and password.
func (a Address) String() string { return a.config.Addr + "/" + a.config.DBName }

// silent discards the driver's log.
type silent struct{}

// Print implements mysql.Logger.
func (silent) Print(...any) {}

// Open returns a pool of at most connectionsMax connections. It does not connect yet.
func (a Address) Open(connectionsMax int) (*sql.DB, error) {
	c, err := mysql.NewConnector(a.config.Clone())
	if err != nil {
		return nil, err
	}
	return pool(connector{c}, connectionsMax), nil
}

// OpenForWrites is Open for connections that accept several statements in one packet, which saves round trips. Code
// that builds such a packet writes every value as a number or in hexadecimal, or leaves it to the driver.
func (a Address) OpenForWrites(connectionsMax int) (*sql.DB, error) {
	several := Address{a.config.Clone()}
	several.config.MultiStatements = true
	return several.Open(connectionsMax)
}

func pool(c driver.Connector, connectionsMax int) *sql.DB {
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(connectionsMax)
	db.SetMaxIdleConns(connectionsMax)
	db.SetConnMaxIdleTime(idleMax)
	return db
}

// migrationConnections is the size of the migration pool: one connection holds the lock, others work.
const migrationConnections = 4

// OpenForMigrations returns a small pool that parses times, as the migration record needs. It ignores errors of ALTER
// TABLE statements that were already applied, so a migration whose process died before the record can be run again.
func (a Address) OpenForMigrations() (*sql.DB, error) {
	c := a.config.Clone()
	c.ParseTime = true
	c.ReadTimeout = 0 // altering a large table has no time limit
	my, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return pool(repeater{connector{my}}, migrationConnections), nil
}

// done lists the errors that show that an ALTER TABLE was already applied: the column or index exists, or the one to
// drop does not. A statement is applied completely or not at all.
var done = map[uint16]bool{1060: true, 1061: true, 1091: true}

// repeater makes connections that ignore errors of already applied statements.
type repeater struct{ driver.Connector }

// Connect implements driver.Connector.
func (r repeater) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return repeating{c.(conn)}, nil
}

// conn is the interface of the driver's connections.
type conn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.NamedValueChecker
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

type repeating struct{ conn }

// ExecContext implements driver.ExecerContext.
func (r repeating) ExecContext(ctx context.Context, text string, args []driver.NamedValue) (driver.Result, error) {
	result, err := r.conn.ExecContext(ctx, text, args)
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok && done[e.Number] {
		return driver.ResultNoRows, nil
	}
	return result, err
}

// connector sets up each new connection as the store needs it, whatever the server's defaults are.
type connector struct{ driver.Connector }

// silentSecondsMax is how long a transaction that has written may be idle. Its statements normally follow each other
// within milliseconds.
const silentSecondsMax = 3

// session lists the statements that set up a new connection.
//
// TiDB takes pessimistic locks only if told to; for other servers that is a comment.
//
// READ COMMITTED: a statement sees what is committed when it runs, even after it waited for a row, and no gaps are
// locked (docs/adr/0010). MariaDB ends an idle transaction that has written. Otherwise a stopped process with an open
// connection would hold a hot row until it is killed. MySQL has no such limit and treats it as a comment.
var session = []string{
	"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', SESSION time_zone = '+00:00', SESSION innodb_lock_wait_timeout = " + fmt.Sprint(lockSecondsMax) +
		fmt.Sprintf(" /*M!100300 , SESSION idle_write_transaction_timeout = %d */", silentSecondsMax) +
		" /*T! , SESSION tidb_txn_mode = 'pessimistic' */",
}

// Connect implements driver.Connector.
func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	for _, text := range session {
		if _, err := conn.(driver.ExecerContext).ExecContext(ctx, text, nil); err != nil {
			_ = conn.Close()
			return nil, err
		}
	}
	return conn, nil
}
