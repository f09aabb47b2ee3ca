// Package mysql opens MySQL and what speaks its protocol (MariaDB, TiDB, Vitess), says what its errors mean, and holds its
// settings to what the shop needs.
package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"
)

// Kind is what an error means to who wrote.
type Kind int

// The kinds. What is Again or Gone was rolled back and can be repeated, unless it is the answer to a COMMIT that is Gone.
const (
	Other  Kind = iota
	Unique      // a row whose unique key exists
	NotNull
	Check
	Again // a deadlock, a lock that did not come, a conflict of writes: the transaction was rolled back
	Gone  // the connection, or the server behind it, went away or became a replica
	Full  // no room on the disk
)

// kinds says what the numbers of servers mean.
// MySQL: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
// MariaDB: https://mariadb.com/kb/en/mariadb-error-code-reference/
// TiDB: https://docs.pingcap.com/tidb/stable/error-codes
var kinds = map[uint16]Kind{
	1062: Unique, 1586: Unique,
	1048: NotNull, 1364: NotNull,
	3819: Check, 4025: Check,
	1213: Again,                                                     // deadlock
	1205: Again,                                                     // the lock did not come
	1020: Again,                                                     // MariaDB: the record has changed since the snapshot
	1180: Again,                                                     // an error during COMMIT, by a conflict between Galera's nodes
	1615: Again,                                                     // prepare again
	8002: Again, 8005: Again, 8022: Again, 8028: Again, 9007: Again, // TiDB: write conflict, schema changed meanwhile
	1053: Gone, 1079: Gone, // the server is shutting down
	1927: Gone, 1317: Gone, 3169: Gone, // the connection was killed
	1290: Gone, 1792: Gone, 1836: Gone, // read-only: another server is the primary now
	1047: Gone,                                     // Galera: not ready
	9001: Gone, 9002: Gone, 9003: Gone, 9005: Gone, // TiDB: a part does not answer
	1040: Gone,             // too many connections
	1021: Full, 1114: Full, // disk full, table full
}

// KindOf says what an error means.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return kinds[e.Number]
	}
	var network net.Error
	switch {
	case err == nil:
		return Other
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return Other
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrBusyBuffer), errors.Is(err, mysql.ErrMalformPkt),
		errors.Is(err, mysql.ErrPktSync), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return Gone
	}
	return Other
}

// OnPrimary reports whether the refusal by a unique key was by the table's primary key.
func OnPrimary(err error) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && kinds[e.Number] == Unique && strings.Contains(e.Message, "PRIMARY'")
}
