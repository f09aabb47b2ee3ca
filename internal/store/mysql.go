package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store/mysql"
)

// How often, and for how long, a transaction is repeated that is known not to have been committed.
const (
	// conflictTriesMax bounds the tries against a deadlock, a lock that did not come, a write conflict, and a row that somebody
	// else has inserted meanwhile.
	conflictTriesMax = 12
	// goneMax bounds the time for which a server that went away is waited for: about what a failover by a proxy takes.
	goneMax = 3 * time.Second
	// unknownMax bounds the time for which it is asked what became of a COMMIT that was not answered.
	unknownMax = 15 * time.Second
	// pauseMin and pauseMax bound the pause between two tries, which doubles and is drawn at random.
	pauseMin = 2 * time.Millisecond
	pauseMax = 250 * time.Millisecond
)

// mysqlWriter is MySQL's side of the writes: as many transactions at once as there are connections.
type mysqlWriter struct {
	address mysql.Address
	dialect *dialect
	db      *sql.DB
	// jobs holds a place for each job that may run at once: orders always find a connection.
	jobs   chan struct{}
	closed atomic.Bool
	// announced is called after each commit that wrote an event.
	announced func()
	ids       rowIDs
	assumed   assumedTerms
	// recent remembers what was written; nil where there are no replicas.
	recent *recent
	// askMax is unknownMax, but for tests.
	askMax time.Duration
	// twice, of tests alone, has every transaction undone once and run again, as after a deadlock.
	twice bool

	mu sync.Mutex
	// undecided holds an order of each batch whose COMMIT was not answered, until somebody is told what became of it.
	undecided map[id.Order]struct{}
}

// mysqlTx is MySQL's side of a Tx.
type mysqlTx struct {
	w    *mysqlWriter
	conn *sql.Conn
	// ahead are statements that go to the server in front of the next one, in its packet: see later.
	ahead []byte
	// sent says that the server knows of the transaction.
	sent bool
	// lost is why the transaction cannot be gone on with.
	lost error
	// wrote says that a statement may have changed something.
	wrote bool
	// witness is a row of the transaction: where it is, the transaction was committed.
	witness witness
}

// witness is a SELECT that finds a row which one transaction has inserted, and waits for that transaction where it is
// still under way.
type witness struct {
	text string
	arg  any
}

const (
	orderWitness  = "SELECT 1 FROM orders WHERE id = ? FOR UPDATE"
	markerWitness = "SELECT 1 FROM marker WHERE id = ? FOR UPDATE"
)

// later has a statement go to the server with the next one, in one packet: a round trip less. Nobody learns its count, and its
// error is the next one's: the server runs nothing behind a statement that failed. It is for what a batch of orders writes, whose size
// is bounded, and not for what somebody may want to undo alone, or for a witness: see mark.
func (m *mysqlTx) later(text string, args ...any) {
	m.wrote = true
	m.ahead = append(appendStatement(m.ahead, m.w.dialect.text(text), args), "; "...)
}

// laterText is later for a statement that is written as MySQL takes it, without a question mark in it.
func (m *mysqlTx) laterText(text []byte) {
	m.wrote = true
	m.ahead = append(append(m.ahead, text...), "; "...)
}

// appendStatement writes a statement with its values: whole numbers, NULL, and texts and bytes as hexadecimal digits. There is no
// question mark in what comes out, by which the driver would take it for one that has values to come.
func appendStatement(b []byte, text string, args []any) []byte {
	for _, a := range args {
		before, after, _ := strings.Cut(text, "?")
		b, text = append(b, before...), after
		switch v := a.(type) {
		case nil:
			b = append(b, "NULL"...)
		case string:
			b = append(hex.AppendEncode(append(b, "x'"...), []byte(v)), '\'')
		case []byte:
			b = append(hex.AppendEncode(append(b, "x'"...), v), '\'')
		case int64:
			b = strconv.AppendInt(b, v, 10)
		default:
			panic(fmt.Sprintf("a value of type %T cannot be sent ahead", a))
		}
	}
	return append(b, text...)
}

