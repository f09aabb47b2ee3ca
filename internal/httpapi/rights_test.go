package httpapi_test

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/rehearsal"
)

// What follows answers for as long as it may: what ends it is the request's context alone.
type (
	// begun is sent to by each that has been asked.
	begun chan struct{}

	endlessOrders struct {
		httpapi.Orders
		begun
		ticket order.Ticket
	}
	endlessCatalogue struct {
		httpapi.Catalogue
		begun
	}
	endlessRehearsals struct {
		httpapi.Rehearsals
		begun
	}
	endlessAudit struct {
		httpapi.Auditor
		begun
	}
)

// hold says that it was asked, and waits for the end of the context.
func (b begun) hold(ctx context.Context) error {
	select {
	case b <- struct{}{}:
	default: // it was asked before
	}
	<-ctx.Done()
	return ctx.Err()
}

func (e *endlessOrders) Ticket(string) (order.Ticket, error) { return e.ticket, nil }

func (e *endlessOrders) Bind(ticket string, _ id.Session) string { return ticket }

func (e *endlessOrders) Follow(ctx context.Context, _ order.Ticket, wait time.Duration) (order.Placed, error) {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_ = e.hold(ctx)
	return order.Placed{Order: order.Order{ID: 77, Status: order.Queued}, Undecided: true, Ticket: "good"}, nil
}

func (e *endlessOrders) Get(ctx context.Context, _ id.Customer, _ id.Order, wait time.Duration) (order.Placed, error) {
	return e.Follow(ctx, e.ticket, wait)
}

func (endlessCatalogue) Currency() money.Currency { return "GBP" }

func (e endlessCatalogue) Import(ctx context.Context, _ catalog.Source, _ catalog.ImportOptions) (catalog.ImportReport, error) {
	return catalog.ImportReport{}, e.hold(ctx)
}

func (e endlessCatalogue) Export(ctx context.Context, _ func(*catalog.Product, string, [][]string) error) error {
	return e.hold(ctx)
}

func (e endlessRehearsals) Create(ctx context.Context, _ rehearsal.Input, _ string) (rehearsal.Created, error) {
	return rehearsal.Created{}, e.hold(ctx)
}

func (e endlessRehearsals) Orders(ctx context.Context, _ id.Sale, _ func([]rehearsal.KeyedOrder) error) error {
	return e.hold(ctx)
}

func (e endlessAudit) Run(ctx context.Context, _ audit.Progress) (audit.Report, error) {
	return audit.Report{}, e.hold(ctx)
}

func (e endlessAudit) Reconcile(ctx context.Context, _ bool, _ audit.Progress) (audit.RepairReport, error) {
	return audit.RepairReport{}, e.hold(ctx)
}

// rightsShop is two processes of a shop with one customer and one admin key: the first answers, at the second the right ends.
type rightsShop struct {
	*shop
	elsewhere *account.Service
	base      string
	grant     account.Grant
	key       account.Key
	bearers   map[string]string // by who asks
	asked     begun
	client    *http.Transport
}

const rightsPassword = "correct horse battery"

func newRightsShop(t *testing.T) *rightsShop {
	t.Helper()
	asked := make(begun, 1)
	orders := &endlessOrders{begun: asked}
	s := &rightsShop{asked: asked, shop: newShop(t, func(p *httpapi.Parts) {
		p.Orders, p.Catalogue, p.Rehearsals, p.Auditor = orders, endlessCatalogue{begun: asked}, endlessRehearsals{begun: asked}, endlessAudit{begun: asked}
	})}
	config := account.DefaultConfig()
	config.SessionsPerCustomerMax, config.PasswordMemoryKiB, config.PasswordPasses = 1, 64, 1
	s.elsewhere = must(account.NewService(config, s.Store, account.NewKeyring(), s.Clock, s.Mint))(t)
	check(t, s.elsewhere.Load(t.Context()))
	c := must(s.elsewhere.Register(t.Context(), account.Registration{Email: "eve@example.com", Password: rightsPassword}, netip.Addr{}))(t)
	s.grant = must(s.accounts.Login(t.Context(), c.Email, rightsPassword, netip.Addr{}, ""))(t)
	orders.ticket = order.Ticket{Order: 77, Customer: c.ID, Session: s.grant.Session, Queued: true, Expires: s.Clock.Now().Add(48 * time.Hour)}
	key, text, err := s.elsewhere.CreateKey(t.Context(), "the desk", []string{"all"})
	check(t, err)
	s.key, s.bearers = key, map[string]string{"customer": s.grant.Access, "admin": text}
	server := httptest.NewServer(s.server)
	t.Cleanup(server.Close)
	s.base, s.client = server.URL, &http.Transport{DisableKeepAlives: true}
	return s
}

