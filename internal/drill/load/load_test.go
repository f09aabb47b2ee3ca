package load

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
)

func TestParseAnswer(t *testing.T) {
	t.Parallel()
	const created = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nidempotent-replayed: true\r\nContent-Length: 5\r\n\r\n{\"a\"}"
	for _, c := range []struct {
		name, in string
		status   int
		body     string
		took     int // -1: all of it
		bad      bool
	}{
		{"whole", created, 201, `{"a"}`, -1, false},
		{"two", created + created, 201, `{"a"}`, len(created), false},
		{"nothing yet", "", 0, "", 0, false},
		{"half a header", created[:30], 0, "", 0, false},
		{"half a body", created[:len(created)-1], 0, "", 0, false},
		{"no body", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", -1, false},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", 304, "", -1, false},
		{"interim", "HTTP/1.1 100 Continue\r\n\r\n", 100, "", -1, false},
		{"empty body", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", -1, false},
		{"chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nA;x=y\r\n0123456789\r\n0\r\n\r\n", 200, "abc", -1, false},
		{"half a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", 0, "", 0, false},
		{"a chunk of nonsense", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nab\r\n", 0, "", 0, true},
		{"a chunk without its end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nabXX0\r\n\r\n", 0, "", 0, true},
		{"an endless chunk size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1", 80), 0, "", 0, true},
		{"not HTTP", "SSH-2.0-OpenSSH_9.6\r\n", 0, "", 0, true},
		{"not HTTP but long", "HTTX/1.1 200 OK\r\n\r\n", 0, "", 0, true},
		{"a status of letters", "HTTP/1.1 2xx OK\r\n\r\n", 0, "", 0, true},
		{"a status cut short", "HTTP/1.1 20\r\n\r\n", 0, "", 0, true},
		{"no length", "HTTP/1.1 200 OK\r\nServer: x\r\n\r\nabc", 0, "", 0, true},
		{"a negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, "", 0, true},
		{"a length out of bounds", "HTTP/1.1 200 OK\r\nContent-Length: 999999999\r\n\r\n", 0, "", 0, true},
		{"an endless header", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 70_000), 0, "", 0, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, took, err := parseAnswer([]byte(c.in))
			want := c.took
			if want < 0 {
				want = len(c.in)
			}
			if errors.Is(err, ErrMalformed) != c.bad || took != want || took > 0 && (a.Status != c.status || string(a.Body) != c.body) {
				t.Errorf("status %d, body %q, took %d of %d, %v", a.Status, a.Body, took, len(c.in), err)
			}
		})
	}
	a, _, _ := parseAnswer([]byte("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 7\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"))
	if a.RetryAfterSeconds != 7 || !a.closes || a.Replayed {
		t.Errorf("%+v", a)
	}
	if a, _, _ := parseAnswer([]byte(created)); !a.Replayed || a.closes {
		t.Errorf("%+v", a)
	}
}

func FuzzParseAnswer(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if _, took, err := parseAnswer(b); took < 0 || took > len(b) || err != nil && took != 0 {
			t.Errorf("took %d of %d, %v", took, len(b), err)
		}
	})
}

// counter is a script of n equal requests as fast as they go.
type counter struct {
	request            []byte
	n, sent            int
	answered, lost, ok int
	bytes              int
	again              bool // ask again for what was lost
	upTo               time.Duration
}

func (c *counter) Next(time.Duration) (Ticket, time.Duration, bool) {
	if c.sent >= c.n {
		return 0, -1, false
	}
	c.sent++
	return Ticket(c.sent), 0, true
}
func (c *counter) Encode(b []byte, _ Ticket) []byte { return append(b, c.request...) }
func (c *counter) Answer(_ Ticket, a Answer, _, _ time.Duration) {
	c.answered++
	c.bytes += len(a.Body)
	if a.Status == 200 {
		c.ok++
	}
}
func (c *counter) Lost(Ticket, time.Duration, error) {
	c.lost++
	if c.again {
		c.sent--
	}
}
func (c *counter) Done(now time.Duration) bool {
	return c.sent >= c.n || c.upTo > 0 && now > c.upTo
}

var post = []byte("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}")

