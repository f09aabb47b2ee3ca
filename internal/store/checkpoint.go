package store

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"strconv"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
)

// The write-ahead log is copied into the database file with every checkpoint_mib of it, and begins anew when no reader is
// in it. Where readers come so thickly that one always is, it would grow without end: past logTimes that size the writer
// stands still for a moment, which lets it begin anew. checkpointMilliseconds is how long it waits for readers: an audit that
// reads for a minute keeps the log, and must not keep the shoppers, who wait for each try.
const (
	logTimes               = 4
	checkpointMilliseconds = 20
)

// CheckpointStep makes the write-ahead log begin anew where it has grown too long. It returns 1 where it did, and 0 where
// there is no need or readers did not let it.
func (s *Store) CheckpointStep(ctx context.Context) (int, error) {
	if s.my != nil {
		return 0, nil
	}
	info, err := os.Stat(s.config.Path + "-wal")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if info.Size() < int64(s.config.CheckpointMiB)<<20*logTimes {
		return 0, nil
	}
	if err := s.writer.turn.enter(ctx, orders); err != nil {
		return 0, err
	}
	defer s.writer.turn.leave()
	if s.writer.closed {
		return 0, nil
	}
	if err := crashpoint.Fail(crashpoint.CheckpointBefore); err != nil {
		return 0, err
	}
	did, err := s.writer.truncateLog()
	crashpoint.Pass(crashpoint.CheckpointAfter)
	return did, err
}

func (w *writer) truncateLog() (did int, err error) {
	tx := &Tx{w: w}
	if _, err := tx.Exec("PRAGMA busy_timeout = " + strconv.Itoa(checkpointMilliseconds)); err != nil {
		return 0, err
	}
	defer func() {
		_, back := tx.Exec("PRAGMA busy_timeout = " + strconv.Itoa(busyMilliseconds))
		err = errors.Join(err, back)
	}()
	var busy, inLog, copied int
	if err := tx.QueryRow("PRAGMA wal_checkpoint(TRUNCATE)", nil, &busy, &inLog, &copied); err != nil {
		return 0, err
	}
	return 1 - busy, nil
}
