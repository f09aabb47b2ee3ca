package listener

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
)

// pair returns both ends of a connection; the first is one of ours.
func pair(t *testing.T, unwatched ...string) (ours, peer net.Conn) {
	t.Helper()
	below, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := New(below, unwatched...)
	defer func() { _ = l.Close() }()
	if peer, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if ours, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = ours.Close(), peer.Close() })
	return ours, peer
}

// step is the unit of these tests' deadlines: long enough that a busy machine sets the next one before the first has passed.
const step = 400 * time.Millisecond

// timedOut reports a read or a write that did not end by its deadline, or ended before least.
func timedOut(t *testing.T, what string, began time.Time, least time.Duration, err error) {
	t.Helper()
	if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took < least {
		t.Errorf("%s: %v after %v, want the deadline after %v", what, err, took, least)
	}
}

// TestReadDeadline: whatever was set before, the last deadline ends the read, and no other does.
func TestReadDeadline(t *testing.T) {
	t.Parallel()
	longPast := time.Unix(1, 0)
	for name, c := range map[string]struct {
		set  []time.Duration // from now; 0: none, -1: long past
		want time.Duration
	}{
		"one":                         {[]time.Duration{step}, step},
		"later":                       {[]time.Duration{step, 3 * step}, 3 * step},
		"later, and later again":      {[]time.Duration{step, 2 * step, 4 * step}, 4 * step},
		"earlier":                     {[]time.Duration{time.Hour, step}, step},
		"none, and one":               {[]time.Duration{step, 0, 2 * step}, 2 * step},
		"long past":                   {[]time.Duration{time.Hour, -1}, 0},
		"long past, taken back":       {[]time.Duration{step, -1, 0, 2 * step}, 2 * step},
		"passed, before anybody read": {[]time.Duration{-step}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, peer := pair(t)
			began := time.Now()
			for _, d := range c.set {
				at := began.Add(d)
				switch d {
				case 0:
					at = time.Time{}
				case -1:
					at = longPast
				}
				if err := ours.SetReadDeadline(at); err != nil {
					t.Fatal(err)
				}
			}
			_, err := ours.Read(make([]byte, 10))
			timedOut(t, "read", began, c.want, err)
			// The connection is as good as before.
			if err := ours.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
				t.Fatal(err)
			}
			if _, err := peer.Write([]byte("hello")); err != nil {
				t.Fatal(err)
			}
			if n, err := ours.Read(make([]byte, 10)); n != 5 || err != nil {
				t.Errorf("afterwards %d bytes were read, error %v", n, err)
			}
		})
	}
}

// TestDeadlineWhileReading: a read that is under way is ended by a deadline that is set meanwhile, and outlasts one that is put off.
func TestDeadlineWhileReading(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ first, then, want time.Duration }{
		"earlier":   {time.Hour, 2 * step, 2 * step},
		"later":     {2 * step, 4 * step, 4 * step},
		"long past": {time.Hour, -1000000 * time.Hour, step},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ours, _ := pair(t)
			began := time.Now()
			_ = ours.SetReadDeadline(began.Add(c.first))
			time.AfterFunc(step, func() { _ = ours.SetReadDeadline(began.Add(c.then)) })
			_, err := ours.Read(make([]byte, 10))
			timedOut(t, "read", began, c.want, err)
		})
	}
}

// TestWriteDeadline: a write that nobody takes ends at its deadline, tells how much was taken, and goes on behind one that was put off.
func TestWriteDeadline(t *testing.T) {
	t.Parallel()
	ours, peer := pair(t)
	much := make([]byte, 64<<20) // more than both sockets hold
	began := time.Now()
	_ = ours.SetWriteDeadline(began.Add(step))
	_ = ours.SetWriteDeadline(began.Add(3 * step))
	n, err := ours.Write(much)
	timedOut(t, "write", began, 3*step, err)
	if n == 0 || n >= len(much) {
		t.Fatalf("%d bytes were taken", n)
	}
	read := make(chan int64)
	go func() {
		n, _ := io.Copy(io.Discard, peer)
		read <- n
	}()
	_ = ours.SetDeadline(time.Now().Add(step))
	_ = ours.SetDeadline(time.Time{})
	more, err := ours.Write(much)
	if err != nil || more != len(much) {
		t.Errorf("%d of %d bytes were taken, error %v", more, len(much), err)
	}
	_ = ours.Close()
	if got := <-read; got != int64(n+more) {
		t.Errorf("%d bytes came, %d were taken", got, n+more)
	}
}

// serve serves the handler over such a listener and returns a connection to it.
func serve(t *testing.T, s *http.Server, unwatched ...string) (net.Conn, *bufio.Reader) {
	t.Helper()
	below, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Serve(New(below, unwatched...)) }()
	c, err := net.Dial("tcp", below.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = c.Close(), s.Close() })
	return c, bufio.NewReader(c)
}

func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
	_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.URL.Path, b)
}

