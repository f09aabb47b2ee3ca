package webhook

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Limits of an endpoint's registration.
const (
	endpointsMax        = 200
	urlBytesMax         = 2000
	descriptionRunesMax = 200
)

// Parts holds the dependencies of a Service.
type Parts struct {
	Store  Store
	Config Config
	Clock  clock.Clock
	Mint   *id.Mint
	Log    *slog.Logger
	// Types are all types of events.
	Types []string
	// Trust, if set, replaces the check of certificates, for tests.
	Trust *tls.Config
}

// Service registers endpoints, records their deliveries, and sends them. It is safe for concurrent use.
type Service struct {
	Parts
	encrypted, plain *http.Client
	turns            endpointQueue
}

// NewService returns a Service. DeliverStep sends the deliveries.
func NewService(p Parts) *Service {
	client := func(plain bool) *http.Client {
		g := addressGuard{allowed: p.Config.networks(), plain: plain}
		return &http.Client{Transport: newTransport(g, p.Config.Timeout, p.Trust), CheckRedirect: noRedirect}
	}
	return &Service{Parts: p, encrypted: client(false), plain: client(true), turns: endpointQueue{busy: map[id.Endpoint]bool{}, slow: map[id.Endpoint]bool{}, last: map[id.Endpoint]int{}}}
}

// Input is the registration of an endpoint.
type Input struct {
	URL, Description string
	Types            []string
	Rehearsals       bool
	// Secret may be empty: then a new one is made.
	Secret string
}

// Create registers an endpoint and returns it with its secret, which no other call shows. It returns fault.Invalid, and
// fault.Conflict if there are too many.
func (s *Service) Create(ctx context.Context, in Input) (Endpoint, error) {
	e := Endpoint{
		ID: id.New[id.Endpoint](s.Mint), URL: in.URL, Description: in.Description, Types: in.Types, Rehearsals: in.Rehearsals, Secret: in.Secret,
		Status: Active, CreatedAt: s.Clock.Now().UTC().Truncate(time.Millisecond),
	}
	if e.Secret == "" {
		e.Secret = newSecret()
	}
	if err := s.check(&e); err != nil {
		return e, err
	}
	all, err := s.Store.Endpoints(ctx, false)
	if err != nil {
		return e, err
	}
	if len(all) >= endpointsMax {
		return e, fault.New(fault.Conflict, "There are %d endpoints already; delete one first.", endpointsMax)
	}
	return e, s.Store.InsertEndpoint(auditlog.About(ctx, e.ID.String()), e)
}

// check returns a fault.Invalid for the first invalid field of an endpoint, and normalises its description and secret.
func (s *Service) check(e *Endpoint) (err error) {
	if e.Description, err = text.Clean("description", e.Description, text.Line, 0, descriptionRunesMax); err != nil {
		return err
	}
	if err := text.CheckAddress("url", e.URL, urlBytesMax); err != nil {
		return err
	}
	to, err := url.Parse(e.URL)
	switch {
	case err != nil || to.Host == "" || to.Scheme != "https" && to.Scheme != "http":
		return fault.Bad("url", "It must be an address such as https://example.com/hooks.")
	case to.User != nil || to.Fragment != "":
		return fault.Bad("url", "It must not hold a password or a fragment.")
	case to.Scheme == "http" && len(s.Config.AllowNetworks) == 0:
		return fault.Bad("url", "It must be https: anyone on the network can read http.")
	case len(e.Types) == 0:
		return fault.Bad("event_types", "Name at least one event type, or %s for all.", AllTypes)
	}
	for i, t := range e.Types {
		if t != AllTypes && !slices.Contains(s.Types, t) || slices.Contains(e.Types[:i], t) {
			return fault.Bad("event_types", "%q is not an event type, or is listed twice; the types are %s, and %s for all.", t, strings.Join(s.Types, ", "), AllTypes)
		}
	}
	key, err := secretKey(e.Secret)
	e.Secret = secretText(key) // the given base64 may contain line breaks
	return err
}

// Endpoints lists every endpoint, oldest first, with its number of waiting deliveries.
func (s *Service) Endpoints(ctx context.Context) ([]Endpoint, error) {
	return s.Store.Endpoints(ctx, true)
}

// Endpoint returns an endpoint. It returns fault.NotFound.
func (s *Service) Endpoint(ctx context.Context, e id.Endpoint) (Endpoint, error) {
	return s.Store.Endpoint(ctx, e)
}

// Delete deletes an endpoint and its waiting deliveries. It returns fault.NotFound.
func (s *Service) Delete(ctx context.Context, e id.Endpoint) error {
	return s.Store.DeleteEndpoint(ctx, e)
}

// Pause stops deliveries to an endpoint until it is resumed, and stores the reason. A paused endpoint stays as it is. A
// running request continues. It returns fault.NotFound.
func (s *Service) Pause(ctx context.Context, e id.Endpoint, why string) (Endpoint, error) {
	return s.Store.PauseEndpoint(ctx, e, why)
}

