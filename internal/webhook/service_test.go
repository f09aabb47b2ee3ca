package webhook_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/shoptest"
	"github.com/tidegate/tidegate/internal/webhook"
)

// shop is the module over a real store, with a clock that tests move.
type shop struct {
	*webhook.Service
	*shoptest.Shop
	t *testing.T
}

func newShop(t *testing.T, change ...func(*webhook.Parts)) *shop {
	t.Helper()
	s := shoptest.Open(t, time.Now().UTC().Truncate(time.Second)) // the library refuses old signatures
	p := webhook.Parts{
		Store: s.Store, Config: webhook.DefaultConfig(), Clock: s.Clock, Mint: s.Mint, Log: slog.New(slog.DiscardHandler),
		Types: []string{"order.paid.v1", "order.placed.v1"},
	}
	p.Config.AllowNetworks = []string{"127.0.0.0/8"}
	for _, f := range change {
		f(&p)
	}
	return &shop{webhook.NewService(p), s, t}
}

func check(t *testing.T, err error) {
	t.Helper()
	shoptest.Check(t, err)
}

func (s *shop) register(url string, types ...string) webhook.Endpoint {
	s.t.Helper()
	if types == nil {
		types = []string{webhook.AllTypes}
	}
	e, err := s.Create(s.t.Context(), webhook.Input{URL: url, Types: types})
	check(s.t, err)
	return e
}

func paid(position int64) event.Event {
	return event.Event{Position: position, Type: "order.paid.v1", Subject: 7, Payload: []byte(`{"id":"7"}`), At: time.Unix(1_800_000_000, 0)}
}

// deliver runs the workers until nothing is due.
func (s *shop) deliver() {
	s.t.Helper()
	for {
		n, err := s.DeliverStep(s.t.Context())
		check(s.t, err)
		if n == 0 {
			return
		}
	}
}

func (s *shop) read(e webhook.Endpoint) webhook.Endpoint {
	s.t.Helper()
	found, err := s.Endpoint(s.t.Context(), e.ID)
	check(s.t, err)
	return found
}

// receiver is an endpoint that checks signatures with the published library.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	check *standardwebhooks.Webhook
	// anyTime accepts signatures of any time.
	anyTime bool
	ids     []string
	bodies  []string
	wrong   []error
	status  int
	header  http.Header
}

func newReceiver(t *testing.T, serve func(http.Handler) *httptest.Server) *receiver {
	r := &receiver{status: http.StatusNoContent, header: http.Header{}}
	r.Server = serve(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body, err := io.ReadAll(request.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.check == nil || err != nil:
	case r.anyTime:
		err = r.check.VerifyIgnoringTimestamp(body, request.Header)
	default:
		err = r.check.Verify(body, request.Header)
	}
	if err != nil {
		r.wrong = append(r.wrong, err)
	}
	r.ids = append(r.ids, request.Header.Get("webhook-id"))
	r.bodies = append(r.bodies, string(body))
	for name, values := range r.header {
		w.Header()[name] = values
	}
	w.WriteHeader(r.status)
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) got() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

// TestDelivery: deliveries follow Standard Webhooks, over TLS, and a repeated event is delivered once.
func TestDelivery(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, httptest.NewTLSServer)
	trust := x509.NewCertPool()
	trust.AddCert(r.Certificate())
	s := newShop(t, func(p *webhook.Parts) { p.Trust = &tls.Config{RootCAs: trust} })
	e := s.register(r.URL, "order.paid.v1")
	var err error
	r.check, err = standardwebhooks.NewWebhook(e.Secret)
	check(t, err)
	placed := paid(11)
	placed.Type = "order.placed.v1"
	for range 2 { // delivered twice, applied once
		check(t, s.Apply(t.Context(), []event.Event{paid(10), placed}))
	}
	s.deliver()
	check(t, s.Apply(t.Context(), []event.Event{paid(10)})) // and again after it was delivered
	s.deliver()
	if got := r.got(); !slices.Equal(got, []string{"evt_10"}) || len(r.wrong) > 0 {
		t.Fatalf("told %v, refused %v", got, r.wrong)
	}
	var told struct {
		Type      string
		Timestamp time.Time
		Position  int64
		Data      struct{ ID string }
	}
	check(t, json.Unmarshal([]byte(r.bodies[0]), &told))
	if told.Type != "order.paid.v1" || !told.Timestamp.Equal(paid(10).At) || told.Position != 10 || told.Data.ID != "7" {
		t.Errorf("%+v", told)
	}
	if e = s.read(e); e.DeliveredAt.IsZero() || e.Waiting != 0 || e.Status != webhook.Active {
		t.Errorf("%+v", e)
	}
}

