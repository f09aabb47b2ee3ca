// Package engine finds the outside engines that tests talk to. On a machine without one its tests skip with one line that
// says how to run them; in CI (CI=true) a missing engine fails them.
package engine

import (
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// dialMillisecondsMax bounds how long a service on this machine may take to accept a connection.
const dialMillisecondsMax = 1000

// Service returns the address of a running service: what the environment variable says, else the one given. Where nothing
// answers there the test skips, or fails in CI.
func Service(t testing.TB, name, variable, address string) string {
	t.Helper()
	if said := os.Getenv(variable); said != "" {
		address = said
	}
	conn, err := net.DialTimeout("tcp", address, dialMillisecondsMax*time.Millisecond)
	if err != nil {
		Missing(t, "no %s answers at %s: start one, or name another with %s=host:port", name, address, variable)
	}
	_ = conn.Close()
	return address
}

// Binary returns the path of an installed program. Where there is none the test skips, or fails in CI; debian names the
// package that brings it.
func Binary(t testing.TB, name, debian string) string {
	t.Helper()
	for _, candidate := range []string{name, "/usr/sbin/" + name, "/usr/lib/rabbitmq/bin/" + name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path
		}
	}
	Missing(t, "%s is not installed: apt-get install %s", name, debian)
	return ""
}

// FreeAddress returns a loopback address whose port was free a moment ago.
func FreeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// Missing skips a test for want of something on this machine, or fails it in CI.
func Missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}
