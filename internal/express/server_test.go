package express

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
)

// shop is every module, as far as the lane sees it. The lanes' agreement is tested over the real ones; these stand in
// where a test must stop one half way.
type shop struct {
	place func(order.Request) (order.Placed, error)
	mu    sync.Mutex
	seen  []int // statuses
}

func (*shop) Authenticate(string) (account.Principal, error) {
	return account.Principal{Customer: 7, Session: 9}, nil
}

func (s *shop) Place(_ context.Context, r order.Request) (order.Placed, error) { return s.place(r) }

func (*shop) Bind(ticket string, session id.Session) string {
	return ticket + "-of-" + session.String()
}

func (*shop) Published(context.Context, id.Sale) (*sale.Sale, error) { return drop, nil }

func (*shop) Product(context.Context, id.Product) (*catalog.Page, error) { return page, nil }

func (*shop) Available(inventory.Pool) (int64, bool) { return 41, true }

func (s *shop) Done(_ context.Context, status int, _ time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen = append(s.seen, status)
}

var (
	noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)
	page = &catalog.Page{Body: bytes.Repeat([]byte("x"), 900), ETag: `"abcdefghijklmnop"`}
	drop = &sale.Sale{
		ID: 20, Title: "Drop", Status: sale.Live, StartsAt: noon, EndsAt: noon.Add(time.Hour), PaymentWindow: time.Minute, Version: 1,
		Items: []sale.Item{{SKU: 1, Product: 7, Price: money.Of(999, "GBP"), ListPrice: money.Of(1250, "GBP"), Allocation: 100}},
	}
	placed = order.Placed{Order: order.Order{
		ID: 7240126464000001, Sale: 20, Customer: 7, Status: order.Pending, Units: 1, Total: money.Of(999, "GBP"),
		Lines: []order.Line{{SKU: 1, Units: 1, UnitPrice: 999}}, CreatedAt: noon, ExpiresAt: noon.Add(time.Minute),
	}}
)

func newServer(s *shop, change ...func(*Parts)) *Server {
	p := Parts{
		Callers: s, Orders: s, Sales: s, Products: s, Levels: s, Clock: clock.NewManual(noon), Log: slog.New(slog.DiscardHandler),
		Config: DefaultConfig(),
		Limits: Limits{
			HeaderTimeout: await.Max, ReadTimeout: await.Max, WriteTimeout: await.Max, IdleTimeout: await.Max,
			HeaderBytesMax: 16 << 10,
		},
		Record: func(string, string) Recorder { return s },
	}
	for _, f := range change {
		f(&p)
	}
	return New(p)
}

