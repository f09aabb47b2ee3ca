package engine

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// PgBouncer starts a pooler before the PostgreSQL of an address and returns the address that leads through it. mode is its pool_mode. It
// ends with the test. Where none is installed the test skips, or fails in CI.
func PgBouncer(t testing.TB, address, mode string) string {
	t.Helper()
	program := Binary(t, "pgbouncer", "pgbouncer")
	before, after, _ := strings.Cut(address, "@")
	server, rest, _ := strings.Cut(after, "/")
	host, port, err := net.SplitHostPort(server)
	if err != nil {
		t.Fatal(err)
	}
	folder, err := os.MkdirTemp("", "tidegate-pgbouncer-") // the pooler's user has to reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	at := FreeAddress(t)
	_, listens, _ := net.SplitHostPort(at)
	file := filepath.Join(folder, "pgbouncer.ini")
	text := "[databases]\n* = user=postgres host=" + host + " port=" + port + "\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = " + listens +
		"\nauth_type = any\nunix_socket_dir =\nignore_startup_parameters = extra_float_digits\npool_mode = " + mode + "\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	args := []string{file}
	if os.Getuid() == 0 { // it refuses to be root
		args = []string{"-u", "nobody", file}
	}
	running := exec.Command(program, args...)
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = running.Process.Kill()
		_ = running.Wait() // it was killed, and says so
	})
	AwaitTCP(t, "pgbouncer", at)
	return before + "@" + at + "/" + rest
}