// The files of imports: one that is there, and one whose end does not come.
const (
	wholeFile   = "text/csv"
	endlessFile = "text/csv; charset=utf-8"
	fileText    = "handle,title,status,sku,price\na,A,published,X,1\n"
)

// lasting are the requests whose answers last: every one that has no time limit or waits.
var lasting = []struct{ who, do, kind string }{
	{"customer", "GET /v1/orders/77?wait=30s", ""},
	{"customer", "GET /v1/orders/77?ticket=good&wait=30s", ""},
	{"ticket", "GET /v1/orders/77/events?ticket=good", ""},
	{"admin", "POST /v1/admin/products/import", wholeFile},
	{"admin", "POST /v1/admin/products/import", endlessFile},
	{"admin", "GET /v1/admin/products/export", ""},
	{"admin", "POST /v1/admin/rehearsals", "application/json"},
	{"admin", "GET /v1/admin/rehearsals/7/orders", ""},
	{"admin", "POST /v1/admin/audit", ""},
	{"admin", "POST /v1/admin/reconcile", "application/json"},
}

// ways are how the right to them ends, in another process.
var ways = []struct {
	who, name string
	end       func(t *testing.T, s *rightsShop)
}{
	{"customer", "signing out", func(t *testing.T, s *rightsShop) {
		check(t, s.elsewhere.Logout(t.Context(), account.Principal{Customer: s.grant.Customer, Session: s.grant.Session}))
	}},
	{"customer", "signing out everywhere", func(t *testing.T, s *rightsShop) {
		must(s.elsewhere.LogoutEverywhere(t.Context(), account.Principal{Customer: s.grant.Customer}))(t)
	}},
	{"customer", "an operator ends the session", func(t *testing.T, s *rightsShop) {
		check(t, s.elsewhere.EndSession(t.Context(), s.grant.Customer, s.grant.Session))
	}},
	{"customer", "an operator ends every session", func(t *testing.T, s *rightsShop) { must(s.elsewhere.EndSessions(t.Context(), s.grant.Customer))(t) }},
	{"customer", "a block", func(t *testing.T, s *rightsShop) { must(s.elsewhere.Block(t.Context(), s.grant.Customer))(t) }},
	{"customer", "a newer sign-in beyond the bound", func(t *testing.T, s *rightsShop) {
		must(s.elsewhere.Login(t.Context(), "eve@example.com", rightsPassword, netip.Addr{}, ""))(t)
	}},
	{"customer", "a stolen refresh token", func(t *testing.T, s *rightsShop) {
		next := must(s.accounts.Refresh(t.Context(), s.grant.Refresh))(t)
		must(s.accounts.Refresh(t.Context(), next.Refresh))(t)
		if _, err := s.accounts.Refresh(t.Context(), s.grant.Refresh); err == nil {
			t.Fatal("the stolen token is good")
		}
	}},
	{"token", "the access token runs out", func(_ *testing.T, s *rightsShop) { s.Clock.Advance(time.Hour) }},
	{"admin", "the key is revoked", func(t *testing.T, s *rightsShop) { must(s.elsewhere.RevokeKey(t.Context(), s.key.ID))(t) }},
	{"admin", "the key loses the role", func(t *testing.T, s *rightsShop) {
		s.spoil(t, "UPDATE admin_key SET roles = 'payments' WHERE id = "+s.key.ID.String())
	}},
}

// TestAnswersEndWithTheRightToThem holds each answer that lasts against each way in which its right ends in another process: the
// next step ends it, and nothing is said that could be taken for an outcome.
func TestAnswersEndWithTheRightToThem(t *testing.T) {
	t.Parallel()
	for _, way := range ways {
		t.Run(strings.ReplaceAll(way.name, " ", "_"), func(t *testing.T) {
			t.Parallel()
			s := newRightsShop(t)
			var open []*lastingAnswer
			for _, l := range lasting {
				if l.who == way.who || way.who == "customer" && l.who == "ticket" || way.who == "token" && l.who == "customer" {
					open = append(open, s.ask(t, l.who, l.do, l.kind))
					select {
					case <-s.asked:
					case <-open[len(open)-1].done:
						t.Fatalf("%s does not last: %d %s", l.do, open[len(open)-1].status, open[len(open)-1].text)
					}
				}
			}
			s.Clock.Advance(time.Second)
			must(s.accounts.RevocationStep(t.Context()))(t)
			for _, a := range open {
				if a.over() {
					t.Errorf("%s ended while its right was good: %s", a.do, a.text)
				}
			}
			way.end(t, s)
			s.Clock.Advance(time.Second) // for which a key is believed
			must(s.accounts.RevocationStep(t.Context()))(t)
			for _, a := range open {
				<-a.done
				if a.status != http.StatusUnauthorized && a.status != http.StatusForbidden && a.status != http.StatusOK {
					t.Errorf("%s was answered %d: %s", a.do, a.status, a.text)
				}
				if a.status != http.StatusOK && !strings.Contains(a.text, `"number":`) {
					t.Errorf("%s was answered no problem: %s", a.do, a.text)
				}
				for _, outcome := range []string{"event: refused", "event: decided", `"report"`, `"end":true`} {
					if strings.Contains(a.text, outcome) {
						t.Errorf("%s says of an outcome: %s", a.do, a.text)
					}
				}
				if again := s.ask(t, a.who, a.do, a.kind); again.wait() != http.StatusUnauthorized && again.status != http.StatusForbidden {
					t.Errorf("%s again: %d %s", a.do, again.status, again.text)
				}
			}
		})
	}
}

