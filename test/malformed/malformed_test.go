// Package malformed speaks HTTP badly to both lanes, over raw connections: slow, wrong, huge, and in two minds about where a
// request ends. The shop answers with a refusal or hangs up, in bounded time, and takes no order that nobody was answered for.
package malformed

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

func TestMain(m *testing.M) { blackbox.Main(m) }

// The patience of the shop under test.
const (
	headerTimeout = 5 * time.Second
	readTimeout   = 8 * time.Second
)

// stage is a shop with both lanes, and an order that would be good.
type stage struct {
	*testing.T
	shop  *blackbox.Shop
	sale  blackbox.Sale
	token string
	body  string
	made  int // answers of 201
}

// try is what is sent: text, whole or in two parts with a pause between them.
type try struct {
	name  string
	text  string
	rest  string // sent after pause; the connection is closed for writing after it
	pause time.Duration
	want  string // how the first answer may begin, separated by |; empty: anything but a 201, or nothing
	close bool   // the client closes its side after the text
}

// TestMalformed sends every try to both lanes.
func TestMalformed(t *testing.T) {
	t.Parallel()
	s := &stage{T: t, shop: blackbox.New(t, "TIDEGATE_EXPRESS_ADDRESS=127.0.0.1:0",
		"TIDEGATE_HTTP_HEADER_TIMEOUT="+headerTimeout.String(), "TIDEGATE_HTTP_READ_TIMEOUT="+readTimeout.String(), "TIDEGATE_HTTP_IDLE_TIMEOUT=2s")}
	s.shop.Start()
	sku := s.shop.Stocked("MUG", 10_000)
	s.sale = s.shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: 5000, PaymentSeconds: 3600})
	s.token = s.shop.Tokens(1, 1)[0]
	s.body = `{"lines":[{"sku_id":"` + sku + `","quantity":1}]}`
	pid := s.shop.Running().PID
	lanes := map[string]string{"main": s.shop.Running().Public, "express": s.shop.Running().Express}
	type sent struct {
		lane string
		try
	}
	var all []sent
	for lane := range lanes {
		for _, one := range s.tries(lane) {
			all = append(all, sent{lane, one})
		}
	}
	made := make(chan int, len(all))
	blackbox.Each(16, all, func(one sent) { made <- s.send(one.lane, lanes[one.lane], one.try) })
	close(made)
	for n := range made {
		s.made += n
	}
	if s.shop.Ended() || s.shop.Running().PID != pid {
		t.Fatal("the process has ended")
	}
	if log := s.shop.Process().Stderr.String(); strings.Contains(log, "panic") {
		t.Errorf("something panicked: %s", log)
	}
	orders := s.shop.Orders(s.sale.ID, "")
	if len(orders) != s.made {
		t.Errorf("%d orders were made, and %d answered", len(orders), s.made)
	}
	for _, base := range lanes {
		p := blackbox.Purchase{Token: s.token, Path: base + "/v1/sales/" + s.sale.ID + "/orders", Key: "after-" + base, Body: s.body}
		if a := s.shop.Buy(p); a.Status != 201 {
			t.Errorf("after it all an order is answered %s", a)
		}
	}
	t.Logf("%d tries, %d orders", len(all), s.made)
	s.shop.Audit("I1", "I2", "I3", "I4")
}

// head is the beginning of an order: its request line and headers, but for those that say how long the body is.
func (s *stage) head(key string, more ...string) string {
	lines := append([]string{
		"POST /v1/sales/" + s.sale.ID + "/orders HTTP/1.1", "Host: shop", "Authorization: Bearer " + s.token, "Idempotency-Key: " + key,
		"Content-Type: application/json",
	}, more...)
	return strings.Join(lines, "\r\n") + "\r\n"
}

// whole is an order as it should be.
func (s *stage) whole(key string) string {
	return s.head(key, fmt.Sprintf("Content-Length: %d", len(s.body))) + "\r\n" + s.body
}

