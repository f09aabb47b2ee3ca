// Package mysql implements the engine for MySQL and servers that speak its protocol: MariaDB, TiDB, Vitess. It
// classifies their errors and checks their settings.
package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/tidegate/tidegate/internal/store/engine"
)

// kinds says what the numbers of servers mean.
// MySQL: https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html
// MariaDB: https://mariadb.com/kb/en/mariadb-error-code-reference/
// TiDB: https://docs.pingcap.com/tidb/stable/error-codes
var kinds = map[uint16]engine.Kind{
	1062: engine.Unique, 1586: engine.Unique,
	1048: engine.NotNull, 1364: engine.NotNull,
	3819: engine.Check, 4025: engine.Check,
	1213: engine.Deadlock,
	1205: engine.Again,                                                                                 // lock timeout
	1020: engine.Again,                                                                                 // MariaDB: the record changed after the snapshot
	1180: engine.Again,                                                                                 // error during COMMIT: a conflict between Galera nodes
	1615: engine.Again,                                                                                 // must be prepared again
	8002: engine.Again, 8005: engine.Again, 8022: engine.Again, 8028: engine.Again, 9007: engine.Again, // TiDB: write conflict or schema change
	1053: engine.Gone, 1079: engine.Gone, // the server is shutting down
	1927: engine.Gone, 1317: engine.Gone, 3169: engine.Gone, // the connection was killed
	1290: engine.Gone, 1792: engine.Gone, 1836: engine.Gone, // read-only: another server is the primary now
	1047: engine.Gone,                                                          // Galera: not ready
	9001: engine.Gone, 9002: engine.Gone, 9003: engine.Gone, 9005: engine.Gone, // TiDB: a component does not answer
	1040: engine.Gone,                    // too many connections
	1021: engine.Full, 1114: engine.Full, // disk full, table full
}

// unknownError is the code that TiDB uses for some storage errors. Only the message distinguishes them.
const unknownError = 1105

func saysAgain(message string) bool {
	return strings.Contains(message, "pessimistic lock retry limit reached") || strings.Contains(strings.ToLower(message), "lock wait timeout")
}

// KindOf classifies an error.
func KindOf(err error) engine.Kind {
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		if e.Number == unknownError && saysAgain(e.Message) {
			return engine.Again
		}
		return kinds[e.Number]
	}
	var network net.Error
	switch {
	case err == nil:
		return engine.Other
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return engine.Other
	case errors.Is(err, mysql.ErrInvalidConn), errors.Is(err, driver.ErrBadConn), errors.Is(err, mysql.ErrBusyBuffer), errors.Is(err, mysql.ErrMalformPkt),
		errors.Is(err, mysql.ErrPktSync), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return engine.Gone
	}
	return engine.Other
}

// OnPrimary reports whether a unique violation is one of the primary key.
func OnPrimary(err error) bool {
	e, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && kinds[e.Number] == engine.Unique && strings.Contains(e.Message, "PRIMARY'")
}