func run(t *testing.T, base string, c *counter, o Options) {
	t.Helper()
	target, err := NewTarget(base)
	if err != nil {
		t.Fatal(err)
	}
	l, err := Open(t.Context(), target, c, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
}

func TestEveryRequestIsAnsweredOnce(t *testing.T) {
	t.Parallel()
	var seen atomic.Int64
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		n := seen.Add(1)
		switch {
		case n%7 == 0:
			w.Header().Set("Connection", "close") // the loop must connect again
		case n%5 == 0:
			_, _ = w.Write(bytes.Repeat([]byte("x"), 20_000)) // more than a buffer
			w.(http.Flusher).Flush()                          // chunked
		}
		_, _ = w.Write([]byte("{}"))
	})
	plain := httptest.NewServer(h)
	defer plain.Close()
	c := &counter{request: post, n: 2000}
	run(t, plain.URL, c, Options{Connections: 16, AnswerTimeout: await.Max, Drain: await.Max})
	if c.ok != c.n || c.lost != 0 || seen.Load() != int64(c.n) {
		t.Errorf("%d of %d answered, %d lost, %d seen", c.ok, c.n, c.lost, seen.Load())
	}
}

func TestTheOtherPoller(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	defer s.Close()
	target, err := NewTarget(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{request: post, n: 2000}
	l, err := Open(t.Context(), target, c, Options{Connections: 16, AnswerTimeout: await.Max, Drain: await.Max})
	if err != nil {
		t.Fatal(err)
	}
	// The same connections under the poller that serves TLS and other systems.
	l.poller.close()
	l.poller, l.free = newGoPoller(16), l.free[:0]
	for slot := range l.conns {
		conn, err := target.Dial(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if err := l.up(dialled{slot: slot, c: conn}); err != nil {
			t.Fatal(err)
		}
	}
	defer l.Close()
	if err := l.Run(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	if c.ok != c.n || c.lost != 0 {
		t.Errorf("%d of %d answered, %d lost", c.ok, c.n, c.lost)
	}
}

func TestWhatIsNotAnsweredIsLost(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 3 {
		case 0:
			panic(http.ErrAbortHandler) // the connection breaks
		case 1:
			select { // no answer in time
			case <-time.After(time.Second):
			case <-r.Context().Done():
			}
		}
	}))
	defer s.Close()
	c := &counter{request: post, n: 30}
	run(t, s.URL, c, Options{Connections: 10, AnswerTimeout: 300 * time.Millisecond, Drain: await.Max})
	if c.answered+c.lost != c.n || c.lost < c.n/3 || c.answered == 0 {
		t.Errorf("%d answered and %d lost of %d", c.answered, c.lost, c.n)
	}
}

func TestAnEndedContextStillTakesTheAnswersUnderWay(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { time.Sleep(50 * time.Millisecond) }))
	defer s.Close()
	target, err := NewTarget(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{request: post, n: 1 << 30}
	l, err := Open(t.Context(), target, c, Options{Connections: 8, AnswerTimeout: await.Max, Drain: await.Max})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 120*time.Millisecond)
	defer cancel()
	if err := l.Run(ctx, time.Now()); err != nil {
		t.Fatal(err)
	}
	if c.lost != 0 || c.answered != c.sent || c.answered == 0 {
		t.Errorf("%d sent, %d answered, %d lost", c.sent, c.answered, c.lost)
	}
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	target, err := NewTarget(s.URL)
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Open(t.Context(), target, &counter{}, Options{Connections: 3}); err == nil || !strings.Contains(err.Error(), "cannot connect to 127.0.0.1:") {
		t.Errorf("got %v", err)
	}
	for _, bad := range []string{"", "127.0.0.1:80", "ftp://x", "http://"} {
		if _, err := NewTarget(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

// BenchmarkRequest is the generator's own cost beside a server in the same process; the drill reports the CPU of its own
// process.
func BenchmarkRequest(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("{}")) }))
	defer s.Close()
	target, err := NewTarget(s.URL)
	if err != nil {
		b.Fatal(err)
	}
	c := &counter{request: post, n: b.N}
	l, err := Open(b.Context(), target, c, Options{Connections: 64, AnswerTimeout: await.Max, Drain: await.Max})
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	b.ResetTimer()
	if err := l.Run(b.Context(), time.Now()); err != nil {
		b.Fatal(err)
	}
}
