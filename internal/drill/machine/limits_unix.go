//go:build unix

package machine

import (
	"fmt"
	"syscall"
	"time"
)

// descriptorsSpare are for everything that is not the load.
const descriptorsSpare = 100

// AllowConnections raises the limit of file descriptors as far as it is needed and the system allows. It returns an error
// in one sentence where that is not enough.
func AllowConnections(n int) error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return nil // then the system will say so itself
	}
	need := uint64(n + descriptorsSpare)
	if uint64(limit.Cur) >= need {
		return nil
	}
	if uint64(limit.Max) < need {
		return fmt.Errorf("%d connections need %d file descriptors and this system allows %d: ask for fewer connections, or raise the limit (ulimit -n)", n, need, limit.Max)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d connections need %d file descriptors, and the limit cannot be raised (ulimit -n): %w", n, need, err)
	}
	return nil
}

// OwnCPU is the CPU time that this process has used.
func OwnCPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
