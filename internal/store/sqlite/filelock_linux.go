package sqlite

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lockByteOf takes the lock or returns ErrInUse. It is a lock of the open file description: a lock of the process would
// end when any code in it, such as SQLite, closes the file. See fcntl(2), F_OFD_SETLK.
func lockByteOf(file *os.File) error {
	err := setByteLock(file, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrInUse
	}
	return err
}

// unlockByteOf releases the lock. Closing the file is not enough while a child process that is being started still has
// it open.
func unlockByteOf(file *os.File) error { return setByteLock(file, unix.F_UNLCK) }

func setByteLock(file *os.File, kind int16) error {
	return unix.FcntlFlock(file.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: lockByte, Len: 1})
}
