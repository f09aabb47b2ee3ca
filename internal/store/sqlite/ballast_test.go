package sqlite

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestABallastIsMadeAgain: whatever happened to the file, the next check restores its size with real bytes.
func TestABallastIsMadeAgain(t *testing.T) {
	t.Parallel()
	const size = ballastMin
	for name, harm := range map[string]func(path string) error{
		"nothing":              func(string) error { return nil },
		"it was deleted":       os.Remove,
		"it was cut":           func(path string) error { return os.Truncate(path, size/2) },
		"it was emptied":       func(path string) error { return os.Truncate(path, 0) },
		"it was made too long": func(path string) error { return os.Truncate(path, 4*size) },
	} {
		for _, then := range []int64{size, 2 * size} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				b := &ballast{path: filepath.Join(t.TempDir(), "ballast")}
				if err := b.hold(size); err != nil {
					t.Fatal(err)
				}
				if err := harm(b.path); err != nil {
					t.Fatal(err)
				}
				if err := b.hold(then); err != nil {
					t.Fatal(err)
				}
				text, err := os.ReadFile(b.path)
				if err != nil || int64(len(text)) < then {
					t.Fatalf("it has %d bytes, %v; want %d", len(text), err, then)
				}
				for at := int64(0); at < then; at += int64(len(incompressible)) {
					if text[at] != incompressible[0] || text[at+1] != incompressible[1] {
						t.Fatalf("at byte %d it is a hole", at)
					}
				}
			})
		}
	}
}

// TestNoFileLeftIsNoFullDisk: a process without free file descriptors is not told to free disk space.
func TestNoFileLeftIsNoFullDisk(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]bool{syscall.EMFILE: true, syscall.ENFILE: true, syscall.ENOSPC: false, syscall.EIO: false, fs.ErrPermission: false} {
		if got := noFileLeft(&fs.PathError{Op: "open", Path: "ballast", Err: err}); got != want {
			t.Errorf("%v: %t", err, got)
		}
	}
}
