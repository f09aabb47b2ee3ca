package store_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/test/engine"
)

// TestADatabaseIsOpenedOnce: the lock is on the file itself, whatever else in its folder was deleted and whatever its
// name.
func TestADatabaseIsOpenedOnce(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]func(t *testing.T, path string) string{
		"by its name":        func(_ *testing.T, path string) string { return path },
		"by a symbolic link": func(t *testing.T, path string) string { return linked(t, path, os.Symlink) },
		"by a second name":   func(t *testing.T, path string) string { return linked(t, path, os.Link) },
		"by another folder's": func(t *testing.T, path string) string {
			return filepath.Join(linked(t, filepath.Dir(path), os.Symlink), filepath.Base(path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := store.DefaultConfig()
			c.Path = filepath.Join(t.TempDir(), c.Path)
			first := openAt(t, c.Path)
			again := c
			again.Path = path(t, c.Path)
			if second, err := store.Open(t.Context(), again); !errors.Is(err, store.ErrInUse) {
				t.Errorf("opened again: %v, %v", second, err)
			}
			ok(t, first.Writable(t.Context()))
			ok(t, first.Close())
			second, err := store.Open(t.Context(), again)
			ok(t, err)
			ok(t, second.Close())
		})
	}
}

func linked(t *testing.T, path string, link func(string, string) error) string {
	t.Helper()
	name := filepath.Join(filepath.Dir(filepath.Dir(path)), "other-"+filepath.Base(path)+filepath.Base(t.TempDir()))
	ok(t, link(path, name))
	t.Cleanup(func() { _ = os.Remove(name) })
	return name
}

// TestADatabaseThatIsHeldCanBeBackedUp: the lock keeps out no reader in another process, by any of the documented ways.
func TestADatabaseThatIsHeldCanBeBackedUp(t *testing.T) {
	t.Parallel()
	shell := engine.Binary(t, "sqlite3", "sqlite3")
	for _, command := range []string{"VACUUM INTO '%'", ".backup '%'"} {
		c := store.DefaultConfig()
		c.Path = filepath.Join(t.TempDir(), c.Path)
		s := openAt(t, c.Path)
		ok(t, s.Writable(t.Context()))
		copied := filepath.Join(t.TempDir(), "copy.db")
		if out, err := exec.Command(shell, c.Path, strings.ReplaceAll(command, "%", copied)).CombinedOutput(); err != nil {
			t.Errorf("%s: %v: %s", command, err, out)
		}
		ok(t, s.Writable(t.Context()))
		ok(t, s.Close())
		ok(t, openAt(t, copied).Close())
	}
}

// TestADatabaseThatWasTakenAwayIsNotWritten: writes to files without a name would be lost with the process.
func TestADatabaseThatWasTakenAwayIsNotWritten(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm func(t *testing.T, path string)
		back func(t *testing.T, path string) // nil if only a restart helps
	}{
		"the folder is moved": {
			func(t *testing.T, path string) { ok(t, os.Rename(filepath.Dir(path), filepath.Dir(path)+".moved")) },
			func(t *testing.T, path string) { ok(t, os.Rename(filepath.Dir(path)+".moved", filepath.Dir(path))) },
		},
		"the file is moved": {
			func(t *testing.T, path string) { ok(t, os.Rename(path, path+".moved")) },
			func(t *testing.T, path string) { ok(t, os.Rename(path+".moved", path)) },
		},
		"the file is replaced": {
			func(t *testing.T, path string) {
				ok(t, os.Rename(path, path+".moved"))
				ok(t, os.WriteFile(path, nil, 0o600))
			},
			func(t *testing.T, path string) { ok(t, os.Rename(path+".moved", path)) },
		},
		"the log is deleted":         {func(t *testing.T, path string) { ok(t, os.Remove(path+"-wal")) }, nil},
		"the log's index is deleted": {func(t *testing.T, path string) { ok(t, os.Remove(path+"-shm")) }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "shop", "tidegate.db")
			ok(t, os.Mkdir(filepath.Dir(path), 0o700))
			s := openAt(t, path)
			ok(t, s.Do(t.Context(), "CREATE TABLE kept (n INTEGER)"))
			if _, err := s.PlaceStep(t.Context()); err != nil {
				t.Fatalf("before: %v", err)
			}
			c.harm(t, path)
			if _, err := s.PlaceStep(t.Context()); fault.CodeOf(err) != fault.StoreUnavailable {
				t.Fatalf("looked at: %v", err)
			}
			if err := s.Writable(t.Context()); fault.CodeOf(err) != fault.StoreUnavailable {
				t.Errorf("written: %v", err)
			}
			if c.back != nil {
				c.back(t, path)
				if _, err := s.PlaceStep(t.Context()); err != nil {
					t.Errorf("put back: %v", err)
				}
				ok(t, s.Writable(t.Context()))
			}
			ok(t, s.Close())
			again := openAt(t, path)
			ok(t, again.Do(t.Context(), "INSERT INTO kept VALUES (1)"))
			ok(t, again.Close())
		})
	}
}
