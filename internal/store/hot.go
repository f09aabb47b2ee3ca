package store

import (
	"fmt"
	"reflect"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// hotConn runs statements on SQLite itself, on the writer's connection and inside its transaction. For each execution the
// driver looks up the names of placeholders, copies every value into memory of its own and makes a result; for the three
// inserts of an order that takes longer than it is worth (docs/performance.md has the figures). Used by one at a time.
type hotConn struct {
	tls     *libc.TLS
	db      uintptr
	stmts   map[string]uintptr
	scratch uintptr // memory of SQLite's own kind, for the texts of one row
	size    int
	used    int
}

// newHotConn finds SQLite behind a connection of the driver. The driver's version is pinned; where its inside changed, this
// is the place that says so.
func newHotConn(driverConn any) (*hotConn, error) {
	v := reflect.Indirect(reflect.ValueOf(driverConn))
	if v.Kind() == reflect.Struct {
		db, tls := v.FieldByName("db"), v.FieldByName("tls")
		if db.Kind() == reflect.Uintptr && db.Uint() != 0 && tls.Type() == reflect.TypeFor[*libc.TLS]() && !tls.IsNil() {
			return &hotConn{tls: (*libc.TLS)(tls.UnsafePointer()), db: uintptr(db.Uint()), stmts: map[string]uintptr{}}, nil
		}
	}
	return nil, fmt.Errorf("the SQLite driver %T is not as this binary knows it: pin modernc.org/sqlite to the version in go.mod", driverConn)
}

func (h *hotConn) close() {
	for _, st := range h.stmts {
		sqlite3.Xsqlite3_finalize(h.tls, st)
	}
	clear(h.stmts)
	if h.scratch != 0 {
		libc.Xfree(h.tls, h.scratch)
		h.scratch, h.size = 0, 0
	}
}

// prepare returns the statement of a text, compiled once.
func (h *hotConn) prepare(text string) (uintptr, error) {
	if st, ok := h.stmts[text]; ok {
		return st, nil
	}
	sql, err := libc.CString(text)
	if err != nil {
		return 0, err
	}
	defer libc.Xfree(h.tls, sql)
	out := libc.Xcalloc(h.tls, 1, libc.Tsize_t(unsafe.Sizeof(uintptr(0))))
	if out == 0 {
		return 0, h.failure(sqlite3.SQLITE_NOMEM)
	}
	defer libc.Xfree(h.tls, out)
	if rc := sqlite3.Xsqlite3_prepare_v3(h.tls, h.db, sql, -1, sqlite3.SQLITE_PREPARE_PERSISTENT, out, 0); rc != sqlite3.SQLITE_OK {
		return 0, fmt.Errorf("prepare %q: %w", text, h.failure(rc))
	}
	st := *(*uintptr)(memory(out))
	h.stmts[text] = st
	return st, nil
}

// run executes a statement whose values are bound and returns how many rows of the table it changed.
func (h *hotConn) run(st uintptr) (int64, error) {
	rc := sqlite3.Xsqlite3_step(h.tls, st)
	var err error
	var changed int64
	if rc == sqlite3.SQLITE_DONE {
		changed = int64(sqlite3.Xsqlite3_changes(h.tls, h.db))
	} else {
		err = h.failure(rc)
	}
	sqlite3.Xsqlite3_reset(h.tls, st) // it repeats the step's error
	return changed, err
}

// sqliteError is an error of SQLite with its extended code, as the driver's errors have one.
type sqliteError struct {
	code    int
	message string
}

// Error implements error.
func (e *sqliteError) Error() string { return fmt.Sprintf("%s (%d)", e.message, e.code) }

// Code returns the extended result code: https://www.sqlite.org/rescode.html.
func (e *sqliteError) Code() int { return e.code }

func (h *hotConn) failure(rc int32) error {
	if extended := sqlite3.Xsqlite3_extended_errcode(h.tls, h.db); extended&0xff == rc&0xff {
		rc = extended
	}
	return &sqliteError{int(rc), libc.GoString(sqlite3.Xsqlite3_errmsg(h.tls, h.db))}
}

// row binds the values of one execution, in the order of the placeholders.
type row struct {
	hot  *hotConn
	stmt uintptr
	next int32
	err  error
}

func (r *row) bound(rc int32) {
	if rc != sqlite3.SQLITE_OK && r.err == nil {
		r.err = r.hot.failure(rc)
	}
}

// ints binds whole numbers.
func (r *row) ints(values ...int64) {
	for _, v := range values {
		r.next++
		r.bound(sqlite3.Xsqlite3_bind_int64(r.hot.tls, r.stmt, r.next, v))
	}
}

// text binds a TEXT.
func (r *row) text(s string) { r.textBytes(unsafe.Slice(unsafe.StringData(s), len(s))) }

// textBytes binds a TEXT that is at hand as bytes.
func (r *row) textBytes(b []byte) {
	r.next++
	p := r.hot.copy(b)
	r.bound(sqlite3.Xsqlite3_bind_text(r.hot.tls, r.stmt, r.next, p, int32(len(b)), 0)) // 0: SQLITE_STATIC
}

// blob binds a BLOB.
func (r *row) blob(b []byte) {
	r.next++
	p := r.hot.copy(b)
	r.bound(sqlite3.Xsqlite3_bind_blob(r.hot.tls, r.stmt, r.next, p, int32(len(b)), 0))
}

// null binds NULL.
func (r *row) null() {
	r.next++
	r.bound(sqlite3.Xsqlite3_bind_null(r.hot.tls, r.stmt, r.next))
}

// copy puts bytes where SQLite may read them until the next row. It never returns 0, which would bind a NULL.
func (h *hotConn) copy(b []byte) uintptr {
	at := h.scratch + uintptr(h.used)
	if len(b) > 0 {
		copy(unsafe.Slice((*byte)(memory(at)), len(b)), b)
	}
	h.used += len(b)
	return at
}

// memory is libc's memory at an address: the collector neither owns nor moves it.
func memory(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

// room makes sure that a row's texts fit before any of them is bound: what is bound must not move.
func (h *hotConn) room(bytes int) error {
	h.used = 0
	if bytes+1 <= h.size {
		return nil
	}
	if h.scratch != 0 {
		libc.Xfree(h.tls, h.scratch)
	}
	h.size = max(bytes+1, 2*h.size, 4096)
	if h.scratch = libc.Xmalloc(h.tls, libc.Tsize_t(h.size)); h.scratch == 0 {
		h.size = 0
		return h.failure(sqlite3.SQLITE_NOMEM)
	}
	return nil
}
