package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// A write-ahead log that has filled the disk cannot shrink: its content must first be copied into the database file,
// which then has no space to grow. So the shop keeps a ballast file, as large as the log, beside the database. When the
// disk is full, it empties the ballast, copies and truncates the log, and fills the ballast again. While there is no
// space for the ballast, nothing is written, so the log never uses the space that its own checkpoint needs.
const (
	ballastMin = 1 << 20
	// ballastSpare is the space that must be free in addition to the ballast before writing resumes.
	ballastSpare = 1 << 20
	// smallFiles is what a complete ballast leaves for the small files of a data folder: running.json, LOCK, the log's
	// index.
	smallFiles = 64 << 10
)

// ballast is safe for concurrent use.
type ballast struct {
	path  string
	mu    sync.Mutex
	bytes int64
}

// hold resizes the ballast. If the disk has too little space, it returns the error and keeps what it got.
func (b *ballast) hold(bytes int64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if info, err := os.Stat(b.path); err != nil || info.Size() < b.bytes {
		b.bytes = 0 // the file was deleted or truncated by someone else
	}
	if bytes == b.bytes {
		return nil
	}
	file, err := os.OpenFile(b.path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if bytes < b.bytes {
		if err = file.Truncate(bytes); err == nil {
			b.bytes = bytes
		}
		return errors.Join(err, file.Close())
	}
	for b.bytes < bytes && err == nil {
		var n int
		n, err = file.WriteAt(incompressible[:min(int64(len(incompressible)), bytes-b.bytes)], b.bytes)
		b.bytes += int64(n)
	}
	return errors.Join(err, file.Close())
}

func (b *ballast) size() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

// incompressible is the content of a ballast: a compressing file system must not shrink it.
var incompressible = func() []byte {
	chunk := make([]byte, 128<<10)
	random := rand.NewChaCha8([32]byte{})
	_, _ = random.Read(chunk) // it never fails
	return chunk
}()

// drop frees the ballast's space. It keeps the empty file, because creating one needs space.
func (b *ballast) drop() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	err := os.Truncate(b.path, 0)
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	if err == nil {
		b.bytes = 0
	}
	return err
}

// logBytes returns the size of the write-ahead log.
func (w *writer) logBytes() (int64, error) {
	info, err := os.Stat(w.lock.path + "-wal")
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// ballastBytes returns the ballast's size for a log: the log's size, or while the log still grows to its usual size,
// its largest size until the next check. After a truncation it stays, because the log grows again.
func (w *writer) ballastBytes(log int64) int64 {
	return max(ballastMin, log, min(2*log, w.checkpointBytes), min(w.ballast.size(), w.checkpointBytes))
}

// noFileLeft reports whether a file could not be opened because the process has too many open files, which is unrelated
// to disk space.
func noFileLeft(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE)
}

// makeRoom truncates the write-ahead log, using the ballast's space, and refills the ballast. If there is no space for
// it, the writer refuses writes until makeRoom succeeds. The caller has the turn.
func (w *writer) makeRoom() error {
	if w.refusing.Load() != nil {
		return nil // the files are not in their place: see LookAtFiles
	}
	err := w.ballast.drop()
	log, statErr := w.logBytes()
	if log > 0 {
		_, cutErr := w.truncateLog()
		err = errors.Join(err, cutErr)
		log, statErr = w.logBytes()
	}
	want := w.ballastBytes(log)
	held := w.ballast.hold(want + ballastSpare)
	if held == nil {
		w.full.Store(nil)
		return errors.Join(err, statErr, w.ballast.hold(want))
	}
	if noFileLeft(held) {
		return errors.Join(err, statErr, held) // the next check finds out
	}
	err = errors.Join(err, statErr, held, w.ballast.hold(max(0, min(want, w.ballast.size()-smallFiles))))
	var full error = fault.Wrap(fault.StoreFull, fmt.Errorf("the disk of %s is full: make room for %d MiB or more; the shop then goes on: %w", filepath.Dir(w.lock.path), (want+ballastSpare)>>20, err),
		"The disk is full; nothing was changed. Try again.").After(5 * time.Second)
	w.full.Store(&full)
	return full
}
