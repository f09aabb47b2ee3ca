package sqlite

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// ErrInUse says that another process has the database file open for writing.
var ErrInUse = errors.New("another process has the database open")

// lockByte is the byte of the database file that a process locks to own the database. It lies in the page that SQLite
// reserves for its own locks, beyond the bytes it uses, so SQLite neither reads, writes nor locks it. A backup through
// SQLite or its shell is not affected. See "Lock-Byte Page" in https://www.sqlite.org/fileformat.html.
const lockByte = 0x40000000 + 1024

// fileLock is a lock on a database file. It belongs to the file, not to its name: deleting other files of the folder
// does not end it, and a second name of the file is locked too. It ends with the process, even after a crash.
type fileLock struct {
	path string
	file *os.File
	// beside are the files that SQLite keeps beside the database, as they were at the start; nil before that.
	beside map[string]os.FileInfo
}

// lockFile creates the database file if missing, readable by its owner only, and locks it. The file holds addresses and
// password hashes; SQLite gives the files beside it the same mode. It returns ErrInUse if another process has the lock.
//
// Call it before SQLite opens the file and unlock after SQLite has closed it: on Unix, closing any descriptor of a file
// releases SQLite's own locks on it.
func lockFile(path string) (*fileLock, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot create the database: %w", err)
	}
	if err := lockByteOf(file); err != nil {
		if !errors.Is(err, ErrInUse) {
			err = fmt.Errorf("cannot lock the database: %w", err)
		}
		return nil, errors.Join(err, file.Close())
	}
	// SQLite follows links and keeps its other files beside the real file.
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("cannot find the database: %w", err), unlockByteOf(file), file.Close())
	}
	return &fileLock{path: real, file: file}, nil
}

func (l *fileLock) close() error { return errors.Join(unlockByteOf(l.file), l.file.Close()) }

// remember records the files that SQLite has created beside the database.
func (l *fileLock) remember() error {
	l.beside = map[string]os.FileInfo{}
	for _, suffix := range []string{"-wal", "-shm"} {
		info, err := os.Stat(l.path + suffix)
		if err != nil {
			return err
		}
		l.beside[l.path+suffix] = info
	}
	return nil
}

// inPlace returns a fault.StoreUnavailable if the database's files are no longer those that this process has open: they
// were deleted, moved or replaced, and writes to them would be lost.
func (l *fileLock) inPlace() error {
	own, err := l.file.Stat()
	if err != nil {
		return err
	}
	if !isAt(l.path, own) {
		return fault.Wrap(fault.StoreUnavailable, fmt.Errorf("the database %s was deleted, moved or replaced while the shop has it open: put it back, or stop the shop", l.path),
			"The database cannot be written at the moment; nothing was changed. Try again.")
	}
	for path, info := range l.beside {
		if !isAt(path, info) {
			return fault.Wrap(fault.StoreUnavailable, fmt.Errorf("%s was deleted, moved or replaced while the shop has it open: stop the shop and start it again", path),
				"The database cannot be written at the moment; nothing was changed. Try again.")
		}
	}
	return nil
}

func isAt(path string, info os.FileInfo) bool {
	there, err := os.Stat(path)
	return err == nil && os.SameFile(there, info)
}
