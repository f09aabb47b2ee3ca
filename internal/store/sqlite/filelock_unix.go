//go:build unix && !linux

package sqlite

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// lockByteOf takes the lock or returns ErrInUse. The lock belongs to the process.
func lockByteOf(file *os.File) error {
	err := setByteLock(file, unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return ErrInUse
	}
	return err
}

// unlockByteOf releases the lock.
func unlockByteOf(file *os.File) error { return setByteLock(file, unix.F_UNLCK) }

func setByteLock(file *os.File, kind int16) error {
	return unix.FcntlFlock(file.Fd(), unix.F_SETLK, &unix.Flock_t{Type: kind, Whence: io.SeekStart, Start: lockByte, Len: 1})
}
