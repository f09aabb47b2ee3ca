package engine

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	mathrand "math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Bounds of the repetitions of a transaction that was certainly not committed.
const (
	// conflictMax bounds how long a transaction is repeated after deadlocks, lock timeouts and write conflicts. It is
	// longer than a crowd needs to pass through one row.
	conflictMax = 10 * time.Second
	// changedTriesMax bounds the attempts of a transaction that met a concurrent insert or whose facts changed. It
	// counts attempts, not time: each attempt sees the latest state, however long the previous one waited.
	changedTriesMax = 12
	// goneMax bounds how long a lost server is retried: roughly a failover through a proxy.
	goneMax = 3 * time.Second
	// unknownMax bounds how long the outcome of an unanswered COMMIT is investigated.
	unknownMax = 15 * time.Second
	// pauseMin and pauseMax bound the random pause between attempts, which doubles.
	pauseMin = 2 * time.Millisecond
	pauseMax = 250 * time.Millisecond
)

// Transaction is a transaction of one of several writers, on its own connection.
type Transaction interface {
	Tx
	// Wrote reports whether a statement may have changed something. Failed returns the error that ended the
	// transaction; Forget clears it.
	Wrote() bool
	Failed() error
	Forget()
	// Mark makes sure that the server has a row that proves the commit, and returns it.
	Mark() (Witness, error)
	Commit() error
	// Rollback ends the transaction and returns or closes the connection.
	Rollback()
	// End returns the connection to the pool.
	End()
	// Discard closes the connection, so that the server rolls back.
	Discard() error
}

// Witness is a row that a transaction has inserted. To learn the transaction's outcome, the same row is inserted again.
// That insert waits while the transaction is open. A unique violation of the primary key then proves the commit;
// success proves that there was none.
type Witness struct {
	Text string
	Args []any
	// Order is an order of the batch; zero if the transaction inserted no orders.
	Order id.Order
}

// MarkerOf returns the witness of a transaction without orders: its marker row.
func MarkerOf(marker []byte) Witness {
	return Witness{Text: "INSERT INTO marker (id) VALUES (?)", Args: []any{marker}}
}

// OrderWitness returns the witness of a batch that has inserted this order. The row has no sale, so that no other
// unique key interferes.
func OrderWitness(o id.Order) Witness {
	return Witness{Order: o, Args: []any{int64(o), int64(o)}, Text: `
		INSERT INTO orders (id, sale_id, customer_id, idem_key, body_hash, status, "lines", units, total, currency, created_at, expires_at)
		VALUES (?, -1, ?, '', '', 'pending', '[]', 1, 0, '', 0, 0)`}
}

// Writers runs the concurrent transactions of an engine, one on each connection.
type Writers struct {
	DB *sql.DB
	// Begin begins a transaction on a connection.
	Begin  func(*sql.Conn) Transaction
	KindOf func(error) Kind
	Texts  *Texts
	IDs    RowIDs
	// ConflictMax bounds how long a transaction is repeated after conflicts.
	ConflictMax time.Duration
	// AskMax bounds how long the outcome of an unanswered COMMIT is investigated.
	AskMax time.Duration
	// Twice, for tests, rolls every transaction back once and repeats it, as after a deadlock.
	Twice bool

	// jobs has a slot for each concurrent job, so that orders always find a connection.
	jobs   chan struct{}
	closed atomic.Bool
	// conflicts counts transactions that the server rolled back; Deadlocks counts the deadlocks among them.
	conflicts atomic.Int64
	Deadlocks atomic.Int64

	mu sync.Mutex
	// undecided holds an order of each batch with an unanswered COMMIT until the outcome is reported.
	undecided map[id.Order]struct{}
}

// NewWriters returns the writers of a pool with at most jobsMax concurrent jobs in addition to orders.
func NewWriters(db *sql.DB, jobsMax int, texts *Texts, kindOf func(error) Kind) *Writers {
	return &Writers{DB: db, KindOf: kindOf, Texts: texts, ConflictMax: conflictMax, AskMax: unknownMax, jobs: make(chan struct{}, jobsMax), undecided: map[id.Order]struct{}{}}
}

// ConnectionsMax returns the size of the pool: jobsMax, two more for orders, and two to investigate a lost COMMIT.
func ConnectionsMax(jobsMax int) int { return jobsMax + 4 }

// Write runs fn in a transaction and commits it. It repeats a transaction that was certainly not committed and may
// succeed, so fn must reset its results. After an unanswered COMMIT it inserts the witness again to learn the outcome.
//
// Errors: those of Engine.Write, and fault.OutcomeUnknown if the investigation fails for AskMax.
func (w *Writers) Write(ctx context.Context, p Priority, fn func(Tx) error) error {
	if p == Jobs {
		select {
		case w.jobs <- struct{}{}:
			defer func() { <-w.jobs }()
		case <-ctx.Done():
			return Busy(ctx.Err())
		}
	}
	began := time.Now()
	for try := 1; ; try++ {
		err := w.try(ctx, p, fn)
		kind := w.KindOf(err)
		again := errors.Is(err, ErrRetry) && try < changedTriesMax
		switch kind {
		case Again, Deadlock:
			w.conflicts.Add(1)
			if kind == Deadlock {
				w.Deadlocks.Add(1)
			}
			again = time.Since(began) < w.ConflictMax
		case Unique: // a concurrent transaction inserted the row
			again = try < changedTriesMax
		case Gone:
			again = time.Since(began) < goneMax
		}
		if !again || errors.Is(err, fault.OutcomeUnknown) || ctx.Err() != nil {
			return WriteError(kind, err)
		}
		Pause(ctx, try)
	}
}

