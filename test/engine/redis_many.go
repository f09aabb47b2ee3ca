package engine

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// RedisCluster starts a Redis Cluster of three masters without replicas and returns their addresses. It ends with the test.
func RedisCluster(t testing.TB) []string {
	t.Helper()
	const masters, slots = 3, 16384
	var nodes []*RedisServer
	var buses []string
	for range masters {
		_, bus, err := net.SplitHostPort(FreeAddress(t))
		if err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, Redis(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "5000"))
		buses = append(buses, bus)
	}
	addresses := make([]string, masters)
	for i, node := range nodes {
		addresses[i] = node.Address
		RedisDo(t, node.Address, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(slots*i/masters), strconv.Itoa(slots*(i+1)/masters-1))
		host, port, err := net.SplitHostPort(nodes[0].Address)
		if err != nil {
			t.Fatal(err)
		}
		if i > 0 {
			RedisDo(t, node.Address, "CLUSTER", "MEET", host, port, buses[0])
		}
	}
	for _, address := range addresses {
		await(t, "the cluster is whole at "+address, func() bool {
			info := RedisDo(t, address, "CLUSTER", "INFO")
			return strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:3")
		})
	}
	return addresses
}

// RedisSet is a master, its replica, and a Sentinel that watches them.
type RedisSet struct {
	// Name is the set's, Sentinel the address that is asked for its master.
	Name, Sentinel  string
	Master, Replica *RedisServer

	t testing.TB
}

// RedisSentinel starts a master with a replica, watched by a Sentinel that fails over half a second after the master is gone.
// They end with the test.
func RedisSentinel(t testing.TB) *RedisSet {
	t.Helper()
	s := &RedisSet{Name: "shop", Sentinel: FreeAddress(t), Master: Redis(t, "--repl-diskless-sync-delay", "0"), t: t}
	host, port, err := net.SplitHostPort(s.Master.Address)
	if err != nil {
		t.Fatal(err)
	}
	s.Replica = Redis(t, "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0")
	await(t, "the replica follows", func() bool {
		return strings.Contains(RedisDo(t, s.Replica.Address, "INFO", "replication"), "master_link_status:up")
	})
	_, own, err := net.SplitHostPort(s.Sentinel)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "sentinel.conf")
	text := fmt.Sprintf("port %s\nbind 127.0.0.1\nsentinel monitor %s %s %s 1\nsentinel down-after-milliseconds %s 500\nsentinel failover-timeout %s 3000\n",
		own, s.Name, host, port, s.Name, s.Name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	sentinel := exec.Command(Binary(t, "redis-server", "redis-server"), file, "--sentinel")
	sentinel.Stderr = os.Stderr
	if err := sentinel.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = sentinel.Process.Kill()
		_ = sentinel.Wait()
	})
	await(t, "the Sentinel knows the replica", func() bool {
		return answersPing(s.Sentinel) && strings.Contains(RedisDo(t, s.Sentinel, "SENTINEL", "REPLICAS", s.Name), "slave")
	})
	return s
}

// FailOver kills the master while its replica stands still for a while, so that what was written meanwhile is lost, and
// returns when the replica is the master.
func (s *RedisSet) FailOver(lag time.Duration) {
	s.t.Helper()
	s.Replica.Pause()
	time.Sleep(lag)
	s.Master.Kill()
	s.Replica.Resume()
	await(s.t, "the replica is promoted", func() bool {
		return strings.Contains(RedisDo(s.t, s.Replica.Address, "INFO", "replication"), "role:master")
	})
}

// await waits for a condition, however busy the machine is.
func await(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * answerSecondsMax * time.Second); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %d s: %s", 2*answerSecondsMax, what)
		}
	}
}

// RedisDo sends one command to a server, as an operator would, and returns its answer as text.
func RedisDo(t testing.TB, address string, words ...string) string {
	t.Helper()
	conn, err := net.DialTimeout("tcp", address, answerSecondsMax*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(answerSecondsMax * time.Second)); err != nil {
		t.Fatal(err)
	}
	command := fmt.Sprintf("*%d\r\n", len(words))
	for _, w := range words {
		command += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(conn, command); err != nil {
		t.Fatal(err)
	}
	answer, err := readAnswer(bufio.NewReader(conn))
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	return answer
}

// readAnswer reads an answer of RESP2; the parts of a list stand on lines of their own.
func readAnswer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil || len(line) < 3 {
		return "", fmt.Errorf("%q: %w", line, err)
	}
	kind, text := line[0], line[1:len(line)-2]
	switch kind {
	case '-':
		return "", fmt.Errorf("redis: %s", text)
	case '$':
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return "", err
		}
		body := make([]byte, n+2)
		_, err = io.ReadFull(r, body)
		return string(body[:n]), err
	case '*':
		n, err := strconv.Atoi(text)
		if err != nil {
			return "", err
		}
		var parts []string
		for range n {
			part, err := readAnswer(r)
			if err != nil {
				return "", err
			}
			parts = append(parts, part)
		}
		return strings.Join(parts, "\n"), nil
	}
	return text, nil
}
