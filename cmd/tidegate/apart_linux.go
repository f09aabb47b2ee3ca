package main

import "syscall"

// apart puts a child into a process group of its own, so that Ctrl-C in the terminal does not reach it. It ends with this
// process, however that ends.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