// TestRequests: requests one after the other, in pieces and together, watched and not, are answered in their order on one connection.
func TestRequests(t *testing.T) {
	t.Parallel()
	c, in := serve(t, &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: time.Minute, IdleTimeout: time.Minute}, "POST /orders ", "GET /hot")
	post := func(path, body string) string {
		return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", path, len(body), body)
	}
	const get = "GET /hot HTTP/1.1\r\nHost: x\r\n\r\n"
	for range 20 {
		for _, pieces := range [][]string{
			{post("/orders", "one")},
			{post("/other", "two")},
			{get},
			{post("/orders", "a"), post("/orders", "b")},
			{post("/orders", "a") + post("/orders", "b") + get + post("/other", "c") + post("/orders", "d")},
			{"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n", "bo", "dy"},
			{"PO", "ST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 14\r\n\r\n", "POST /orders !"},
			{post("/orders", strings.Repeat("x", 10_000))},
			{"POST /orders HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"},
			{"GET /hot HTTP/1.1\r\nX: " + strings.Repeat("x", 4096-len("GET /hot HTTP/1.1\r\nX: ")-1), "y\r\nHost: x\r\n\r\n"},
		} {
			all := strings.Join(pieces, "")
			for _, piece := range pieces {
				if _, err := io.WriteString(c, piece); err != nil {
					t.Fatal(err)
				}
				if len(pieces) > 1 {
					time.Sleep(time.Millisecond)
				}
			}
			requests := bufio.NewReader(strings.NewReader(all))
			for {
				r, err := http.ReadRequest(requests)
				if err != nil {
					break
				}
				body, _ := io.ReadAll(r.Body)
				want := fmt.Sprintf("%s %s %s", r.Method, r.URL.Path, body)
				answer, err := http.ReadResponse(in, r)
				if err != nil {
					t.Fatalf("%.60q: %v", all, err)
				}
				if got, _ := io.ReadAll(answer.Body); string(got) != want {
					t.Fatalf("%.60q was answered %.60q", want, got)
				}
			}
		}
	}
}

// TestLimits: after requests that were answered at once, a client that sends nothing, or only the beginning of a request, is cut off
// at its time, and not before.
func TestLimits(t *testing.T) {
	t.Parallel()
	const header, idle = 4 * step, 5 * step
	for name, c := range map[string]struct {
		begun string
		want  time.Duration
	}{
		"idle":   {"", idle},
		"header": {"POST /orders HTTP/1.1\r\n", header},
		"body":   {"POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n12345", 2 * header},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c1, in := serve(t, &http.Server{Handler: http.HandlerFunc(echo), ReadHeaderTimeout: header, ReadTimeout: 2 * header, IdleTimeout: idle}, "POST /orders ")
			var began time.Time
			for range 5 {
				time.Sleep(step)
				began = time.Now()
				_, _ = io.WriteString(c1, "POST /orders HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
				answer, err := http.ReadResponse(in, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, answer.Body)
			}
			_, _ = io.WriteString(c1, c.begun)
			_, err := io.Copy(io.Discard, in)
			if took := time.Since(began); err != nil || took < c.want {
				t.Errorf("cut off after %v, error %v, want %v", took, err, c.want)
			}
		})
	}
}

// TestClientThatLeaves: it is noticed, but for those whom nobody watches.
func TestClientThatLeaves(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]error{"/other": context.Canceled, "/orders": context.DeadlineExceeded} {
		ended := make(chan error, 1)
		c, _ := serve(t, &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			ctx, cancel := context.WithTimeout(r.Context(), await.Max)
			if want == context.DeadlineExceeded {
				ctx, cancel = context.WithTimeout(r.Context(), 5*step)
			}
			defer cancel()
			<-ctx.Done()
			ended <- ctx.Err()
		})}, "POST /orders ")
		_, _ = io.WriteString(c, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
		time.Sleep(step)
		_ = c.Close()
		if err := <-ended; !errors.Is(err, want) {
			t.Errorf("%s: the request ended with %v, want %v", path, err, want)
		}
	}
}

// BenchmarkDeadline is what net/http does to the deadlines of a connection for one request.
func BenchmarkDeadline(b *testing.B) {
	below, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = below.Close() }()
	for name, l := range map[string]net.Listener{"bare": below, "ours": New(below)} {
		b.Run(name, func(b *testing.B) {
			peer, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = peer.Close() }()
			c, err := l.Accept()
			if err != nil {
				b.Fatal(err)
			}
			defer func() { _ = c.Close() }()
			b.ReportAllocs()
			for b.Loop() {
				now := time.Now()
				for _, d := range []time.Duration{5 * time.Second, 15 * time.Second, 0, 2 * time.Minute} {
					at := time.Time{}
					if d > 0 {
						at = now.Add(d)
					}
					_ = c.SetReadDeadline(at)
				}
				_ = c.SetWriteDeadline(now.Add(time.Minute))
				_ = c.SetWriteDeadline(time.Time{})
			}
		})
	}
}