// TestRotation: for a day the new and the previous secret both verify, with the published library; then only the new
// one does. An earlier one does not, and an unknown endpoint is not rotated.
func TestRotation(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, httptest.NewTLSServer)
	trust := x509.NewCertPool()
	trust.AddCert(r.Certificate())
	s := newShop(t, func(p *webhook.Parts) { p.Trust = &tls.Config{RootCAs: trust} })
	e := s.register(r.URL, "order.paid.v1")
	secrets := []string{e.Secret}
	position := int64(20)
	holds := func(when string, which ...bool) {
		t.Helper()
		for i, want := range which {
			var err error
			r.check, err = standardwebhooks.NewWebhook(secrets[i])
			check(t, err)
			position++
			before := len(r.wrong)
			check(t, s.Apply(t.Context(), []event.Event{paid(position)}))
			s.deliver()
			if got := len(r.wrong) == before; got != want {
				t.Errorf("%s secret %d checks: %v, not %v (%v)", when, i, got, want, r.wrong[before:])
			}
		}
	}
	holds("before,", true)
	for range 2 {
		rotated, err := s.Rotate(t.Context(), e.ID)
		check(t, err)
		secrets = append(secrets, rotated.Secret)
		if len(secrets) == 2 {
			holds("after the first,", true, true)
		}
	}
	if is := s.read(e); is.Secret != secrets[2] || is.SecretBefore != secrets[1] || is.Status != webhook.Active {
		t.Errorf("%+v", is)
	}
	holds("after the second,", false, true, true)
	if _, err := s.Rotate(t.Context(), 5); !errors.Is(err, fault.NotFound) {
		t.Errorf("rotating an endpoint that is not there: %v", err)
	}
	s.Clock.Advance(25 * time.Hour)
	r.anyTime = true // the library's clock is the machine's
	holds("a day later,", false, false, true)
}

// TestASecretWithLineBreaks: long base64 may have line breaks. The secret is stored in the usual form, and verifies.
func TestASecretWithLineBreaks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	text := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 64))
	e, err := s.Create(t.Context(), webhook.Input{URL: "https://shop.example/hook", Types: []string{webhook.AllTypes}, Secret: "whsec_" + text[:76] + "\r\n" + text[76:] + "\n"})
	check(t, err)
	if got := s.read(e); got.Secret != "whsec_"+text {
		t.Errorf("the secret is kept as %q", got.Secret)
	}
}

