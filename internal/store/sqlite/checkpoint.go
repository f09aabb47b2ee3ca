package sqlite

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/store/engine"
)

// SQLite copies the write-ahead log into the database file after every checkpoint_mib and restarts the log when no
// reader uses it. If there is always a reader, the log would grow without limit, and the start after a crash reads all
// of it. So at one and a half times that size the writer truncates it between two transactions. It copies the rest,
// which new readers then read from the database, and waits at most checkpointMilliseconds for older readers. An audit
// that reads for a minute keeps the log and must not delay shoppers, who wait for each attempt; so the pause between
// attempts doubles up to cutPauseMax. The log is not truncated earlier, because a log that restarts without truncation
// is overwritten in place, and syncing that is cheaper than syncing a growing file.
const (
	checkpointMilliseconds = 20
	cutPauseMin            = 100 * time.Millisecond
	cutPauseMax            = time.Second
)

// logBytesMax is the size at which the log is truncated.
func (w *writer) logBytesMax() int64 { return w.checkpointBytes + w.checkpointBytes/2 }

// cutLog truncates the write-ahead log if it is too long. It returns 1 if it did, and 0 if there was no need or readers
// prevented it. The caller has the turn and no transaction.
func (w *writer) cutLog() (did int, err error) {
	log, err := w.logBytes()
	if err != nil || log < w.logBytesMax() {
		return 0, err
	}
	if err := crashpoint.Fail(crashpoint.CheckpointBefore); err != nil {
		return 0, err
	}
	did, err = w.truncateLog()
	crashpoint.Pass(crashpoint.CheckpointAfter)
	w.cutPause = min(max(2*w.cutPause, cutPauseMin), cutPauseMax)
	if did > 0 {
		w.cutPause = 0
	}
	w.cutNext = time.Now().Add(w.cutPause)
	return did, err
}

// cutLogInTime is cutLog after a commit. It respects the pause between attempts. Checkpoint reports what keeps the log.
func (w *writer) cutLogInTime() {
	if time.Now().After(w.cutNext) {
		_, _ = w.cutLog()
	}
}

// Checkpoint implements engine.Engine. It truncates a write-ahead log that is too long even when nothing is written,
// and keeps the ballast as large as the log. It returns 1 if it truncated the log, and 0 if there was no need or
// readers prevented it. It returns a fault.StoreFull while the disk is full.
func (e *Engine) Checkpoint(ctx context.Context) (int, error) {
	w := e.writer
	if w.refusing.Load() != nil {
		return 0, nil
	}
	log, err := w.logBytes()
	if err != nil {
		return 0, err
	}
	tooLong := log >= w.logBytesMax()
	full := w.full.Load() != nil
	if !full {
		full = w.ballast.hold(w.ballastBytes(log)) != nil
	}
	if !tooLong && !full {
		return 0, nil
	}
	if err := w.turn.enter(ctx, engine.Orders); err != nil {
		return 0, err
	}
	defer w.turn.leave()
	if w.closed {
		return 0, nil
	}
	if full {
		return 0, w.makeRoom()
	}
	did, err := w.cutLog()
	if log, statErr := w.logBytes(); statErr == nil && w.ballast.hold(w.ballastBytes(log)) != nil {
		err = errors.Join(err, w.makeRoom())
	}
	return did, err
}

// RewriteRows implements engine.Engine. It overwrites the space of deleted rows, earlier ones included, with zeros.
func (e *Engine) RewriteRows(tx engine.Tx, table string) error {
	defer func() { _, _ = tx.Exec("PRAGMA secure_delete = OFF") }()
	for _, text := range []string{
		"PRAGMA secure_delete = ON",
		"CREATE TEMPORARY TABLE rewritten AS SELECT * FROM " + table,
		"DELETE FROM " + table,
		"INSERT INTO " + table + " SELECT * FROM rewritten",
		"DROP TABLE rewritten",
	} {
		if _, err := tx.Exec(text); err != nil {
			return err
		}
	}
	return nil
}

// ForgetOverwritten implements engine.Engine. It truncates the write-ahead log, which holds old contents of pages. If
// readers prevent that, the log restarts later.
func (e *Engine) ForgetOverwritten(ctx context.Context) error {
	w := e.writer
	if err := w.turn.enter(ctx, engine.Jobs); err != nil {
		return err
	}
	defer w.turn.leave()
	if w.closed {
		return nil
	}
	_, err := w.truncateLog()
	return err
}

// LookAtFiles implements engine.Engine. It verifies that the database's files are still where they were opened. While
// they are not, it returns a fault.StoreUnavailable and nothing is written, because a write would be lost when the
// process ends. It first copies a deleted log into the database.
func (e *Engine) LookAtFiles(ctx context.Context) (int, error) {
	w := e.writer
	err := w.lock.inPlace()
	if err == nil {
		w.refusing.Store(nil)
		return 0, nil
	}
	if w.refusing.Swap(&err) != nil {
		return 0, err
	}
	if turn := w.turn.enter(ctx, engine.Orders); turn != nil {
		return 0, turn
	}
	defer w.turn.leave()
	if !w.closed {
		_, copied := w.truncateLog()
		err = errors.Join(err, copied)
	}
	return 0, err
}

func (w *writer) truncateLog() (did int, err error) {
	tx := &Tx{w}
	if _, err := tx.Exec("PRAGMA busy_timeout = " + strconv.Itoa(checkpointMilliseconds)); err != nil {
		return 0, err
	}
	defer func() {
		_, back := tx.Exec("PRAGMA busy_timeout = " + strconv.Itoa(busyMilliseconds))
		err = errors.Join(err, back)
	}()
	var busy, inLog, copied int
	if err := tx.Row("PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &inLog, &copied); err != nil {
		return 0, err
	}
	return 1 - busy, nil
}
