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

// RedisPlace is where a client finds Redis, in the words of its settings.
type RedisPlace struct {
	// Name says what it is.
	Name           string
	Addresses      []string
	Cluster        bool
	SentinelMaster string
	// Prefix starts the names of the test's Redis keys.
	Prefix string
}

// EachRedis runs a test on one server, in a Cluster of three, and behind a Sentinel before and after a failover.
func EachRedis(t *testing.T, run func(t *testing.T, at RedisPlace)) {
	t.Helper()
	t.Run("one server", func(t *testing.T) {
		t.Parallel()
		run(t, RedisPlace{Name: "one server", Addresses: []string{Redis(t).Address}, Prefix: "shop"})
	})
	t.Run("a Cluster", func(t *testing.T) {
		t.Parallel()
		run(t, RedisPlace{Name: "a Cluster", Addresses: RedisCluster(t, 0).Addresses, Cluster: true, Prefix: "shop"})
	})
	t.Run("a Sentinel", func(t *testing.T) {
		t.Parallel()
		set := RedisSentinel(t)
		at := RedisPlace{Name: "a Sentinel", Addresses: []string{set.Sentinel}, SentinelMaster: set.Name, Prefix: "before"}
		t.Run("before a failover", func(t *testing.T) { run(t, at) })
		set.FailOver(0)
		set.awaitAnnounced()
		at.Prefix = "after"
		t.Run("after a failover", func(t *testing.T) { run(t, at) })
	})
}

// The masters of a Cluster under test, and its slots.
const (
	clusterMasters = 3
	clusterSlots   = 16384
)

// RedisNodes is a Redis Cluster of three masters.
type RedisNodes struct {
	Addresses []string // of the masters, as they were in the beginning
	Masters   []*RedisServer
	// Replicas follow the master of the same number; none where the Cluster has none.
	Replicas []*RedisServer

	t testing.TB
}

// RedisCluster starts a Redis Cluster of three masters, each with a replica or without. A node that has not answered the others
// for two seconds has failed. It ends with the test.
func RedisCluster(t testing.TB, replicas int) *RedisNodes {
	t.Helper()
	c := &RedisNodes{t: t}
	var seed, seedBus string
	join := func() *RedisServer {
		_, bus, err := net.SplitHostPort(FreeAddress(t))
		if err != nil {
			t.Fatal(err)
		}
		node := Redis(t, "--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000", "--repl-diskless-sync-delay", "0")
		if seed == "" {
			seed, seedBus = node.Address, bus
			return node
		}
		host, port, err := net.SplitHostPort(seed)
		if err != nil {
			t.Fatal(err)
		}
		RedisDo(t, node.Address, "CLUSTER", "MEET", host, port, seedBus)
		return node
	}
	for i := range clusterMasters {
		node := join()
		c.Masters, c.Addresses = append(c.Masters, node), append(c.Addresses, node.Address)
		RedisDo(t, node.Address, "CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(clusterSlots*i/clusterMasters), strconv.Itoa(clusterSlots*(i+1)/clusterMasters-1))
	}
	for range min(replicas, 1) * clusterMasters {
		c.Replicas = append(c.Replicas, join())
	}
	c.awaitWhole()
	for i, replica := range c.Replicas {
		RedisDo(t, replica.Address, "CLUSTER", "REPLICATE", RedisDo(t, c.Addresses[i], "CLUSTER", "MYID"))
	}
	for i, replica := range c.Replicas {
		await(t, "the replica follows", func() bool {
			return redisSays("master_link_status:up", replica.Address, "INFO", "replication") &&
				redisSays("connected_slaves:1", c.Addresses[i], "INFO", "replication")
		})
	}
	return c
}

// awaitWhole returns when every node knows all others and finds the Cluster whole.
func (c *RedisNodes) awaitWhole() {
	c.t.Helper()
	all := append(append([]*RedisServer(nil), c.Masters...), c.Replicas...)
	for _, node := range all {
		await(c.t, "the cluster is whole at "+node.Address, func() bool {
			info, err := redisAsk(node.Address, "CLUSTER", "INFO")
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:"+strconv.Itoa(len(all)))
		})
	}
}

// Owner returns the number of the master that had the key's slot in the beginning.
func (c *RedisNodes) Owner(key string) int {
	c.t.Helper()
	slot, err := strconv.Atoi(RedisDo(c.t, c.Addresses[0], "CLUSTER", "KEYSLOT", key))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := range clusterMasters {
		if slot < clusterSlots*(i+1)/clusterMasters {
			return i
		}
	}
	c.t.Fatalf("slot %d", slot)
	return 0
}

// FailOver kills a master while its replica stands still for a while, so that what was written meanwhile is lost, and returns
// when the replica is the master.
func (c *RedisNodes) FailOver(master int, lag time.Duration) {
	c.t.Helper()
	replica := c.Replicas[master]
	replica.Pause()
	time.Sleep(lag)
	c.Masters[master].Kill()
	replica.Resume()
	await(c.t, "the replica is promoted", func() bool {
		return redisSays("role:master", replica.Address, "INFO", "replication")
	})
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
		return redisSays("master_link_status:up", s.Replica.Address, "INFO", "replication")
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
		return answersPing(s.Sentinel) && redisSays("slave", s.Sentinel, "SENTINEL", "REPLICAS", s.Name)
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
		return redisSays("role:master", s.Replica.Address, "INFO", "replication")
	})
}

// awaitAnnounced returns when the Sentinel names the replica as the master.
func (s *RedisSet) awaitAnnounced() {
	s.t.Helper()
	await(s.t, "the Sentinel names the new master", func() bool {
		host, port, err := net.SplitHostPort(s.Replica.Address)
		return err == nil && redisSays(host+"\n"+port, s.Sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", s.Name)
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
	answer, err := redisAsk(address, words...)
	if err != nil {
		t.Fatalf("%s: %v", words, err)
	}
	return answer
}

// redisSays reports whether a server answers a command with a text that has want in it. One that does not answer does not.
func redisSays(want, address string, words ...string) bool {
	answer, err := redisAsk(address, words...)
	return err == nil && strings.Contains(answer, want)
}

func redisAsk(address string, words ...string) (string, error) {
	conn, err := net.DialTimeout("tcp", address, answerSecondsMax*time.Second)
	if err != nil {
		return "", err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(answerSecondsMax * time.Second)); err != nil {
		return "", err
	}
	command := fmt.Sprintf("*%d\r\n", len(words))
	for _, w := range words {
		command += fmt.Sprintf("$%d\r\n%s\r\n", len(w), w)
	}
	if _, err := io.WriteString(conn, command); err != nil {
		return "", err
	}
	return readAnswer(bufio.NewReader(conn))
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