// serving serves on a free port until the test ends, and returns the address.
func serving(t *testing.T, s *Server) string {
	t.Helper()
	t.Cleanup(func() {
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(l) }()
	t.Cleanup(func() {
		s.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// TestATicketIsTheSessions: the ticket of an order that waits ends with the session that ordered; an answer without one gets none.
func TestATicketIsTheSessions(t *testing.T) {
	t.Parallel()
	for ticket, want := range map[string]string{"T": `"ticket":"T-of-9"`, "": ""} {
		s := &shop{place: func(order.Request) (order.Placed, error) {
			p := placed
			p.Undecided, p.Ticket = ticket != "", ticket
			return p, nil
		}}
		c, err := net.Dial("tcp", serving(t, newServer(s)))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		if _, err := io.WriteString(c, orderOf("key-1", 1)); err != nil {
			t.Fatal(err)
		}
		a, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(a.Body)
		if err != nil || !strings.Contains(string(text), want) || ticket == "" && strings.Contains(string(text), "-of-") {
			t.Errorf("the ticket %q: %d %s, %v, want %s", ticket, a.StatusCode, text, err, want)
		}
	}
}

func orderOf(key string, sku int) string {
	body := fmt.Sprintf(`{"lines":[{"sku_id":"%d","quantity":1}]}`, sku)
	return fmt.Sprintf("POST /v1/sales/20/orders HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer t\r\nIdempotency-Key: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", key, len(body), body)
}

// client is a connection.
type client struct {
	t *testing.T
	net.Conn
	r *bufio.Reader
}

func dial(t *testing.T, address string) client {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(await.Max)); err != nil {
		t.Fatal(err)
	}
	return client{t, c, bufio.NewReader(c)}
}

func (c client) say(raw string) {
	c.t.Helper()
	if _, err := io.WriteString(c, raw); err != nil {
		c.t.Fatal(err)
	}
}

// hear reads an answer and checks its status.
func (c client) hear(status int) (*http.Response, string) {
	c.t.Helper()
	a, err := http.ReadResponse(c.r, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	body, err := io.ReadAll(a.Body)
	if err != nil || a.StatusCode != status {
		c.t.Fatalf("%d %s, %v; want %d", a.StatusCode, body, err, status)
	}
	return a, string(body)
}

// TestOrderOwnsItsMemory keeps what the lane hands on, as a committer does whose caller was answered 202, while the same
// connection goes on with other requests of the same size.
func TestOrderOwnsItsMemory(t *testing.T) {
	var kept []order.Request
	s := &shop{place: func(r order.Request) (order.Placed, error) {
		kept = append(kept, r)
		return order.Placed{Order: order.Order{ID: 5, Status: order.Undecided}, Undecided: true}, nil
	}}
	c := dial(t, serving(t, newServer(s)))
	const orders = 50
	for i := range orders {
		c.say(orderOf(fmt.Sprintf("key-%03d", i), 100+i))
		if _, body := c.hear(202); body != `{"id":"5","status":"undecided"}` {
			t.Fatal(body)
		}
	}
	for i, r := range kept {
		if r.Key != fmt.Sprintf("key-%03d", i) || len(r.Lines) != 1 || r.Lines[0].SKU != id.SKU(100+i) || r.Customer != 7 || r.Sale != 20 {
			t.Errorf("order %d is now %+v", i, r)
		}
	}
}

func TestPanicIsAnswered(t *testing.T) {
	var log bytes.Buffer
	s := &shop{place: func(order.Request) (order.Placed, error) { panic("the roof is on fire") }}
	c := dial(t, serving(t, newServer(s, func(p *Parts) { p.Log = slog.New(slog.NewTextHandler(&log, nil)) })))
	c.say(orderOf("a", 1))
	a, body := c.hear(500)
	if a.Header.Get("Content-Type") != "application/problem+json" || a.Header.Get("X-Request-Id") == "" || strings.Contains(body, "fire") {
		t.Errorf("%v %s", a.Header, body)
	}
	if !strings.Contains(log.String(), "fire") {
		t.Error("the log does not say why:", log.String())
	}
	c.say("GET /v1/products/1 HTTP/1.1\r\nHost: x\r\n\r\n") // the connection, and the process, go on
	c.hear(200)
	if fmt.Sprint(s.seen) != "[500 200]" {
		t.Error("recorded", s.seen)
	}
}

// TestShutdownFinishes stops while an order waits for its commit and another connection rests.
func TestShutdownFinishes(t *testing.T) {
	taken, committed := make(chan struct{}), make(chan struct{})
	s := &shop{place: func(order.Request) (order.Placed, error) {
		close(taken)
		<-committed
		return placed, nil
	}}
	server := newServer(s)
	address := serving(t, server)
	resting, waiting := dial(t, address), dial(t, address)
	resting.say("GET /v1/products/1 HTTP/1.1\r\nHost: x\r\n\r\n")
	resting.hear(200)
	waiting.say(orderOf("a", 1))
	<-taken
	stopped := make(chan error, 1)
	go func() { stopped <- server.Shutdown(t.Context()) }()
	if _, err := resting.r.ReadByte(); err != io.EOF {
		t.Error("the resting connection was not closed:", err)
	}
	select {
	case err := <-stopped:
		t.Fatal("it did not wait for the order:", err)
	default:
	}
	close(committed)
	if a, _ := waiting.hear(201); !a.Close {
		t.Error("the answer does not say that the connection ends")
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if c, err := net.Dial("tcp", address); err == nil {
		_ = c.Close()
		t.Error("it still listens")
	}
}

// TestClientLeaves breaks a connection off while its order waits: the order is placed all the same.
func TestClientLeaves(t *testing.T) {
	taken, gone, done := make(chan struct{}), make(chan struct{}), make(chan struct{})
	s := &shop{place: func(order.Request) (order.Placed, error) {
		close(taken)
		<-gone
		close(done)
		return placed, nil
	}}
	c := dial(t, serving(t, newServer(s)))
	c.say(orderOf("a", 1))
	<-taken
	_ = c.Close()
	close(gone)
	<-done
}

func TestOneConnectionTooMany(t *testing.T) {
	server := newServer(&shop{}, func(p *Parts) { p.Config.ConnectionsMax = 2 })
	address := serving(t, server)
	first, second := dial(t, address), dial(t, address)
	for _, c := range []client{first, second} {
		c.say("GET /v1/sales/20 HTTP/1.1\r\nHost: x\r\n\r\n")
		c.hear(200)
	}
	a, body := dial(t, address).hear(503)
	if a.Header.Get("Retry-After") != "1" || a.Header.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, "overloaded") {
		t.Errorf("%v %s", a.Header, body)
	}
	_ = first.Close()
	await.Until(t, "the server has noticed that one has gone", func() bool { return server.http.GetOpenConnectionsCount() <= 1 })
	third := dial(t, address)
	third.say("GET /v1/sales/20 HTTP/1.1\r\nHost: x\r\n\r\n")
	third.hear(200)
}

func TestSlowClients(t *testing.T) {
	address := serving(t, newServer(&shop{}, func(p *Parts) {
		p.Limits.HeaderTimeout, p.Limits.ReadTimeout = 200*time.Millisecond, 400*time.Millisecond
	}))
	for name, raw := range map[string]string{
		"half of the headers": "GET /v1/products/1 HTTP/1.1\r\nHos",
		"half of the body":    orderOf("a", 1)[:len(orderOf("a", 1))-5],
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, address)
			c.say(raw)
			_, body := c.hear(fault.TimedOut.Row().Status)
			if !strings.Contains(body, fault.TimedOut.String()) {
				t.Error(body)
			}
		})
	}
}

func TestConfig(t *testing.T) {
	for _, tt := range []struct {
		address     string
		connections int
		field       string
	}{
		{"", 1, ""},
		{"127.0.0.1:0", 1_000_000, ""},
		{"8081", 1, "address"},
		{"", 0, "connections_max"},
		{"", 1_000_001, "connections_max"},
	} {
		err := Config{tt.address, tt.connections}.Validate()
		if got := fault.As(err); (err == nil) != (tt.field == "") || err != nil && got.Field != tt.field {
			t.Errorf("%+v: %v", tt, err)
		}
	}
}