// TestRetries: every try has the same id, pauses grow over a day, then the endpoint is paused, shown as paused, and
// resumed.
func TestRetries(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	r := newReceiver(t, httptest.NewServer)
	r.answers(http.StatusInternalServerError)
	e := s.register(r.URL)
	check(t, s.Apply(t.Context(), []event.Event{paid(10)}))
	began := s.Clock.Now()
	var pauses []time.Duration
	for last := began; s.read(e).Status == webhook.Active; {
		before := len(r.got())
		s.deliver()
		if len(r.got()) > before {
			pauses = append(pauses, s.Clock.Now().Sub(last))
			last = s.Clock.Now()
		}
		s.Clock.Advance(time.Second)
		if all, err := s.Deliveries(t.Context(), e.ID, webhook.Waiting, 0, 10); err == nil && len(all) > 0 {
			s.Clock.Set(all[0].DueAt)
		}
	}
	if took := s.Clock.Now().Sub(began); took < 24*time.Hour || took > 30*time.Hour || len(pauses) < 8 || !slices.IsSorted(pauses) {
		t.Errorf("it was tried for %s, after %v", took, pauses)
	}
	ids := r.got()
	if slices.Sort(ids); ids[0] != "evt_10" || ids[len(ids)-1] != "evt_10" {
		t.Errorf("the ids are %v", ids)
	}
	e = s.read(e)
	if e.PausedReason == "" || e.FailingSince.IsZero() || !strings.Contains(e.LastError, "500") {
		t.Errorf("%+v", e)
	}
	// Events that come while it is paused wait.
	check(t, s.Apply(t.Context(), []event.Event{paid(11)}))
	s.deliver()
	if n := len(r.got()); n != len(ids) {
		t.Errorf("a paused endpoint was told something")
	}
	r.answers(http.StatusOK)
	e, err := s.Resume(t.Context(), e.ID)
	check(t, err)
	if e.Status != webhook.Active || !e.FailingSince.IsZero() {
		t.Errorf("%+v", e)
	}
	s.deliver()
	if got := r.got(); got[len(got)-1] != "evt_11" || s.read(e).Waiting != 0 {
		t.Errorf("after resuming it was told %v", got)
	}
	// An operator can pause an endpoint too: the first reason stays, and events wait.
	for _, why := range []string{"their release night", "again"} {
		paused, err := s.Pause(t.Context(), e.ID, why)
		check(t, err)
		if paused.Status != webhook.Paused || paused.PausedReason != "their release night" {
			t.Errorf("%+v", paused)
		}
	}
	told := len(r.got())
	check(t, s.Apply(t.Context(), []event.Event{paid(12)}))
	s.deliver()
	if n := len(r.got()); n != told || s.read(e).Waiting != 1 {
		t.Errorf("an endpoint that an operator has paused was told something")
	}
	_, err = s.Resume(t.Context(), e.ID)
	check(t, err)
	s.deliver()
	deed := auditlog.WithEntry(t.Context(), auditlog.Entry{ID: 1, At: s.Clock.Now(), Verb: "pauseWebhook", Subject: "5"})
	if _, err := s.Pause(deed, 5, ""); !errors.Is(err, fault.NotFound) {
		t.Errorf("pausing an endpoint that is not there: %v", err)
	}
	if log, err := s.Store.AuditLog(t.Context(), auditlog.Filter{Limit: 1}); err != nil || len(log) != 0 {
		t.Errorf("what was refused stands in the audit log: %+v, %v", log, err)
	}
	// A settled delivery can be retried, under its id.
	failed, err := s.Deliveries(t.Context(), e.ID, webhook.Delivered, 0, 10)
	check(t, err)
	check(t, s.Retry(t.Context(), e.ID, failed[0].Number))
	s.deliver()
	if got := r.got(); got[len(got)-1] != webhook.MessageID(failed[0].Position) {
		t.Errorf("tried again: %v", got)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	inside := newReceiver(t, httptest.NewServer)
	for _, c := range []struct {
		status int
		header http.Header
		paused bool
		says   string
		after  time.Duration
	}{
		{http.StatusGone, nil, true, "410", 0},
		{http.StatusFound, http.Header{"Location": {inside.URL}}, false, "redirects are not followed", 5 * time.Second},
		{http.StatusTooManyRequests, http.Header{"Retry-After": {"3600"}}, false, "429", time.Hour},
		{http.StatusServiceUnavailable, http.Header{"Retry-After": {"99999999"}}, false, "503", 11 * time.Hour},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			s := newShop(t)
			r := newReceiver(t, httptest.NewServer)
			r.status, r.header = c.status, c.header
			e := s.register(r.URL)
			check(t, s.Apply(t.Context(), []event.Event{paid(10)}))
			s.deliver()
			after := s.read(e)
			if (after.Status == webhook.Paused) != c.paused || !strings.Contains(after.LastError, c.says) {
				t.Errorf("%+v", after)
			}
			waits, err := s.Deliveries(t.Context(), e.ID, webhook.Waiting, 0, 10)
			check(t, err)
			if pause := waits[0].DueAt.Sub(s.Clock.Now()); c.after > 0 && pause != c.after {
				t.Errorf("the next try is in %s, want %s", pause, c.after)
			}
		})
	}
	if len(inside.got()) > 0 {
		t.Error("a redirect was followed")
	}
}

