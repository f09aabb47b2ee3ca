package store

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// TestCheckpoint: with readers that leave the write-ahead log no quiet moment it stays bounded, and nothing is lost.
func TestCheckpoint(t *testing.T) {
	c := DefaultConfig()
	c.Path, c.CheckpointMiB = filepath.Join(t.TempDir(), c.Path), 1
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 8 {
		readers.Go(func() {
			for ctx.Err() == nil {
				var n int
				_ = s.queryRow(ctx, "SELECT COUNT(*) FROM outbox WHERE position > 0", nil, &n)
			}
		})
	}
	defer func() {
		stop()
		readers.Wait()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	payload := make([]byte, 64<<10)
	const rows = 400 // 25 MiB
	began, largest := 0, int64(0)
	for i := range rows {
		if err := s.write(t.Context(), orders, func(tx *Tx) error { return tx.announceRaw("test", int64(i), payload, time.Unix(0, 0)) }); err != nil {
			t.Fatal(err)
		}
		did, err := s.CheckpointStep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		began += did
		if info, err := os.Stat(c.Path + "-wal"); err == nil {
			largest = max(largest, info.Size())
		}
	}
	var n int
	if err := s.queryRow(t.Context(), "SELECT COUNT(*) FROM outbox", nil, &n); err != nil || n != rows {
		t.Errorf("%d rows of %d, %v", n, rows, err)
	}
	if largest > 16<<20 {
		t.Errorf("the log grew to %d bytes (begun anew %d times)", largest, began)
	}
}
