package app

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
)

// lanes is a shop with both public listeners, and a clock that stands still so that both tell the same time.
type lanes struct {
	t       *testing.T
	app     *App
	clock   *clock.Manual
	at      [2]string // host:port of the main and the express lane
	tokens  *account.Tokens
	product id.Product
	draft   id.Product
	sku     id.SKU
	etag    string
	sales   map[string]id.Sale // by the status that they have
}

var laneNames = [2]string{"main", "express"}

func newLanes(t *testing.T, change ...func(*Config)) *lanes {
	t.Helper()
	l := &lanes{t: t, clock: clock.NewManual(time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)), sales: map[string]id.Sale{}}
	a, at := opened(t, Options{Clock: l.clock}, change...)
	l.adopt(a, at)
	return l
}

// adopt has the lanes be those of a shop that runs.
func (l *lanes) adopt(a *App, at Addresses) {
	t := l.t
	l.app = a
	l.at = [2]string{strings.TrimPrefix(at.Public, "http://"), strings.TrimPrefix(at.Express, "http://")}
	ring, err := account.ReadKeyring(signingKeyPath(a.config, a.config.Data))
	noError(t, err)
	l.tokens = account.NewTokens(ring, a.config.Account, l.clock)
	l.stock()
}

func noError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// stock puts a product on sale in a sale of every status.
func (l *lanes) stock() {
	t, ctx, price := l.t, l.t.Context(), money.Of(1250, "GBP")
	for _, p := range []struct {
		handle string
		status catalog.Status
		id     *id.Product
	}{{"mug", catalog.Published, &l.product}, {"secret", catalog.Draft, &l.draft}} {
		made, err := l.app.catalog.Create(ctx, catalog.Input{Product: catalog.Product{
			Handle: p.handle, Title: "Größe \"L\" <mug>", Status: p.status, Variants: []catalog.Variant{{Code: strings.ToUpper(p.handle), Price: price}},
		}})
		noError(t, err)
		*p.id = made.ID
		if p.status == catalog.Published {
			l.sku = made.Variants[0].SKU
		}
	}
	_, err := l.app.stock.Adjust(ctx, inventory.Adjustment{SKU: l.sku, Kind: inventory.Receive, Units: 1000, Reason: "test", Actor: "test", Key: "k"})
	noError(t, err)
	now := l.clock.Now()
	for name, s := range map[string]struct {
		starts time.Duration
		units  int64
		moves  []sale.Status
	}{
		"live":      {-time.Minute, 50, []sale.Status{sale.Scheduled}},
		"limited":   {-time.Minute, 50, []sale.Status{sale.Scheduled}},
		"short":     {-time.Minute, 1, []sale.Status{sale.Scheduled}},
		"draft":     {-time.Minute, 1, nil},
		"scheduled": {time.Minute, 1, []sale.Status{sale.Scheduled}},
		"paused":    {-time.Minute, 1, []sale.Status{sale.Scheduled, sale.Live, sale.Paused}},
		"ended":     {-time.Minute, 1, []sale.Status{sale.Scheduled, sale.Ended}},
	} {
		terms := sale.Sale{
			Title: "Drop \"" + name + "\"", StartsAt: now.Add(s.starts), EndsAt: now.Add(time.Hour), PaymentWindow: 10 * time.Minute,
			Items: []sale.Item{{SKU: l.sku, Price: money.Of(999, "GBP"), Allocation: s.units}},
		}
		if name == "limited" {
			terms.Limit = 1
		}
		made, err := l.app.sales.Create(ctx, terms)
		noError(t, err)
		l.sales[name] = made.ID
		for _, to := range s.moves {
			if to == sale.Live {
				l.opened(made.ID)
				continue
			}
			_, err := l.app.sales.Move(ctx, made.ID, to, "test")
			noError(t, err)
		}
	}
	page, err := l.app.reader.Product(ctx, l.product)
	noError(t, err)
	l.etag = page.ETag
	l.settle()
}

// opened waits until the clock has opened a sale.
func (l *lanes) opened(s id.Sale) {
	l.t.Helper()
	await.Equal(l.t, "the sale opens", sale.Live, func() sale.Status {
		got, err := l.app.sales.Sale(l.t.Context(), s)
		noError(l.t, err)
		return got.Status
	})
}

// settle waits until the gate and the sale cache agree with the database, so that both lanes are asked the same shop.
func (l *lanes) settle() {
	l.t.Helper()
	await.Until(l.t, "the gate follows", func() bool {
		left, loaded := l.app.gate.Available(inventory.Pool{Sale: l.sales["live"], SKU: l.sku})
		short, _ := l.app.gate.Available(inventory.Pool{Sale: l.sales["short"], SKU: l.sku})
		paused, err := l.app.sales.Published(l.t.Context(), l.sales["paused"])
		return loaded && left == 50 && short == 1 && err == nil && paused.Status == sale.Paused
	})
}

func (l *lanes) token(customer id.Customer) string {
	l.t.Helper()
	token, _, err := l.tokens.SignTest(customer, time.Hour)
	noError(l.t, err)
	return token
}