func (s *stage) tries(lane string) []try {
	n := len(s.body)
	key := func(of string) string { return lane + "-" + of }
	length := func(of string, lines ...string) string { return s.head(key(of), lines...) + "\r\n" + s.body }
	chunk := fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", n, s.body)
	inner := s.whole(key("smuggled"))
	const refused, hangs = "HTTP/1.1 4", ""
	return []try{
		{name: "as it should be", text: s.whole(key("good")), want: "HTTP/1.1 201"},
		{name: "chunked as it should be", text: s.head(key("chunked"), "Transfer-Encoding: chunked") + "\r\n" + chunk, want: "HTTP/1.1 201|HTTP/1.1 4"},

		// In two minds about where the request ends.
		{name: "length and chunks, the length ends first", text: s.head(key("clte1"), "Content-Length: 4", "Transfer-Encoding: chunked") + "\r\n0\r\n\r\n" + inner, want: refused},
		{name: "length and chunks, the chunks end first", text: s.head(key("clte2"), fmt.Sprintf("Content-Length: %d", 5+len(inner)), "Transfer-Encoding: chunked") + "\r\n0\r\n\r\n" + inner, want: refused},
		{name: "chunks spelt with a tab", text: s.head(key("te1"), "Transfer-Encoding:\tchunked", "Content-Length: 5") + "\r\n0\r\n\r\n" + inner, want: refused},
		{name: "chunks of another name", text: s.head(key("te2"), "Transfer-Encoding: xchunked") + "\r\n" + chunk + inner, want: "HTTP/1.1 4|HTTP/1.1 501"},
		{name: "chunks said twice", text: s.head(key("te3"), "Transfer-Encoding: chunked", "Transfer-Encoding: identity") + "\r\n" + chunk, want: "HTTP/1.1 4|HTTP/1.1 501|HTTP/1.1 201"},
		{name: "two lengths", text: length("cl2", fmt.Sprintf("Content-Length: %d", n), "Content-Length: 0") + inner, want: refused},
		{name: "two lengths in one line", text: length("cl3", fmt.Sprintf("Content-Length: %d, %d", n, n+1)), want: refused},
		{name: "a length below zero", text: length("cl4", "Content-Length: -1"), want: refused},
		{name: "a length with a sign", text: length("cl5", fmt.Sprintf("Content-Length: +%d", n)), want: refused},
		{name: "a length in hexadecimal", text: length("cl6", fmt.Sprintf("Content-Length: 0x%x", n)), want: refused},
		{name: "a length beyond all numbers", text: length("cl7", "Content-Length: 99999999999999999999"), want: refused},
		{name: "a blank before the colon", text: length("sp", fmt.Sprintf("Content-Length : %d", n)), want: refused},
		{name: "a header that goes on in the next line", text: length("fold", "X-Folded: a\r\n b", fmt.Sprintf("Content-Length: %d", n)), want: "HTTP/1.1 4|HTTP/1.1 201"},
		{name: "a zero byte in a header", text: length("nul", "X-Zero: a\x00b", fmt.Sprintf("Content-Length: %d", n)), want: "HTTP/1.1 4"},

		// Wrong lengths.
		{name: "shorter than it says", text: length("short", fmt.Sprintf("Content-Length: %d", n+10)), close: true, want: hangs},
		{name: "longer than it says", text: length("long", fmt.Sprintf("Content-Length: %d", n-5)), want: refused},
		{name: "no length at all", text: length("none"), want: refused},
		{name: "a body that is too large", text: s.head(key("large"), "Content-Length: 1073741824") + "\r\n" + s.body, want: "HTTP/1.1 4"},

		// Broken chunks.
		{name: "a chunk of no size", text: s.head(key("ch1"), "Transfer-Encoding: chunked") + "\r\nzz\r\n" + s.body + "\r\n0\r\n\r\n", want: "HTTP/1.1 4"},
		{name: "a chunk of a size below zero", text: s.head(key("ch2"), "Transfer-Encoding: chunked") + "\r\n-1\r\n" + s.body + "\r\n0\r\n\r\n", want: "HTTP/1.1 4"},
		{name: "a chunk beyond all numbers", text: s.head(key("ch3"), "Transfer-Encoding: chunked") + "\r\nffffffffffffffff1\r\n" + s.body, want: "HTTP/1.1 4"},
		{name: "a chunk that ends nowhere", text: s.head(key("ch4"), "Transfer-Encoding: chunked") + fmt.Sprintf("\r\n%x\r\n%s", n, s.body), close: true, want: hangs},
		{name: "a chunk without its line", text: s.head(key("ch5"), "Transfer-Encoding: chunked") + fmt.Sprintf("\r\n%x\r\n%s0\r\n\r\n", n, s.body), close: true, want: hangs},

		// Huge.
		{name: "a huge header", text: length("huge", "X-Huge: "+strings.Repeat("a", 4<<20), fmt.Sprintf("Content-Length: %d", n)), want: hangs},
		{name: "very many headers", text: length("many", strings.Repeat("X-Many: a\r\n", 200_000)+fmt.Sprintf("Content-Length: %d", n)), want: hangs},
		{name: "a huge address", text: "GET /" + strings.Repeat("a", 4<<20) + " HTTP/1.1\r\nHost: shop\r\n\r\n", want: hangs},

		// Not HTTP as it is spoken here.
		{name: "HTTP 0.9", text: "GET /v1/sales\r\n\r\n", want: hangs},
		{name: "HTTP 3.0", text: "GET /v1/sales HTTP/3.0\r\nHost: shop\r\n\r\n", want: "HTTP/1.1 4|HTTP/1.1 505"},
		{name: "no host", text: "GET /v1/sales HTTP/1.1\r\n\r\n", want: "HTTP/1.1 4"},
		{name: "TLS", text: "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + strings.Repeat("\x00", 200), want: hangs},
		{name: "nothing that means anything", text: strings.Repeat("\xff\x00\r\n", 500), want: hangs},
		{name: "CONNECT", text: "CONNECT shop:443 HTTP/1.1\r\nHost: shop\r\n\r\n", want: "HTTP/1.1 4"},
		{name: "an expectation that is none", text: length("expect", "Expect: 200-ok", fmt.Sprintf("Content-Length: %d", n)), want: "HTTP/1.1 4|HTTP/1.1 201"},

		// Slow.
		{name: "headers that never end", text: "POST /v1/sales/1/orders HTTP/1.1\r\nHost: sh", want: hangs},
		{name: "a body that never comes", text: s.head(key("slow1"), fmt.Sprintf("Content-Length: %d", n)) + "\r\n", want: hangs},
		{name: "a body that stops", text: s.head(key("slow2"), fmt.Sprintf("Content-Length: %d", n)) + "\r\n" + s.body[:n/2], want: hangs},
		{name: "a body in two parts", text: s.head(key("slow3"), fmt.Sprintf("Content-Length: %d", n)) + "\r\n" + s.body[:n/2], pause: 300 * time.Millisecond, rest: s.body[n/2:], want: "HTTP/1.1 201"},
	}
}

// send sends a try, and returns how many orders its connection was answered for.
func (s *stage) send(lane, base string, one try) (made int) {
	s.Helper()
	name := lane + ": " + one.name
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		s.Errorf("%s: %v", name, err)
		return 0
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetDeadline(time.Now().Add(await.Max))
	// The shop may hang up before it has read all: what it has said until then counts.
	_, _ = io.WriteString(conn, one.text)
	if one.rest != "" {
		time.Sleep(one.pause)
		_, _ = io.WriteString(conn, one.rest)
	}
	if one.close {
		_ = conn.(*net.TCPConn).CloseWrite()
	}
	text, err := io.ReadAll(conn)
	if timeout, is := err.(net.Error); is && timeout.Timeout() {
		s.Errorf("%s: the connection is open after %v, answered %.200q", name, await.Max, text)
	}
	made = bytes.Count(text, []byte("HTTP/1.1 201"))
	first, _, _ := strings.Cut(string(text), "\r\n")
	fits := first == "" || !strings.HasPrefix(first, "HTTP/1.1 2")
	if one.want != "" {
		fits = false
		for _, want := range strings.Split(one.want, "|") {
			fits = fits || strings.HasPrefix(first, want)
		}
		// A refusal may be lost where the shop hangs up on what it does not read.
		fits = fits || first == "" && !strings.Contains(one.want, "201")
	}
	if !fits {
		s.Errorf("%s: answered %.300q", name, text)
	}
	if made > 1 || strings.Contains(one.text, "smuggled") && made > 0 {
		s.Errorf("%s: what was hidden in a body was taken for a request: %.600q", name, text)
	}
	return made
}
