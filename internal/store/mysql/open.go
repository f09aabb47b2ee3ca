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

// Limits of a connection, where its address does not say otherwise.
const (
	dialMax = 5 * time.Second
	// answerMax bounds the wait for one answer, so that a connection whose other end has vanished is noticed. It is longer than
	// lockSecondsMax, and than any statement of the shop but those of the audit, which come in portions.
	answerMax = 30 * time.Second
	// lockSecondsMax is how long a statement waits for a row before its transaction is rolled back and repeated.
	lockSecondsMax = 5
	// idleMax is below the time after which proxies and load balancers usually drop a silent connection.
	idleMax = 4 * time.Minute
)

// Address is where a server is, and who asks.
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
	// What the store relies on is not the address's to say.
	c.InterpolateParams = true // one round trip a statement, and nothing to prepare anew after a failover
	c.ClientFoundRows = true   // as SQLite counts: the rows that an UPDATE found
	c.ParseTime = false
	c.MultiStatements = false
	c.RejectReadOnly = true // a primary that became a replica: the pool connects anew
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
	c.Logger = silent{} // what it would log is in the errors that it returns
	return Address{c}, nil
}

// String names the server and the database, without user and password.
func (a Address) String() string { return a.config.Addr + "/" + a.config.DBName }

// silent drops what the driver logs.
type silent struct{}

// Print implements mysql.Logger.
func (silent) Print(...any) {}

// Open returns a pool of at most connectionsMax connections. Nothing is connected yet.
func (a Address) Open(connectionsMax int) (*sql.DB, error) {
	c, err := mysql.NewConnector(a.config.Clone())
	if err != nil {
		return nil, err
	}
	return pool(connector{c}, connectionsMax), nil
}

// OpenForWrites is Open for connections that take several statements in one packet, so that what need not be waited for costs no
// round trip. What makes such a packet writes every value as a number or in hexadecimal digits, or leaves it to the driver.
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

// migrationConnections is what a migration takes: one that holds the lock, and one that works.
const migrationConnections = 4

// OpenForMigrations returns a small pool whose times are read as such, which the record of migrations needs. What ALTER TABLE
// has done before is no error there: a migration whose process died before it was recorded can be repeated.
func (a Address) OpenForMigrations() (*sql.DB, error) {
	c := a.config.Clone()
	c.ParseTime = true
	c.ReadTimeout = 0 // changing a large table takes as long as it takes
	my, err := mysql.NewConnector(c)
	if err != nil {
		return nil, err
	}
	return pool(repeater{connector{my}}, migrationConnections), nil
}

// done are the errors by which a server says that an ALTER TABLE has been carried out before: the column is there, the index is
// there, what is to be dropped is not. A statement is carried out as a whole or not at all.
var done = map[uint16]bool{1060: true, 1061: true, 1091: true}

// repeater makes connections on which a statement that is done is no error.
type repeater struct{ driver.Connector }

// Connect implements driver.Connector.
func (r repeater) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := r.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return repeating{c.(conn)}, nil
}

// conn is what the driver's connections can do.
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

// connector brings each new connection into the state that the store relies on, whatever the server's defaults are.
type connector struct{ driver.Connector }

// silentSecondsMax is how long a transaction that has written may say nothing: its statements follow each other in milliseconds.
const silentSecondsMax = 3

// session is what a new connection is told.
//
// READ COMMITTED: a statement sees what is committed when it runs, also after it waited for a row, and no gap is locked
// (docs/adr/0010). MariaDB ends a transaction that has written and says nothing more: a process that was stopped among its
// statements, its connection open, would hold the hot row until it is killed. MySQL has no such limit, and takes it as a comment.
var session = []string{
	"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED",
	"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO', SESSION time_zone = '+00:00', SESSION innodb_lock_wait_timeout = " + fmt.Sprint(lockSecondsMax) +
		fmt.Sprintf(" /*M!100300 , SESSION idle_write_transaction_timeout = %d */", silentSecondsMax),
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
