package app

import (
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
)

// TestConnectionsMax: a connection over the limit is served as soon as another one ends, and not before.
func TestConnectionsMax(t *testing.T) {
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })}
	server, base, err := new(App).listen("test", "127.0.0.1:0", 1, limit.NewHeld(0), server, make(chan error, 1))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Close() }()
	address := base[len("http://"):]
	first, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	if got := getFrom(t, first, 10*time.Second); got == "" {
		t.Fatal("the first connection was not answered")
	}
	second, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if got := getFrom(t, second, 100*time.Millisecond); got != "" {
		t.Fatalf("the connection over the limit was answered: %s", got)
	}
	_ = first.Close()
	if got := beginning(t, second, 10*time.Second); got == "" {
		t.Error("the connection that waited was not answered")
	}
}

// getFrom sends a request and returns the beginning of the answer: empty where none came in time.
func getFrom(t *testing.T, c net.Conn, within time.Duration) string {
	t.Helper()
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	return beginning(t, c, within)
}

func beginning(t *testing.T, c net.Conn, within time.Duration) string {
	t.Helper()
	if err := c.SetReadDeadline(time.Now().Add(within)); err != nil {
		t.Fatal(err)
	}
	var b [15]byte
	n, _ := c.Read(b[:])
	return string(b[:n])
}
