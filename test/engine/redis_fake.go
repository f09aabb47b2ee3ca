package engine

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// OldRedis starts what speaks as a Redis of that version did, before HELLO, and returns its address. It ends with the test.
func OldRedis(t testing.TB, version string) string {
	t.Helper()
	return fakeRedis(t, map[string]string{
		"HELLO": "-ERR unknown command `HELLO`, with args beginning with: `3`, \r\n",
		"INFO":  bulk("redis_version:" + version + "\r\nredis_mode:standalone\r\nrole:master\r\n"),
	})
}

// ValkeyNode starts what speaks as a node of a Cluster of Valkey, which says server_mode where Redis says redis_mode, and returns its
// address. It ends with the test.
func ValkeyNode(t testing.TB) string {
	t.Helper()
	return fakeRedis(t, map[string]string{
		"INFO": bulk("redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.1\r\nserver_mode:cluster\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n"),
		"TIME": fmt.Sprintf("*2\r\n$10\r\n%d\r\n$1\r\n0\r\n", time.Now().Unix()),
	})
}

// RedisApart starts what says that it is a Redis, and that it is now earlier or later by so much, and returns its address. It
// ends with the test.
func RedisApart(t testing.TB, by time.Duration) string {
	t.Helper()
	return fakeRedis(t, map[string]string{
		"INFO": bulk("redis_version:7.0.0\r\nredis_mode:standalone\r\nrole:master\r\nmaxmemory_policy:noeviction\r\n"),
		"TIME": fmt.Sprintf("*2\r\n$10\r\n%d\r\n$1\r\n0\r\n", time.Now().Add(by).Unix()),
	})
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

// fakeRedis serves answers by the command's name, and +OK for all others, until the test ends.
func fakeRedis(t testing.TB, answers map[string]string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	if answers["HELLO"] == "" {
		answers["HELLO"] = "%2\r\n+version\r\n+7.0.0\r\n+proto\r\n:3\r\n"
	}
	answers["PING"] = "+PONG\r\n"
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go speak(conn, answers)
		}
	}()
	return l.Addr().String()
}

func speak(conn net.Conn, answers map[string]string) {
	defer func() { _ = conn.Close() }()
	in := bufio.NewReader(conn)
	for {
		var words int
		if _, err := fmt.Fscanf(in, "*%d\r\n", &words); err != nil {
			return
		}
		name := ""
		for i := range words {
			var length int
			if _, err := fmt.Fscanf(in, "$%d\r\n", &length); err != nil {
				return
			}
			word := make([]byte, length+2)
			for at := 0; at < len(word); {
				n, err := in.Read(word[at:])
				if err != nil {
					return
				}
				at += n
			}
			if i == 0 {
				name = strings.ToUpper(string(word[:length]))
			}
		}
		answer, ok := answers[name]
		if !ok {
			answer = "+OK\r\n"
		}
		if _, err := conn.Write([]byte(answer)); err != nil {
			return
		}
	}
}