// TestACrowdOfRevocationsEndsNoStream: more sessions end than a process remembers, and the stream of one that has not goes on until it has.
func TestACrowdOfRevocationsEndsNoStream(t *testing.T) {
	t.Parallel()
	s := newRightsShop(t)
	config := account.DefaultConfig()
	config.RevocationsRememberedMax = 16
	forgetful := must(account.NewService(config, s.Store, account.NewKeyring(), s.Clock, s.Mint))(t)
	check(t, forgetful.Load(t.Context()))
	s.parts.Callers = forgetful
	server := httptest.NewServer(must(httpapi.New(s.parts))(t))
	t.Cleanup(server.Close)
	s.base = server.URL

	stream := s.ask(t, "ticket", "GET /v1/orders/77/events?ticket=good", "")
	goesOn := func() {
		t.Helper()
		for range 3 { // the first may have been on its way
			select {
			case <-s.asked:
			case <-stream.done:
				t.Fatalf("the stream ended while its session is open: %d %s", stream.status, stream.text)
			}
		}
	}
	goesOn()
	must(s.elsewhere.Register(t.Context(), account.Registration{Email: "mob@example.com", Password: rightsPassword}, netip.Addr{}))(t)
	for range 40 { // each ends the one before
		must(s.elsewhere.Login(t.Context(), "mob@example.com", rightsPassword, netip.Addr{}, ""))(t)
	}
	s.Clock.Advance(time.Second)
	must(forgetful.RevocationStep(t.Context()))(t)
	if err := forgetful.SessionEnded(s.grant.Session, s.Clock.Now().Add(-time.Second)); err == nil {
		t.Fatal("the process remembers them all")
	}
	goesOn()
	check(t, s.elsewhere.Logout(t.Context(), account.Principal{Customer: s.grant.Customer, Session: s.grant.Session}))
	must(forgetful.RevocationStep(t.Context()))(t)
	<-stream.done
}

// lastingAnswer is one that is being read.
type lastingAnswer struct {
	who, do, kind string
	status        int
	text          string
	done          chan struct{}
}

func (a *lastingAnswer) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

func (a *lastingAnswer) wait() int {
	<-a.done
	return a.status
}

// ask sends a request and reads the answer to its end.
func (s *rightsShop) ask(t *testing.T, who, do, kind string) *lastingAnswer {
	t.Helper()
	method, path, _ := strings.Cut(do, " ")
	var body io.Reader
	switch kind {
	case wholeFile:
		body = strings.NewReader(fileText)
	case endlessFile:
		file, more := io.Pipe()
		go func() {
			if _, err := io.WriteString(more, fileText); err == nil { // it is on its way
				select {
				case s.asked <- struct{}{}:
				default:
				}
			}
		}()
		t.Cleanup(func() { _ = more.Close() })
		body = file
	case "application/json":
		body = strings.NewReader(map[string]string{
			"/v1/admin/rehearsals": `{"skus":1,"quantity":1,"shoppers":1}`, "/v1/admin/reconcile": `{"apply":false}`,
		}[path])
	}
	r := must(http.NewRequestWithContext(t.Context(), method, s.base+path, body))(t)
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if bearer := s.bearers[who]; bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	a := &lastingAnswer{who: who, do: do, kind: kind, done: make(chan struct{})}
	go func() {
		defer close(a.done)
		answer, err := s.client.RoundTrip(r)
		if err != nil {
			a.text = err.Error()
			return
		}
		defer func() { _ = answer.Body.Close() }()
		text, _ := io.ReadAll(answer.Body) // one that breaks off is what is wanted
		a.status, a.text = answer.StatusCode, string(text)
	}()
	return a
}
