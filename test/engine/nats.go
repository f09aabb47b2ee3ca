package engine

import (
	"net"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// NATSServer is a nats-server with JetStream of the test's own, which may be killed and started again. It ends with the
// test.
type NATSServer struct {
	// Address is its host:port, the same after Start.
	Address string

	t       testing.TB
	program string
	folder  string
	process *exec.Cmd
}

// NATS starts a nats-server on a free loopback port, with its files in a folder of its own. Where none is installed the
// test skips, or fails in CI.
func NATS(t testing.TB) *NATSServer {
	t.Helper()
	n := &NATSServer{Address: FreeAddress(t), t: t, program: Binary(t, "nats-server", "nats-server"), folder: t.TempDir()}
	n.Start()
	t.Cleanup(n.Kill)
	return n
}

// Start starts the server, again where it was killed, and returns when it answers.
func (n *NATSServer) Start() {
	n.t.Helper()
	host, port, err := net.SplitHostPort(n.Address)
	if err != nil {
		n.t.Fatal(err)
	}
	n.process = exec.Command(n.program, "--addr", host, "--port", port, "--jetstream", "--store_dir", filepath.Join(n.folder, "files"))
	if err := n.process.Start(); err != nil {
		n.t.Fatalf("nats-server: %v", err)
	}
	AwaitTCP(n.t, "nats-server", n.Address)
}

// Kill ends the server as its crash would.
func (n *NATSServer) Kill() {
	if n.process == nil {
		return
	}
	_ = n.process.Process.Kill()
	_ = n.process.Wait() // it was killed, and says so
	n.process = nil
}

// AwaitTCP returns when something accepts connections at an address.
func AwaitTCP(t testing.TB, name, address string) {
	t.Helper()
	for deadline := time.Now().Add(answerSecondsMax * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.DialTimeout("tcp", address, time.Second)
		if err == nil {
			_ = conn.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s at %s does not answer within %d s: %v", name, address, answerSecondsMax, err)
		}
	}
}
