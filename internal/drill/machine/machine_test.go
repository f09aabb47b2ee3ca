package machine

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestMoreConnectionsThanDescriptors(t *testing.T) {
	t.Parallel()
	if err := AllowConnections(1 << 40); err == nil || !strings.Contains(err.Error(), "1099511627776 connections need 1099511627876 file descriptors and this system allows ") {
		t.Errorf("got %v", err)
	}
	if err := AllowConnections(1); err != nil {
		t.Error(err)
	}
}

func TestUsed(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	cpu, rss, most, ok := ProcessUsage(os.Getpid())
	if !ok || cpu < 0 || rss < 1<<20 || most < rss {
		t.Errorf("%v, %d of at most %d, %v", cpu, rss, most, ok)
	}
	if _, _, _, ok := ProcessUsage(1 << 30); ok {
		t.Error("a process that is not there")
	}
	if OwnCPU() <= 0 {
		t.Error("no CPU time")
	}
}

func TestServeBare(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	read, write := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- ServeBare(ctx, write) }()
	base, err := bufio.NewReader(read).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.Post(strings.TrimSpace(base), "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	if _ = answer.Body.Close(); err != nil || answer.StatusCode != 201 || len(body) == 0 {
		t.Errorf("%d %s, %v", answer.StatusCode, body, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
