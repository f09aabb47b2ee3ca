package postgres

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/tidegate/tidegate/internal/store/engine"
)

// kinds maps error codes to kinds. https://www.postgresql.org/docs/15/errcodes-appendix.html
var kinds = map[string]engine.Kind{
	"23505": engine.Unique, "23502": engine.NotNull, "23514": engine.Check,
	"40001": engine.Again, // write conflict; on a standby: conflict with replay
	"40P01": engine.Deadlock,
	"55P03": engine.Again, // lock timeout
	"57014": engine.Again, // statement_timeout
	"0A000": engine.Again, // "cached plan must not change result type", after a migration by another process; prepare again
	"25006": engine.Gone,  // read-only: another server is the primary now
	"25P03": engine.Gone,  // idle_in_transaction_session_timeout
	"40003": engine.Gone,
	"53100": engine.Full,
	"22021": engine.Invalid, "22P05": engine.Invalid, // zero byte or invalid UTF-8
}

// classes maps the first two characters of a code to a kind, for codes that kinds does not list.
var classes = map[string]engine.Kind{
	"08": engine.Gone, // connection
	"53": engine.Gone, // too many connections, out of memory
	"57": engine.Gone, // the server stops or starts, or the connection was terminated
	"58": engine.Gone, // disk
}

// KindOf classifies an error.
func KindOf(err error) engine.Kind {
	if e, ok := errors.AsType[*pgconn.PgError](err); ok {
		if kind, known := kinds[e.Code]; known {
			return kind
		}
		return classes[e.Code[:min(2, len(e.Code))]]
	}
	var network net.Error
	switch {
	case err == nil:
		return engine.Other
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return engine.Gone
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return engine.Other
	case errors.As(err, &network), errors.As(err, new(*pgconn.ConnectError)):
		return engine.Gone
	}
	return engine.Other
}

// OnPrimary reports whether a unique violation is one of the primary key.
func OnPrimary(err error) bool {
	e, ok := errors.AsType[*pgconn.PgError](err)
	return ok && e.Code == "23505" && strings.HasSuffix(e.ConstraintName, "_pkey")
}
