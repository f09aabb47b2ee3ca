//go:build unix

package folder

import (
	"errors"
	"os"
	"syscall"
)

// lockExclusive takes the file's lock or returns errLocked. The kernel frees it when the file is closed.
func lockExclusive(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}

// unlock gives the file's lock free. Closing the file alone would not: a process that another goroutine is starting holds
// the open file too, until it executes its program.
func unlock(file *os.File) error { return syscall.Flock(int(file.Fd()), syscall.LOCK_UN) }