// TestInside: an internal address is refused when it is dialled, whatever its name.
func TestInside(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, httptest.NewTLSServer)
	trust := x509.NewCertPool()
	trust.AddCert(r.Certificate())
	s := newShop(t, func(p *webhook.Parts) { p.Config.AllowNetworks, p.Trust = nil, &tls.Config{RootCAs: trust} })
	named := strings.Replace(r.URL, "127.0.0.1", "localhost", 1)
	endpoints := []webhook.Endpoint{s.register(r.URL), s.register(named)}
	check(t, s.Apply(t.Context(), []event.Event{paid(10)}))
	s.deliver()
	for _, e := range endpoints {
		if e = s.read(e); !strings.Contains(e.LastError, "webhooks.allow_networks") {
			t.Errorf("%s: %q", e.URL, e.LastError)
		}
	}
	if len(r.got()) > 0 {
		t.Error("an address inside was told something")
	}
}

// TestSlowEndpoint: endpoints that hang do not delay others.
func TestSlowEndpoint(t *testing.T) {
	t.Parallel()
	s := newShop(t, func(p *webhook.Parts) { p.Config.Workers = 4 })
	release := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hanging.Close)
	t.Cleanup(func() { close(release) })
	good := newReceiver(t, httptest.NewServer)
	for range 2 { // the workers that may hang
		s.register(hanging.URL)
	}
	s.register(good.URL)
	for i := range int64(100) {
		check(t, s.Apply(t.Context(), []event.Event{paid(10 + i)}))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for ctx.Err() == nil {
				if n, err := s.DeliverStep(ctx); n == 0 || err != nil {
					time.Sleep(time.Millisecond)
				}
			}
		})
	}
	await.Equal(t, "the good endpoint is told of everything", 100, func() int { return len(good.got()) })
	cancel()
	working.Wait()
	// A request that the stop cut off does not count as a failure.
	all, err := s.Endpoints(t.Context())
	check(t, err)
	for _, e := range all {
		if !e.FailingSince.IsZero() && e.LastError != "no answer in time" {
			t.Errorf("%+v", e)
		}
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	for _, c := range []struct {
		in    webhook.Input
		field string
	}{
		{webhook.Input{URL: "https://example.com/x", Types: []string{"order.paid.v1"}}, ""},
		{webhook.Input{URL: "https://example.com/x", Types: []string{"*"}, Secret: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}, ""},
		{webhook.Input{URL: "ftp://example.com", Types: []string{"*"}}, "url"},
		{webhook.Input{URL: "example.com", Types: []string{"*"}}, "url"},
		{webhook.Input{URL: "https://user:pass@example.com", Types: []string{"*"}}, "url"},
		{webhook.Input{URL: "https://example.com/#x", Types: []string{"*"}}, "url"},
		{webhook.Input{URL: "https://example.com/" + strings.Repeat("x", 2000), Types: []string{"*"}}, "url"},
		{webhook.Input{URL: "https://example.com"}, "event_types"},
		{webhook.Input{URL: "https://example.com", Types: []string{"order.lost.v1"}}, "event_types"},
		{webhook.Input{URL: "https://example.com", Types: []string{"*", "*"}}, "event_types"},
		{webhook.Input{URL: "https://example.com", Types: []string{"*"}, Secret: "hunter2"}, "secret"},
		{webhook.Input{URL: "https://example.com", Types: []string{"*"}, Secret: "whsec_c2hvcnQ="}, "secret"},
		{webhook.Input{URL: "https://example.com", Types: []string{"*"}, Description: strings.Repeat("x", 201)}, "description"},
	} {
		_, err := s.Create(t.Context(), c.in)
		if got := ""; err != nil {
			got = fault.As(err).Field
			if got != c.field {
				t.Errorf("%+v: %v", c.in, err)
			}
		} else if c.field != "" {
			t.Errorf("%+v was taken", c.in)
		}
	}
	closed := newShop(t, func(p *webhook.Parts) { p.Config.AllowNetworks = nil })
	if _, err := closed.Create(t.Context(), webhook.Input{URL: "http://example.com", Types: []string{"*"}}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("http was taken: %v", err)
	}
}