// packet returns a statement behind those that go ahead of it.
func (m *mysqlTx) packet(text string) string {
	m.sent = true
	if len(m.ahead) > 0 {
		text = string(append(m.ahead, text...))
		m.ahead = m.ahead[:0]
	}
	return text
}

func (m *mysqlTx) exec(text string, args []any) (int64, error) {
	m.wrote = true
	r, err := m.conn.ExecContext(context.Background(), m.packet(m.w.dialect.text(text)), args...)
	if err != nil {
		return 0, m.note(err)
	}
	return r.RowsAffected()
}

// execText runs a statement that is written as MySQL takes it, and is not remembered.
func (m *mysqlTx) execText(text string) (int64, error) {
	m.wrote = true
	r, err := m.conn.ExecContext(context.Background(), m.packet(text))
	if err != nil {
		return 0, m.note(err)
	}
	return r.RowsAffected() // of the last statement
}

func (m *mysqlTx) query(text string, args []any) (*sql.Rows, error) {
	rows, err := m.conn.QueryContext(context.Background(), m.packet(m.w.dialect.text(text)), args...)
	return rows, m.note(err)
}

func (m *mysqlTx) row(text string, args []any) scanner {
	return notedRow{m, m.conn.QueryRowContext(context.Background(), m.packet(m.w.dialect.text(text)), args...)}
}

// notedRow is a row whose error may end the transaction.
type notedRow struct {
	m   *mysqlTx
	row *sql.Row
}

// Scan implements scanner.
func (r notedRow) Scan(into ...any) error { return r.m.note(r.row.Scan(into...)) }

// note keeps an error after which the server has rolled the transaction back, or after which it should.
func (m *mysqlTx) note(err error) error {
	switch mysql.KindOf(err) {
	case mysql.Again, mysql.Gone:
		if m.lost == nil {
			m.lost = err
		}
	}
	return err
}

// begin begins the transaction, with its first statement.
func (m *mysqlTx) begin() {
	m.wrote, m.witness = false, witness{}
	m.ahead = append(m.ahead[:0], "START TRANSACTION; "...)
}

// restart undoes everything since the transaction began.
func (m *mysqlTx) restart() error {
	m.ahead = m.ahead[:0]
	if m.sent {
		if _, err := m.conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
			return m.note(err)
		}
	}
	m.begin()
	return nil
}

// write runs fn in a transaction and commits it. It is repeated where it is known not to have been committed and may
// succeed at another try, so fn sets all that it sets anew. Where the answer to COMMIT was lost, a row that only this
// transaction has inserted is asked for.
//
// Errors: those of Store.write, and fault.OutcomeUnknown where nothing could be asked for unknownMax.
func (w *mysqlWriter) write(ctx context.Context, p priority, fn func(tx *Tx) error) error {
	if p == jobs {
		select {
		case w.jobs <- struct{}{}:
			defer func() { <-w.jobs }()
		case <-ctx.Done():
			return busy(ctx.Err())
		}
	}
	began := time.Now()
	for try := 1; ; try++ {
		err := w.try(ctx, p, fn)
		again := errors.Is(err, errTerms) && try < conflictTriesMax
		switch mysql.KindOf(err) {
		case mysql.Again, mysql.Unique: // somebody else has written what this one had not seen
			again = try < conflictTriesMax
		case mysql.Gone:
			again = time.Since(began) < goneMax
		}
		if !again || errors.Is(err, fault.OutcomeUnknown) || ctx.Err() != nil {
			return mysqlWriteError(err)
		}
		pause(ctx, try)
	}
}

