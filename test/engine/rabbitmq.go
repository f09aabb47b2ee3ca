package engine

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// RabbitMQNode is a RabbitMQ of the test's own, which may be killed and started again. It ends with the test.
type RabbitMQNode struct {
	// Address is its host:port, the same after Start; guest may enter.
	Address string

	t       testing.TB
	program string
	folder  string
	process *exec.Cmd
}

// RabbitMQ starts a node on a free loopback port, with a name, a cookie and files of its own. That takes some seconds. Where
// none is installed the test skips, or fails in CI.
func RabbitMQ(t testing.TB) *RabbitMQNode {
	t.Helper()
	Binary(t, "rabbitmq-server", "rabbitmq-server")
	// The program in the path changes to a user of its own; this one runs as who we are.
	n := &RabbitMQNode{Address: FreeAddress(t), t: t, program: "/usr/lib/rabbitmq/bin/rabbitmq-server", folder: t.TempDir()}
	if _, err := os.Stat(n.program); err != nil {
		Missing(t, "RabbitMQ is not installed as its Debian package does: %v", err)
	}
	for name, text := range map[string]string{"rabbitmq.conf": "", "plugins": "[]."} {
		if err := os.WriteFile(filepath.Join(n.folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n.Start()
	t.Cleanup(n.Kill)
	return n
}

// Start starts the node, again where it was killed, and returns when it answers.
func (n *RabbitMQNode) Start() {
	n.t.Helper()
	host, port, err := net.SplitHostPort(n.Address)
	if err != nil {
		n.t.Fatal(err)
	}
	_, between, err := net.SplitHostPort(FreeAddress(n.t))
	if err != nil {
		n.t.Fatal(err)
	}
	at := func(name string) string { return filepath.Join(n.folder, name) }
	n.process = exec.Command(n.program)
	n.process.Env = append(os.Environ(),
		"HOME="+n.folder, "RABBITMQ_NODENAME=tidegate-"+port+"@localhost", "RABBITMQ_NODE_IP_ADDRESS="+host, "RABBITMQ_NODE_PORT="+port,
		"RABBITMQ_DIST_PORT="+between, "RABBITMQ_MNESIA_BASE="+at("files"), "RABBITMQ_LOG_BASE="+at("log"), "RABBITMQ_LOGS="+at("log/node.log"),
		"RABBITMQ_PID_FILE="+at("pid"), "RABBITMQ_CONF_ENV_FILE="+at("none"), "RABBITMQ_CONFIG_FILE="+at("rabbitmq.conf"),
		"RABBITMQ_ENABLED_PLUGINS_FILE="+at("plugins"),
		// A node that shares two processors with tests needs no schedulers that wait busily.
		"RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=+sbwt none +S 2:2 -kernel inet_dist_use_interface {127,0,0,1} net_ticktime "+strconv.Itoa(60),
	)
	n.process.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := n.process.Start(); err != nil {
		n.t.Fatalf("rabbitmq-server: %v", err)
	}
	AwaitTCP(n.t, "RabbitMQ", n.Address)
}

// Kill ends the node as its crash would.
func (n *RabbitMQNode) Kill() {
	if n.process == nil {
		return
	}
	_ = syscall.Kill(-n.process.Process.Pid, syscall.SIGKILL) // the node is a child of a script
	_ = n.process.Wait()                                      // it was killed, and says so
	n.process = nil
}