// Resume resumes a paused endpoint, beginning with the waiting deliveries. It returns fault.NotFound.
func (s *Service) Resume(ctx context.Context, e id.Endpoint) (Endpoint, error) {
	defer s.turns.added()
	return s.Store.ResumeEndpoint(ctx, e, s.Clock.Now())
}

// Rotate gives an endpoint a new secret and returns it, which no other call does. For a day the previous secret signs
// too, so that receivers have time to change; an earlier one no longer signs. It returns fault.NotFound.
func (s *Service) Rotate(ctx context.Context, e id.Endpoint) (Endpoint, error) {
	return s.Store.RotateEndpoint(ctx, e, newSecret(), s.Clock.Now().Add(secretOverlap))
}

// Deliveries lists up to limit deliveries of an endpoint, newest first. It returns fault.NotFound.
func (s *Service) Deliveries(ctx context.Context, e id.Endpoint, state State, before int64, limit int) ([]Delivery, error) {
	if _, err := s.Store.Endpoint(ctx, e); err != nil {
		return nil, err
	}
	return s.Store.Deliveries(ctx, e, state, before, limit)
}

// Retry makes a delivery due again, as new, under its id. It returns fault.NotFound.
func (s *Service) Retry(ctx context.Context, e id.Endpoint, number int64) error {
	defer s.turns.added()
	return s.Store.RetryDelivery(ctx, e, number, s.Clock.Now())
}

// SubscribedTypes returns the types of events that at least one endpoint wants.
func (s *Service) SubscribedTypes(ctx context.Context) ([]string, error) {
	all, err := s.Store.Endpoints(ctx, false)
	if err != nil {
		return nil, err
	}
	var wanted []string
	for i := range all {
		for _, t := range all[i].Types {
			if t == AllTypes {
				return s.Types, nil
			}
			if !slices.Contains(wanted, t) {
				wanted = append(wanted, t)
			}
		}
	}
	return wanted, nil
}

// Apply records the deliveries of events in one transaction, one for each endpoint and event.
func (s *Service) Apply(ctx context.Context, events []event.Event) error {
	endpoints, err := s.Store.Endpoints(ctx, false)
	if err != nil {
		return err
	}
	now := s.Clock.Now()
	var all []Delivery
	for n := range events {
		for i := range endpoints {
			if endpoints[i].Subscribes(&events[n]) {
				all = append(all, newDelivery(events[n], endpoints[i].ID, now))
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	defer s.turns.added()
	return s.Store.AddDeliveries(ctx, all)
}

// settledKept is how long settled deliveries are kept. It is longer than any bus keeps an event, so a repeated event is
// recognised.
const settledKept = 31 * 24 * time.Hour

// cleanMax bounds one step of cleaning.
const cleanMax = 1000

// CleanStep deletes deliveries that were settled long ago, and returns their number.
func (s *Service) CleanStep(ctx context.Context) (int, error) {
	return s.Store.CleanDeliveries(ctx, s.Clock.Now().Add(-settledKept), cleanMax)
}

// endpointQueue decides which endpoint is next. One worker at a time serves an endpoint, the one served longest ago
// comes first, and failing or slow endpoints get at most half of the workers.
type endpointQueue struct {
	mu   sync.Mutex
	busy map[id.Endpoint]bool
	slow map[id.Endpoint]bool
	last map[id.Endpoint]int
	turn int
	none time.Time // when a worker last found nothing to do; zero if something was added since
}

// lookEvery is how long all workers pause after one has found nothing, because each look is a query.
const lookEvery = 250 * time.Millisecond

// mayBeDue reports whether it is time to look.
func (t *endpointQueue) mayBeDue(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	since := now.Sub(t.none)
	return t.none.IsZero() || since < 0 || since >= lookEvery
}

func (t *endpointQueue) noneDue(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.none = now
}

// added says that a new delivery may be due.
func (t *endpointQueue) added() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.none = time.Time{}
}

// take returns the next due endpoint for a worker.
func (t *endpointQueue) take(due []Endpoint, workers int) (Endpoint, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slow := 0
	for e := range t.busy {
		if t.slow[e] {
			slow++
		}
	}
	best := -1
	for i := range due {
		e := &due[i]
		if t.busy[e.ID] || slow >= workers/2 && (t.slow[e.ID] || !e.FailingSince.IsZero()) {
			continue
		}
		if best < 0 || t.last[e.ID] < t.last[due[best].ID] {
			best = i
		}
	}
	if best < 0 {
		return Endpoint{}, false
	}
	e := due[best]
	t.turn++
	t.busy[e.ID], t.last[e.ID] = true, t.turn
	t.slow[e.ID] = t.slow[e.ID] || !e.FailingSince.IsZero()
	return e, true
}

// release ends a worker's turn.
func (t *endpointQueue) release(e id.Endpoint, slow bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.busy, e)
	delete(t.slow, e)
	t.none = time.Time{}
	if slow {
		t.slow[e] = true
	}
}
