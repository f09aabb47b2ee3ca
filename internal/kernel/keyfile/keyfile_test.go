package keyfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestAKeyFileIsItsOwners(t *testing.T) {
	t.Parallel()
	if runtime.GOOS == "windows" {
		t.Skip("modes say nothing there")
	}
	path := filepath.Join(t.TempDir(), "keys", "some.key")
	if _, err := Read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before it was made: %v", err)
	}
	if err := Create(path, "secret\n"); err != nil {
		t.Fatal(err)
	}
	if err := Create(path, "another\n"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("made again: %v", err)
	}
	for where, want := range map[string]fs.FileMode{path: 0o600, filepath.Dir(path): 0o700} {
		if info, err := os.Stat(where); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v", where, info.Mode(), err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("the folder holds %v, %v", left, err)
	}
	for mode, ok := range map[fs.FileMode]bool{
		0o600: true, 0o400: true, 0o440: true, 0o640: true, // readable by the group
		0o644: false, 0o604: false, 0o660: false, 0o620: false, 0o666: false, 0o777: false, 0o601: false,
	} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		text, err := Read(path)
		if ok && (err != nil || text != "secret\n") {
			t.Errorf("%o: %q, %v", mode, text, err)
		}
		if !ok && (err == nil || !strings.Contains(err.Error(), "chmod 600 "+path)) {
			t.Errorf("%o: %v", mode, err)
		}
	}
	if _, err := Read(filepath.Dir(path)); err == nil {
		t.Error("a folder was read")
	}
	long := filepath.Join(t.TempDir(), "long")
	if err := Create(long, strings.Repeat("x", bytesMax+1)); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(long); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("too long: %v", err)
	}
}