// ask is a request as a row of a table. Zero values are those of a good order of one unit.
type ask struct {
	do    string // method and target
	sale  string // the status of the sale to buy in, unless do is set
	as    id.Customer
	head  []string // lines of headers, besides those that an order needs
	drop  string   // headers that are not sent, such as "Authorization Content-Type"
	body  string
	key   string
	chunk bool // the body goes in chunks
}

// raw writes the request as it goes over the wire.
func (l *lanes) raw(a ask) []byte {
	target := a.do
	if target == "" {
		target = fmt.Sprintf("POST /v1/sales/%s/orders", l.sales[or(a.sale, "live")])
	}
	if a.body == "" && strings.HasPrefix(target, "POST") {
		a.body = l.units(1)
	}
	if a.as == 0 {
		a.as = 7
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s HTTP/1.1\r\nHost: shop.test\r\n", target)
	for _, line := range []string{
		"Authorization: Bearer " + l.token(a.as), "Idempotency-Key: " + or(a.key, "key"), "Content-Type: application/json",
	} {
		name, _, _ := strings.Cut(line, ":")
		if strings.HasPrefix(target, "POST") && !strings.Contains(a.drop, name) {
			b.WriteString(line + "\r\n")
		}
	}
	for _, line := range a.head {
		b.WriteString(line + "\r\n")
	}
	switch {
	case a.chunk:
		b.WriteString("Transfer-Encoding: chunked\r\n\r\n")
		for rest := a.body; rest != ""; {
			n := min(len(rest), 1000)
			fmt.Fprintf(&b, "%x\r\n%s\r\n", n, rest[:n])
			rest = rest[n:]
		}
		b.WriteString("0\r\n\r\n")
	case a.body != "":
		fmt.Fprintf(&b, "Content-Length: %d\r\n\r\n%s", len(a.body), a.body)
	default:
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

func or(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}

func (l *lanes) units(n int) string {
	return fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":%d}]}`, l.sku, n)
}

// said is what the lanes are compared by.
type said struct {
	Status int
	Body   string
	Header map[string]string
}

// compared are the headers that matter; of X-Request-Id only that it is there.
var compared = []string{
	"Content-Type", "Cache-Control", "ETag", "Idempotent-Replayed", "Retry-After", "WWW-Authenticate", "Allow",
	"X-Content-Type-Options", "Location", "Server", "Content-Encoding",
}

// send sends bytes to a lane and returns its answer.
func (l *lanes) send(lane int, method string, raw []byte) said {
	l.t.Helper()
	c, err := net.Dial("tcp", l.at[lane])
	noError(l.t, err)
	defer func() { _ = c.Close() }()
	noError(l.t, c.SetDeadline(time.Now().Add(await.Max)))
	_, _ = c.Write(raw) // a lane may answer and close before it has read all
	r := bufio.NewReader(c)
	answer, err := http.ReadResponse(r, &http.Request{Method: method})
	if err == nil && answer.StatusCode == http.StatusContinue {
		answer, err = http.ReadResponse(r, &http.Request{Method: method})
	}
	if err != nil {
		l.t.Fatalf("%s: %v", laneNames[lane], err)
	}
	body, err := io.ReadAll(answer.Body)
	// Who has not read a request to its end and closes resets the connection: then what was read is the answer.
	if err != nil && !(answer.Close && errors.Is(err, syscall.ECONNRESET)) {
		l.t.Fatalf("%s: %v", laneNames[lane], err)
	}
	s := said{answer.StatusCode, string(body), map[string]string{}}
	for _, name := range compared {
		if v := answer.Header.Values(name); len(v) > 0 {
			s.Header[name] = strings.Join(v, " | ")
		}
	}
	if answer.Header.Get("X-Request-Id") == "" && strings.HasPrefix(answer.Header.Get("Content-Type"), "application/") {
		l.t.Errorf("%s: no X-Request-Id", laneNames[lane])
	}
	return s
}

var (
	requestIDs = regexp.MustCompile(`"request_id":"[0-9a-f]{16}"`)
	orderIDs   = regexp.MustCompile(`^\{"id":"[0-9]+"`)
	tickets    = regexp.MustCompile(`"ticket":"[^"]+"`)
)

// both asks both lanes, the express lane second, and compares. It returns what the main lane said.
func (l *lanes) both(t *testing.T, first, second ask) said {
	t.Helper()
	method, _, _ := strings.Cut(or(first.do, "POST"), " ")
	got := [2]said{l.send(0, method, l.raw(first)), l.send(1, method, l.raw(second))}
	for i := range got {
		got[i].Body = requestIDs.ReplaceAllString(got[i].Body, `"request_id":"?"`)
	}
	a, b := got[0], got[1]
	if first.as != second.as || first.key != second.key {
		for _, one := range []*said{&a, &b} {
			one.Body = tickets.ReplaceAllString(orderIDs.ReplaceAllString(one.Body, `{"id":"?"`), `"ticket":"?"`)
		}
	}
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("main (-) and express (+):\n%s", diff)
	}
	return got[0]
}
