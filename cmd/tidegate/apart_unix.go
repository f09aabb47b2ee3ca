//go:build unix && !linux

package main

import "syscall"

// apart puts a child into a process group of its own, so that Ctrl-C in the terminal does not reach it.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