// pause waits before the next try.
func pause(ctx context.Context, try int) {
	most := min(pauseMax, pauseMin<<min(try, 10))
	timer := time.NewTimer(time.Duration(mathrand.Int64N(int64(most)) + 1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// try runs fn in one transaction.
func (w *mysqlWriter) try(ctx context.Context, p priority, fn func(tx *Tx) error) error {
	if w.closed.Load() {
		return fault.New(fault.ShuttingDown, "The database is closed.")
	}
	at := crossings[p]
	if err := crashpoint.Fail(at.beginBefore); err != nil {
		return err
	}
	conn, err := w.db.Conn(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return busy(err)
		}
		return err
	}
	m := &mysqlTx{w: w, conn: conn}
	m.begin()
	ended := false
	defer func() {
		if !ended {
			m.rollback()
		}
	}()
	if err := crashpoint.Fail(at.beginAfter); err != nil {
		return err
	}
	if w.twice {
		_ = fn(&Tx{my: m})
		m.lost = nil
		if err := m.restart(); err != nil {
			return err
		}
	}
	tx := &Tx{my: m}
	if err := fn(tx); err != nil {
		return err
	}
	if m.lost != nil { // fn has taken it for an answer
		return m.lost
	}
	if !m.wrote {
		return nil
	}
	if err := m.mark(); err != nil {
		return err
	}
	if err := crashpoint.Fail(at.commitBefore); err != nil {
		return err
	}
	if _, err := conn.ExecContext(context.Background(), m.packet("COMMIT")); err != nil {
		if mysql.KindOf(err) != mysql.Gone {
			return err
		}
		ended = true
		if err := w.ask(m.witness, errors.Join(err, m.discard())); err != nil {
			return err
		}
	} else {
		ended = true
		_ = conn.Close() // back to the pool
	}
	crashpoint.Pass(at.commitAfter)
	if tx.announced {
		w.announced()
	}
	return nil
}

// mark gives the transaction a witness where it has none.
//
// A witness has to be there when the COMMIT is sent: who finds none, and no lock, takes it that the COMMIT never came. So it does not
// go ahead of it in the same packet.
func (m *mysqlTx) mark() error {
	if m.witness.text != "" {
		return nil
	}
	marker := m.w.ids.next()
	m.witness = witness{markerWitness, marker}
	_, err := m.exec("INSERT INTO marker (id) VALUES (?)", []any{marker})
	return err
}

func (m *mysqlTx) rollback() {
	if !m.sent {
		_ = m.conn.Close()
		return
	}
	if _, err := m.conn.ExecContext(context.Background(), "ROLLBACK"); err != nil {
		_ = m.discard()
		return
	}
	_ = m.conn.Close()
}

// discard closes the connection itself: nobody gets it with a transaction in it. The server rolls back what was open.
func (m *mysqlTx) discard() error {
	_ = m.conn.Raw(func(any) error { return driver.ErrBadConn })
	err := m.conn.Close()
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// ask finds out what became of a transaction whose COMMIT was not answered. It returns nil where it was committed, an error
// of the kind Gone where it was not, and fault.OutcomeUnknown where that could not be told.
//
// The witness is read with a lock: where the server is still at the COMMIT, the answer waits for it.
func (w *mysqlWriter) ask(from witness, lost error) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.askMax)
	defer cancel()
	for try := 1; ctx.Err() == nil; try++ {
		committed, err := w.committed(ctx, from)
		switch {
		case err != nil:
			pause(ctx, try)
		case committed:
			return nil
		default:
			return lost
		}
	}
	if o, ok := from.arg.(id.Order); ok {
		w.mu.Lock()
		w.undecided[o] = struct{}{}
		w.mu.Unlock()
	}
	return fault.Wrap(fault.OutcomeUnknown, lost, "The database did not say whether it was done; ask again.").After(time.Second)
}

// committed reports whether the transaction of a witness was committed. An error means that it cannot be told.
func (w *mysqlWriter) committed(ctx context.Context, from witness) (bool, error) {
	var found int
	err := w.db.QueryRowContext(ctx, w.dialect.text(from.text), from.arg).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// decide asks after an order whose batch was left undecided, and waits for what may still be under way. Other orders it
// passes over.
func (w *mysqlWriter) decide(ctx context.Context, o id.Order) error {
	w.mu.Lock()
	any := len(w.undecided) > 0
	w.mu.Unlock()
	if !any {
		return nil
	}
	if _, err := w.committed(ctx, witness{orderWitness, o}); err != nil {
		return readError(err)
	}
	w.mu.Lock()
	delete(w.undecided, o)
	w.mu.Unlock()
	return nil
}

// mysqlWriteError gives a failed write its code. What it is told of was rolled back, or is fault.OutcomeUnknown.
func mysqlWriteError(err error) error {
	switch kind := mysql.KindOf(err); {
	case errors.Is(err, fault.OutcomeUnknown):
		return err
	case kind == mysql.Full:
		return fault.Wrap(fault.StoreFull, err, "The disk is full; nothing was changed. Try again.").After(5 * time.Second)
	case kind == mysql.Again, kind == mysql.Gone, errors.Is(err, errTerms):
		return fault.Wrap(fault.StoreUnavailable, err, "The database cannot be written at the moment; nothing was changed. Try again.").After(2 * time.Second)
	}
	return err
}

func (w *mysqlWriter) close() error {
	w.closed.Store(true)
	return w.db.Close()
}

// rowIDs makes the ids of rows that have no id of the shop's own: 8 bytes that grow with the time and with each call, and 8
// that are the process's.
type rowIDs struct {
	last    atomic.Uint64
	once    sync.Once
	process [8]byte
}

func (r *rowIDs) next() []byte {
	r.once.Do(func() { _, _ = rand.Read(r.process[:]) }) // it never fails
	now := uint64(time.Now().UnixMicro()) << 8
	for {
		last := r.last.Load()
		next := max(last+1, now)
		if r.last.CompareAndSwap(last, next) {
			return append(binary.BigEndian.AppendUint64(make([]byte, 0, 16), next), r.process[:]...)
		}
	}
}

// openMySQL opens the database at the primary's address. It refuses a server that it cannot use, and, unless it is allowed,
// one whose settings could lose a commit.
func openMySQL(ctx context.Context, c Config) (_ *Store, err error) {
	at, err := mysql.Parse(c.Primary)
	if err != nil {
		return nil, fmt.Errorf("store.primary must be %w", err)
	}
	writers, err := at.OpenForWrites(c.WritersMax + 4) // two for orders, and two to ask after a lost answer
	if err != nil {
		return nil, err
	}
	readers, err := at.Open(c.ReadersMax)
	if err != nil {
		return nil, errors.Join(err, writers.Close())
	}
	d := mysqlDialect()
	w := &mysqlWriter{address: at, dialect: d, db: writers, jobs: make(chan struct{}, c.WritersMax), undecided: map[id.Order]struct{}{}, askMax: unknownMax}
	s := &Store{config: c, dialect: d, my: w, db: readers, gateWake: make(chan struct{}, 1), stampWake: make(chan struct{}, 1)}
	w.announced = s.wakeStamp
	version, unsafe, err := at.Check(ctx, readers, "store.primary")
	if err == nil && len(unsafe) > 0 && !c.AllowUnsafe {
		err = fmt.Errorf("MySQL at %s (store.primary) could lose accepted orders: %s; set that right, or say store.allow_unsafe", at, strings.Join(unsafe, "; "))
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	if _, err := writers.ExecContext(ctx, "DO 0; DO 0"); err != nil {
		return nil, errors.Join(fmt.Errorf("MySQL at %s (store.primary) does not take two statements at once: a proxy before it must let connections have CLIENT_MULTI_STATEMENTS: %w", at, err), s.Close())
	}
	if len(c.Replicas) > 0 {
		w.recent = newRecent(c.ownWritesFor())
		if s.replicas, err = mysql.OpenReplicas(ctx, c.Replicas, c.ReadersMax, c.ReplicaLagMax); err != nil {
			return nil, errors.Join(err, s.Close())
		}
	}
	s.engine, s.warnings = version.Product+" "+version.Text+" at "+at.String(), unsafe
	return s, nil
}

func (s *Store) wakeStamp() {
	select {
	case s.stampWake <- struct{}{}:
	default: // it is awake already
	}
}

// Engine says what the data is in: the file, or the server and its version.
func (s *Store) Engine() string { return s.engine }

// Warnings lists, each in one clause, what is unsafe about the server's settings and was allowed.
func (s *Store) Warnings() []string { return s.warnings }
