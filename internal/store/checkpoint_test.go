package store

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// withSmallLog opens a new database with checkpoint_mib 1.
func withSmallLog(t *testing.T) *Store {
	t.Helper()
	c := DefaultConfig()
	c.Path, c.CheckpointMiB = filepath.Join(t.TempDir(), c.Path), 1
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestTheLogIsCutUnderLoad: transactions follow each other and a reader always has the log open, because each reader
// begins before the last one ends. The writer still truncates the log again and again, and nothing is lost.
func TestTheLogIsCutUnderLoad(t *testing.T) {
	s := withSmallLog(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	// read is one reader, which ends when the next one has begun.
	var read func(begun chan<- struct{})
	read = func(begun chan<- struct{}) {
		if err := s.snapshot(context.Background(), func(now view) error {
			var n int
			err := now.row(context.Background(), "SELECT COUNT(*) FROM sku").Scan(&n) // its snapshot begins here
			close(begun)
			select {
			case <-stop:
				return err
			case <-time.After(time.Millisecond):
			}
			next := make(chan struct{})
			readers.Go(func() { read(next) })
			<-next
			return err
		}); err != nil {
			t.Error(err)
		}
	}
	first := make(chan struct{})
	readers.Go(func() { read(first) })
	<-first
	const (
		cutsMin = 3
		logMax  = 64 << 20
	)
	rows, cuts, before := 0, 0, int64(0)
	for cuts < cutsMin {
		if err := s.write(t.Context(), orders, func(tx *Tx) error {
			return tx.announceRaw("test", int64(rows), make([]byte, 4<<10), time.Unix(0, 0))
		}); err != nil {
			t.Fatal(err)
		}
		rows++
		info, err := os.Stat(s.config.Path + "-wal")
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() < before {
			cuts++
		}
		if before = info.Size(); before > logMax {
			t.Errorf("the log has grown to %d bytes, and was cut %d times", before, cuts)
			break
		}
	}
	close(stop)
	readers.Wait()
	var n int
	if err := s.queryRow(t.Context(), "SELECT COUNT(*) FROM outbox", nil, &n); err != nil || n != rows {
		t.Errorf("%d rows of %d, %v", n, rows, err)
	}
}

// TestCheckpoint: a write-ahead log that a reader keeps from restarting is truncated once the reader is gone, not
// before, and nothing is lost.
func TestCheckpoint(t *testing.T) {
	s := withSmallLog(t)
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
			err := now.row(context.Background(), "SELECT COUNT(*) FROM outbox").Scan(&n) // its snapshot begins here
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
	if info, err := os.Stat(s.config.Path + "-wal"); err != nil || info.Size() != 0 {
		t.Errorf("the log has %d bytes, %v", info.Size(), err)
	}
	var n int
	if err := s.queryRow(t.Context(), "SELECT COUNT(*) FROM outbox", nil, &n); err != nil || n != rows {
		t.Errorf("%d rows of %d, %v", n, rows, err)
	}
}
