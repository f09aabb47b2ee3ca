package sqlite

import (
	"errors"

	sqlite3 "modernc.org/sqlite/lib"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// KindOf implements engine.Engine.
func (e *Engine) KindOf(err error) engine.Kind { return KindOf(err) }

// OnPrimary implements engine.Engine.
func (e *Engine) OnPrimary(err error) bool { return OnPrimary(err) }

// OnPrimary reports whether a unique violation is one of the primary key.
func OnPrimary(err error) bool { return resultCode(err) == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY }

// KindOf classifies an error.
func KindOf(err error) engine.Kind {
	code := resultCode(err)
	switch code {
	case 0:
		return engine.Other
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return engine.Unique
	case sqlite3.SQLITE_CONSTRAINT_NOTNULL:
		return engine.NotNull
	case sqlite3.SQLITE_CONSTRAINT_CHECK:
		return engine.Check
	}
	switch code & 0xff {
	case sqlite3.SQLITE_FULL:
		return engine.Full
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_NOMEM:
		return engine.Gone
	}
	return engine.Other
}

// writeError gives a failed write its fault code. The transaction was rolled back.
func writeError(err error) error {
	if err == nil || errors.As(err, new(*fault.Error)) {
		return err
	}
	return engine.WriteError(KindOf(err), err)
}

// resultCode returns SQLite's extended result code of an error from the driver or a hotConn, or zero for other errors.
// See https://www.sqlite.org/rescode.html.
func resultCode(err error) int {
	if e, ok := errors.AsType[interface {
		error
		Code() int
	}](err); ok {
		return e.Code()
	}
	return 0
}
