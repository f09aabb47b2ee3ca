package sqlite

import (
	"fmt"
	"reflect"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// hotConn runs statements directly in SQLite, on the writer's connection and inside its transaction. For each execution
// the driver looks up placeholder names, copies every value and allocates a result; for an order's three inserts that
// overhead is too high (docs/performance.md has the figures). It is not safe for concurrent use.
type hotConn struct {
	tls     *libc.TLS
	db      uintptr
	stmts   map[string]uintptr
	scratch uintptr // C memory for the texts of one row
	size    int
	used    int
}

// newHotConn finds SQLite behind a connection of the driver. It depends on the driver's internals. The driver's version
// is pinned, and a change is reported here.
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

// prepare returns the compiled statement of a text. It compiles each once.
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

// run executes a statement with bound values and returns the number of changed rows.
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

// sqliteError is an error with SQLite's extended code, like the driver's errors.
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

// HotRow binds the values of one execution, in the order of the placeholders.
type HotRow struct {
	hot  *hotConn
	stmt uintptr
	next int32
	err  error
}

func (r *HotRow) bound(rc int32) {
	if rc != sqlite3.SQLITE_OK && r.err == nil {
		r.err = r.hot.failure(rc)
	}
}

// Ints binds integers.
func (r *HotRow) Ints(values ...int64) {
	for _, v := range values {
		r.next++
		r.bound(sqlite3.Xsqlite3_bind_int64(r.hot.tls, r.stmt, r.next, v))
	}
}

// Text binds a TEXT.
func (r *HotRow) Text(s string) { r.TextBytes(unsafe.Slice(unsafe.StringData(s), len(s))) }

// TextBytes binds a TEXT from bytes.
func (r *HotRow) TextBytes(b []byte) {
	r.next++
	p := r.hot.copy(b)
	r.bound(sqlite3.Xsqlite3_bind_text(r.hot.tls, r.stmt, r.next, p, int32(len(b)), 0)) // 0: SQLITE_STATIC
}

// Blob binds a BLOB.
func (r *HotRow) Blob(b []byte) {
	r.next++
	p := r.hot.copy(b)
	r.bound(sqlite3.Xsqlite3_bind_blob(r.hot.tls, r.stmt, r.next, p, int32(len(b)), 0))
}

// Null binds NULL.
func (r *HotRow) Null() {
	r.next++
	r.bound(sqlite3.Xsqlite3_bind_null(r.hot.tls, r.stmt, r.next))
}

// copy copies bytes to C memory that stays valid until the next row. It never returns 0, which would bind NULL.
func (h *hotConn) copy(b []byte) uintptr {
	at := h.scratch + uintptr(h.used)
	if len(b) > 0 {
		copy(unsafe.Slice((*byte)(memory(at)), len(b)), b)
	}
	h.used += len(b)
	return at
}

// memory returns C memory at an address. The garbage collector neither owns nor moves it.
func memory(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

// room allocates space for all texts of a row before any is bound, because bound memory must not move.
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
