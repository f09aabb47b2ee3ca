// Package folder holds the data folder of a process: its lock, the files by which commands find the process, and who else can read it.
package folder

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
	LockFile    = "LOCK"
	RunningFile = "running.json"
	DemoFile    = "demo.json"
	MailFolder  = "mail"
	KeysFolder  = "keys"
	// SandboxSecretFile is in KeysFolder.
	SandboxSecretFile = "sandbox.secret"
)

// Folder is a data folder that this process holds. Nobody else can hold it until Close, or the process's end.
type Folder struct {
	// Path is absolute, with no symbolic link in it.
	Path string
	info os.FileInfo // of the folder itself, which may be moved
	lock *os.File
	// announced says that this process has written running.json.
	announced bool
}

// HeldError says that another process holds the data folder, or the database that its shop is in.
type HeldError struct {
	// Folder is the folder's path, PID the process that holds it; zero where it did not say.
	Folder string
	PID    int
	// Database is the database file that is held, where it lies outside the folder; else empty.
	Database string
}

// Error implements error: one sentence that names the folder and the process.
func (e *HeldError) Error() string {
	who := "another process"
	if e.PID != 0 {
		who = "process " + strconv.Itoa(e.PID)
	}
	if e.Database != "" {
		return fmt.Sprintf("the database %s is in use by %s: stop it first, or give this one another file with --store.path", e.Database, who)
	}
	return fmt.Sprintf("the data folder %s is in use by %s: stop it first, or give this one a folder of its own with --data", e.Folder, who)
}

// errLocked is what lockExclusive returns where someone else has the lock.
var errLocked = errors.New("locked")

// A lock that is held may be that of WhoHolds, which takes it for a moment to see whether it is free: so it is tried again.
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

// Hold creates the data folder where it is missing, readable by its owner alone, and locks it. It returns a
// *HeldError where another process holds it. The lock ends with the process, however it ends.
func Hold(path string) (*Folder, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("the data folder %s: %w", path, err)
	}
	if err := os.MkdirAll(abs, 0o700); err != nil {
		return nil, fmt.Errorf("cannot create the data folder: %w", err)
	}
	// A link may lead elsewhere tomorrow; the process stays where it began.
	if abs, err = filepath.EvalSymlinks(abs); err != nil {
		return nil, fmt.Errorf("the data folder %s: %w", path, err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("the data folder %s: %w", path, err)
	}
	lock, err := os.OpenFile(filepath.Join(abs, LockFile), os.O_RDWR|os.O_CREATE, 0o600)
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
	writePID(lock)
	return &Folder{Path: abs, info: info, lock: lock}, nil
}

// writePID notes the process's number in its LOCK. The number is for people, the lock itself is the kernel's: where the disk is full, it
// may be another's.
func writePID(lock *os.File) {
	text := strconv.Itoa(os.Getpid()) + "\n"
	if _, err := lock.WriteAt([]byte(text), 0); err == nil { // over what is there: that needs no room
		_ = lock.Truncate(int64(len(text)))
	}
}

// Clear removes what a process that was killed has left behind: it is not true any more, and takes room. Call it once nobody else can
// have the shop's database.
func (f *Folder) Clear() error {
	errs := []error{f.remove(RunningFile)}
	parts, err := filepath.Glob(f.Join(RunningFile + ".*"))
	for _, part := range parts {
		errs = append(errs, f.remove(filepath.Base(part)))
	}
	return errors.Join(append(errs, err)...)
}

// WhoHolds says who holds a data folder; nil where nobody does, or there is none.
func WhoHolds(path string) *HeldError {
	lock, err := os.OpenFile(filepath.Join(path, LockFile), os.O_RDWR, 0)
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

func readPID(path string) int {
	text, err := os.ReadFile(filepath.Join(path, LockFile))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return 0
	}
	return pid
}

// Close removes the running.json of this process and gives the folder free. The LOCK file stays: removing it would let two processes
// lock two files of one name.
func (f *Folder) Close() error {
	var err error
	if f.announced && f.inPlace() {
		err = f.remove(RunningFile)
	}
	return errors.Join(err, unlock(f.lock), f.lock.Close())
}

// Announce writes running.json.
func (f *Folder) Announce(r Running) error {
	f.announced = true
	return f.WriteJSON(RunningFile, r)
}

// Keep writes the LOCK and running.json again where somebody has deleted them, so that nobody else takes the folder and commands find
// the shop. It returns an error where the folder is not there any more, or another process has locked it meanwhile.
func (f *Folder) Keep(r Running) error {
	if !f.inPlace() {
		return fmt.Errorf("the data folder %s was deleted, moved or replaced while the shop runs: put it back, or stop the shop", f.Path)
	}
	if own, err := f.lock.Stat(); err != nil {
		return err
	} else if there, err := os.Stat(f.Join(LockFile)); err != nil || !os.SameFile(own, there) {
		if err := f.lockAgain(); err != nil {
			return err
		}
	}
	var said Running
	if found, err := ReadJSON(f.Path, RunningFile, &said); err == nil && found && said.AdminKey == r.AdminKey { // each process makes one of its own
		return nil
	}
	return f.Announce(r)
}

func (f *Folder) inPlace() bool {
	there, err := os.Stat(f.Path)
	return err == nil && os.SameFile(f.info, there)
}

func (f *Folder) lockAgain() error {
	lock, err := os.OpenFile(f.Join(LockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("the LOCK of the data folder was deleted and cannot be made again: %w", err)
	}
	if err := lockPatiently(lock); err != nil {
		return errors.Join(fmt.Errorf("the LOCK of the data folder %s was deleted, and process %d has made its own: stop one of the two", f.Path, readPID(f.Path)), lock.Close())
	}
	writePID(lock)
	f.lock, lock = lock, f.lock
	return lock.Close()
}

// Join returns the path of a file of the folder.
func (f *Folder) Join(name string) string { return filepath.Join(f.Path, name) }

func (f *Folder) remove(name string) error {
	if err := os.Remove(f.Join(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// WriteJSON writes a file that only its owner can read, whole or not at all.
func (f *Folder) WriteJSON(name string, value any) error {
	text, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return err
	}
	temporary, err := os.CreateTemp(f.Path, name+".*") // 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(append(text, '\n'))
	err = errors.Join(err, temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), f.Join(name))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot write %s: %w", f.Join(name), err), os.Remove(temporary.Name()))
	}
	return nil
}

// ReadJSON reads a file of the folder. It returns false where there is none.
func ReadJSON(folder, name string, into any) (bool, error) {
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
	found, err = ReadJSON(folder, RunningFile, &r)
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
