package engine

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// answerSecondsMax bounds how long a server that a test starts may take to answer, on a machine that is busy.
const answerSecondsMax = 300

// RedisServer is a redis-server of the test's own, which may be killed, paused and started again. It ends with the test.
type RedisServer struct {
	// Address is its host:port, the same after Start.
	Address string

	t       testing.TB
	program string
	folder  string
	args    []string
	process *exec.Cmd
}

// Redis starts a redis-server on a free loopback port, in a folder of its own and without persistence. More arguments, such
// as "--appendonly", "yes", come after these. Where none is installed the test skips, or fails in CI.
func Redis(t testing.TB, args ...string) *RedisServer {
	t.Helper()
	r := &RedisServer{
		Address: FreeAddress(t), t: t, program: Binary(t, "redis-server", "redis-server"), folder: t.TempDir(), args: args,
	}
	r.Start()
	t.Cleanup(r.Kill)
	return r
}

// Start starts the server, again where it was killed, and returns when it answers.
func (r *RedisServer) Start() {
	r.t.Helper()
	host, port, err := net.SplitHostPort(r.Address)
	if err != nil {
		r.t.Fatal(err)
	}
	args := append([]string{"--bind", host, "--port", port, "--dir", r.folder, "--save", "", "--daemonize", "no", "--loglevel", "warning"}, r.args...)
	r.process = exec.Command(r.program, args...)
	r.process.Stderr = os.Stderr
	if err := r.process.Start(); err != nil {
		r.t.Fatalf("redis-server: %v", err)
	}
	for deadline := time.Now().Add(answerSecondsMax * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if answersPing(r.Address) {
			return
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("redis-server at %s does not answer within %d s", r.Address, answerSecondsMax)
		}
	}
}

// answersPing reports whether a Redis answers at the address, with a password or without.
func answersPing(address string) bool {
	conn, err := net.DialTimeout("tcp", address, dialMillisecondsMax*time.Millisecond)
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(dialMillisecondsMax * time.Millisecond))
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		return false
	}
	answer := make([]byte, 64)
	n, err := conn.Read(answer)
	said := string(answer[:n])
	return err == nil && (strings.HasPrefix(said, "+PONG") || strings.HasPrefix(said, "-NOAUTH") || strings.HasPrefix(said, "-DENIED"))
}

// Kill ends the server at once, as a crash would, and returns when it has ended. Without persistence it has lost everything.
func (r *RedisServer) Kill() {
	if r.process == nil {
		return
	}
	_ = r.process.Process.Kill()
	_ = r.process.Wait()
	r.process = nil
}

// Pause stops the server from running, its connections staying open, until Resume.
func (r *RedisServer) Pause() { r.signal(syscall.SIGSTOP) }

// Resume lets a paused server run on.
func (r *RedisServer) Resume() { r.signal(syscall.SIGCONT) }

func (r *RedisServer) signal(s syscall.Signal) {
	r.t.Helper()
	if err := r.process.Process.Signal(s); err != nil {
		r.t.Fatal(err)
	}
}
