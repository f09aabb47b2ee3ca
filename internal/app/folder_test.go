package app

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
	first, err := holdFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder is %v, %v", info, err)
	}
	_, err = holdFolder(path)
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
	again, err := holdFolder(path)
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
	if err := os.WriteFile(filepath.Join(path, lockFile), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR, 0)
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
	f, err := holdFolder(path)
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
	if err := os.WriteFile(filepath.Join(path, runningFile), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := holdFolder(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	var running Running
	if found, err := readJSON(path, runningFile, &running); found || err != nil {
		t.Errorf("running.json is still there: %v, %v", found, err)
	}
	if err := f.writeJSON(runningFile, Running{PID: 7}); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(f.join(runningFile)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("running.json is %v, %v", info, err)
	}
	if found, err := readJSON(path, runningFile, &running); !found || err != nil || running.PID != 7 {
		t.Errorf("read back %v, %v, %+v", found, err, running)
	}
}