// Conflicts returns the number of transactions that the server rolled back and that were repeated.
func (w *Writers) Conflicts() int64 { return w.conflicts.Load() }

// Pause waits before the next attempt.
func Pause(ctx context.Context, try int) {
	most := min(pauseMax, pauseMin<<min(try, 10))
	timer := time.NewTimer(time.Duration(mathrand.Int64N(int64(most)) + 1))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// try runs fn in one transaction.
func (w *Writers) try(ctx context.Context, p Priority, fn func(Tx) error) error {
	if w.closed.Load() {
		return fault.New(fault.ShuttingDown, "The database is closed.")
	}
	at := &Crossings[p]
	if err := crashpoint.Fail(at.BeginBefore); err != nil {
		return err
	}
	conn, err := w.DB.Conn(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return Busy(err)
		}
		return err
	}
	tx := w.Begin(conn)
	ended := false
	defer func() {
		if !ended {
			tx.Rollback()
		}
	}()
	if err := crashpoint.Fail(at.BeginAfter); err != nil {
		return err
	}
	if w.Twice {
		_ = fn(tx)
		tx.Forget()
		if err := tx.Restart(); err != nil {
			return err
		}
	}
	if err := fn(tx); err != nil {
		return err
	}
	if err := tx.Failed(); err != nil { // fn ignored the error
		return err
	}
	if !tx.Wrote() {
		return nil
	}
	witness, err := tx.Mark()
	if err != nil {
		return err
	}
	if err := crashpoint.Fail(at.CommitBefore); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		if w.KindOf(err) != Gone {
			return err
		}
		ended = true
		if err := w.ask(witness, errors.Join(err, tx.Discard())); err != nil {
			return err
		}
	} else {
		ended = true
		tx.End()
	}
	crashpoint.Pass(at.CommitAfter)
	return nil
}

// ask finds out whether a transaction with an unanswered COMMIT was committed. It returns nil if so, an error of kind
// Gone if not, and fault.OutcomeUnknown if that cannot be determined.
func (w *Writers) ask(from Witness, lost error) error {
	ctx, cancel := context.WithTimeout(context.Background(), w.AskMax)
	defer cancel()
	for try := 1; ctx.Err() == nil; try++ {
		committed, err := w.committed(ctx, from)
		switch {
		case err != nil:
			Pause(ctx, try)
		case committed:
			return nil
		default:
			return lost
		}
	}
	if from.Order != 0 {
		w.mu.Lock()
		w.undecided[from.Order] = struct{}{}
		w.mu.Unlock()
	}
	return fault.Wrap(fault.OutcomeUnknown, lost, "The database did not say whether it was done; ask again.").After(time.Second)
}

// committed reports whether the witness's transaction was committed. An error means unknown.
//
// It inserts the row, which waits on every engine for the transaction that has inserted it. A locking read would not
// wait: TiDB and PostgreSQL immediately report no row.
func (w *Writers) committed(ctx context.Context, from Witness) (bool, error) {
	tx, err := w.DB.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }()
	_, err = tx.ExecContext(ctx, w.Texts.Of(from.Text), from.Args...)
	if w.KindOf(err) == Unique {
		return true, nil
	}
	return false, err
}

// AwaitOutcome waits until the outcome of an order's undecided batch is known. For other orders it returns immediately.
func (w *Writers) AwaitOutcome(ctx context.Context, o id.Order) error {
	w.mu.Lock()
	any := len(w.undecided) > 0
	w.mu.Unlock()
	if !any {
		return nil
	}
	if _, err := w.committed(ctx, OrderWitness(o)); err != nil {
		return err
	}
	w.mu.Lock()
	delete(w.undecided, o)
	w.mu.Unlock()
	return nil
}

// Close closes the pool. Later calls fail.
func (w *Writers) Close() error {
	w.closed.Store(true)
	return w.DB.Close()
}

// DiscardConn closes the connection instead of returning it to the pool with an open transaction.
func DiscardConn(conn *sql.Conn) error {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	err := conn.Close()
	if errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// RowIDs makes ids for rows without an id of the shop: 8 bytes that grow with time and with each call, followed by 8
// that identify the process.
type RowIDs struct {
	last    atomic.Uint64
	once    sync.Once
	process [8]byte
}

// Next returns a new id.
func (r *RowIDs) Next() []byte {
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
