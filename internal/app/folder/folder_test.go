package folder

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAFolderIsHeldByOne(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "deep", "shop")
	first, err := Hold(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info, err)
	}
	_, err = Hold(path)
	held, ok := errors.AsType[*HeldError](err)
	if !ok || held.PID != os.Getpid() || held.Folder != path {
		t.Fatalf("the second got %v", err)
	}
	if !strings.Contains(err.Error(), path) || strings.Contains(err.Error(), "\n") {
		t.Errorf("the error is not one clear sentence: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	again, err := Hold(path)
	if err != nil {
		t.Fatalf("after the first has closed it: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestWhoAsksHoldsNobodyUp: a command that looks who holds a folder has its lock for a moment, and a shop that starts in it
// must not be told that another one runs.
func TestWhoAsksHoldsNobodyUp(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, LockFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(path, LockFile), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := lockExclusive(lock); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(lockPause/4, func() {
		_ = unlock(lock)
		_ = lock.Close()
	})
	f, err := Hold(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
}

func TestWhatAKilledProcessLeftIsRemoved(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, RunningFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := Hold(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if err := os.WriteFile(filepath.Join(path, RunningFile+".123"), []byte("{"), 0o600); err != nil { // killed while it wrote
		t.Fatal(err)
	}
	if err := f.Clear(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(path, RunningFile+"*")); len(left) > 0 || err != nil {
		t.Errorf("still there: %v, %v", left, err)
	}
	var running Running
	if err := f.WriteJSON(RunningFile, Running{PID: 7}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(f.Join(RunningFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("running.json is %v, %v", info, err)
	}
	if found, err := ReadJSON(path, RunningFile, &running); !found || err != nil || running.PID != 7 {
		t.Errorf("read back %v, %v, %+v", found, err, running)
	}
}

// TestTheFilesOfAFolderAreKept: what is deleted of the files by which others find a process is made again, and what is another's is left
// alone.
func TestTheFilesOfAFolderAreKept(t *testing.T) {
	t.Parallel()
	mine := Running{PID: os.Getpid(), AdminKey: "mine"}
	theirs := Running{PID: 7, AdminKey: "theirs"}
	for name, c := range map[string]struct {
		harm func(t *testing.T, f *Folder)
		want *Running // what running.json says afterwards; nil where keep must refuse
	}{
		"nothing happened":        {func(*testing.T, *Folder) {}, &mine},
		"LOCK is deleted":         {func(t *testing.T, f *Folder) { must(t, os.Remove(f.Join(LockFile))) }, &mine},
		"running.json is deleted": {func(t *testing.T, f *Folder) { must(t, os.Remove(f.Join(RunningFile))) }, &mine},
		"both are deleted": {func(t *testing.T, f *Folder) {
			must(t, os.Remove(f.Join(LockFile)))
			must(t, os.Remove(f.Join(RunningFile)))
		}, &mine},
		"running.json is cut short":      {func(t *testing.T, f *Folder) { must(t, os.WriteFile(f.Join(RunningFile), []byte(`{"pid"`), 0o600)) }, &mine},
		"running.json is another shop's": {func(t *testing.T, f *Folder) { must(t, f.WriteJSON(RunningFile, theirs)) }, &mine},
		"the folder is moved": {func(t *testing.T, f *Folder) {
			must(t, os.Rename(f.Path, f.Path+".moved"))
		}, nil},
		"the folder is another one": {func(t *testing.T, f *Folder) {
			must(t, os.Rename(f.Path, f.Path+".moved"))
			other, err := Hold(f.Path)
			must(t, err)
			t.Cleanup(func() { must(t, other.Close()) })
		}, nil},
		"another process has made a LOCK": {func(t *testing.T, f *Folder) {
			must(t, os.Remove(f.Join(LockFile)))
			other, err := Hold(f.Path)
			must(t, err)
			t.Cleanup(func() { must(t, other.Close()) })
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := Hold(filepath.Join(t.TempDir(), "shop"))
			must(t, err)
			must(t, f.Announce(mine))
			c.harm(t, f)
			err = f.Keep(mine)
			if (err == nil) != (c.want != nil) {
				t.Fatalf("keep: %v", err)
			}
			if c.want != nil {
				if r, found, err := ReadRunning(f.Path); err != nil || !found || r.AdminKey != c.want.AdminKey {
					t.Errorf("running.json says %+v, %v, %v", r, found, err)
				}
				if held := WhoHolds(f.Path); held == nil || held.PID != os.Getpid() {
					t.Errorf("held by %+v", held)
				}
			}
			must(t, f.Close())
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
