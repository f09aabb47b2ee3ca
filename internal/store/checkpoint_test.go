package store

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestCheckpoint: a write-ahead log that a reader kept from beginning anew is cut when the reader is gone, and not before;
// and nothing is lost.
func TestCheckpoint(t *testing.T) {
	c := DefaultConfig()
	c.Path, c.CheckpointMiB = filepath.Join(t.TempDir(), c.Path), 1
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	if _, _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	const rows = 100 // 6 MiB
	step := func(want int, when string) {
		t.Helper()
		if did, err := s.CheckpointStep(t.Context()); err != nil || did != want {
			t.Errorf("%s: %d, %v; want %d", when, did, err, want)
		}
	}
	step(0, "a short log")
	reading, release := context.WithCancel(t.Context())
	started, ended := make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.snapshot(context.WithoutCancel(reading), func(now view) error {
			var n int
			err := now.row(context.Background(), "SELECT COUNT(*) FROM outbox").Scan(&n) // its moment begins here
			close(started)
			<-reading.Done()
			return err
		})
	}()
	<-started
	for i := range rows {
		if err := s.write(t.Context(), orders, func(tx *Tx) error {
			return tx.announceRaw("test", int64(i), make([]byte, 64<<10), time.Unix(0, 0))
		}); err != nil {
			t.Fatal(err)
		}
	}
	step(0, "with a reader in it")
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	step(1, "without readers")
	if info, err := os.Stat(c.Path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the log has %d bytes, %v", info.Size(), err)
	}
	var n int
	if err := s.queryRow(t.Context(), "SELECT COUNT(*) FROM outbox", nil, &n); err != nil || n != rows {
		t.Errorf("%d rows of %d, %v", n, rows, err)
	}
}
