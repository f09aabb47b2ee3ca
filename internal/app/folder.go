package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The files of a data folder that belong to the process. The database and the keys have names of their own.
const (
	lockFile    = "LOCK"
	runningFile = "running.json"
	demoFile    = "demo.json"
)

// folder is a data folder that this process holds. Nobody else can hold it until Close, or the process's end.
type folder struct {
	path string
	lock *os.File
}

// HeldError says that another process holds the data folder.
type HeldError struct {
	// Folder is the folder's path, PID the process that holds it; zero where it did not say.
	Folder string
	PID    int
}

// Error implements error: one sentence that names the folder and the process.
func (e *HeldError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	return fmt.Sprintf("the data folder %s is in use by %s: stop it first, or give this one a folder of its own with --data", e.Folder, who)
}

// errLocked is what lockExclusive returns where someone else has the lock.
var errLocked = errors.New("locked")

// A lock that is held may be that of whoHolds, which takes it for a moment to see whether it is free: so it is tried again.
const (
	lockTries = 3
	lockPause = 20 * time.Millisecond
)

// lockPatiently is lockExclusive for a lock that is to be kept.
func lockPatiently(file *os.File) error {
	err := lockExclusive(file)
	for try := 1; errors.Is(err, errLocked) && try < lockTries; try++ {
		time.Sleep(lockPause)
		err = lockExclusive(file)
	}
	return err
}

// holdFolder creates the data folder where it is missing, readable by its owner alone, and locks it. It returns a
// *HeldError where another process holds it. The lock ends with the process, however it ends.
func holdFolder(path string) (*folder, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the data folder %s: %w", path, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(abs, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock the data folder: %w", err)
	}
	if err := lockPatiently(lock); err != nil {
		_ = lock.Close()
		if errors.Is(err, errLocked) {
			return nil, &HeldError{Folder: abs, PID: readPID(abs)}
		}
		return nil, fmt.Errorf("cannot lock the data folder %s: %w", abs, err)
	}
	f := &folder{path: abs, lock: lock}
	// The number is for people; the lock itself is the kernel's.
	if err := errors.Join(lock.Truncate(0), writeAt(lock, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("cannot lock the data folder %s: %w", abs, err), f.Close())
	}
	// What a process that was killed has left behind is not true any more.
	if err := f.remove(runningFile); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// whoHolds says who holds a data folder; nil where nobody does, or there is none.
func whoHolds(path string) *HeldError {
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = lock.Close() }()
	if err := lockExclusive(lock); err == nil {
		_ = unlock(lock)
		return nil
	} else if !errors.Is(err, errLocked) {
		return nil
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil
	}
	return &HeldError{Folder: abs, PID: readPID(abs)}
}

func writeAt(file *os.File, text string) error {
	_, err := file.WriteAt([]byte(text), 0)
	return err
}

func readPID(path string) int {
	text, err := os.ReadFile(filepath.Join(path, lockFile))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// Close removes running.json and gives the folder free. The LOCK file stays: removing it would let two processes lock
// two files of one name.
func (f *folder) Close() error {
	return errors.Join(f.remove(runningFile), unlock(f.lock), f.lock.Close())
}

func (f *folder) join(name string) string { return filepath.Join(f.path, name) }

func (f *folder) remove(name string) error {
	if err := os.Remove(f.join(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// writeJSON writes a file that only its owner can read, whole or not at all.
func (f *folder) writeJSON(name string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(f.path, name+".*") // 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(append(text, '\n'))
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), f.join(name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot write %s: %w", f.join(name), err), os.Remove(temporary.Name()))
	}
	return nil
}

// readJSON reads a file of the folder. It returns false where there is none.
func readJSON(folder, name string, into any) (bool, error) {
	path := filepath.Join(folder, name)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return false, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	return true, nil
}

// ReadRunning reads what the shop that runs on a data folder says of itself; false where none does. The error names a file
// that is there and cannot be read.
func ReadRunning(folder string) (r Running, found bool, err error) {
	found, err = readJSON(folder, runningFile, &r)
	return r, found, err
}

// Running is what a running shop says of itself in its data folder, for commands on the same machine.
type Running struct {
	PID int `json:"pid"`
	// Public, Express and Ops are the base addresses, such as http://127.0.0.1:8080; Express is empty where there is none.
	Public  string `json:"public"`
	Express string `json:"express,omitempty"`
	Ops     string `json:"ops"`
	// AdminKey may do everything and is worth nothing once the process has ended.
	AdminKey  string    `json:"admin_key"`
	Version   string    `json:"version"`
	StartedAt time.Time `json:"started_at"`
}
