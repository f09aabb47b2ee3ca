package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/store"
	"github.com/tidegate/tidegate/internal/webhook"
)

// Webhook checks what webhooks expect of the database.
func Webhook(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, c := range []struct {
		name  string
		check func(*testing.T, *store.Store)
	}{
		{"an endpoint is kept, paused once, resumed and deleted", endpointLives},
		{"a new secret keeps the one before it, and of two at once one is refused", secretsRotate},
		{"a delivery is kept once, is due in its time, settled once and tried again", deliveriesSettle},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

const (
	someEndpoint  id.Endpoint = 7
	otherEndpoint id.Endpoint = 8
)

// endpoint inserts an endpoint with the id.
func endpoint(t *testing.T, s *store.Store, e id.Endpoint) webhook.Endpoint {
	t.Helper()
	v := webhook.Endpoint{
		ID: e, URL: "https://shop.example/hook", Description: "the books", Types: []string{"order.paid.v1", "order.refunded.v1"},
		Secret: "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", Status: webhook.Active, CreatedAt: someTime,
	}
	must(t, s.InsertEndpoint(t.Context(), v))
	return v
}

func read(t *testing.T, s *store.Store, e id.Endpoint) webhook.Endpoint {
	t.Helper()
	v, err := s.Endpoint(t.Context(), e)
	must(t, err)
	return v
}

func notFound(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, fault.NotFound) {
		t.Errorf("%s of an endpoint that is not there: %v, want not found", what, err)
	}
}

func endpointLives(t *testing.T, s *store.Store) {
	want := endpoint(t, s, someEndpoint)
	endpoint(t, s, otherEndpoint)
	same(t, "the endpoint", read(t, s, someEndpoint), want)

	_, err := s.PauseEndpoint(t.Context(), someEndpoint, "too slow")
	must(t, err)
	paused, err := s.PauseEndpoint(t.Context(), someEndpoint, "another reason")
	must(t, err)
	want.Status, want.PausedReason = webhook.Paused, "too slow"
	same(t, "the paused endpoint", paused, want)
	resumed, err := s.ResumeEndpoint(t.Context(), someEndpoint, someTime)
	must(t, err)
	want.Status, want.PausedReason = webhook.Active, ""
	same(t, "the resumed endpoint", resumed, want)

	must(t, s.AddDeliveries(t.Context(), []webhook.Delivery{waiting(someEndpoint, 1, someTime)}))
	must(t, s.DeleteEndpoint(t.Context(), someEndpoint))
	notFound(t, "the deletion", s.DeleteEndpoint(t.Context(), someEndpoint))
	_, err = s.Endpoint(t.Context(), someEndpoint)
	notFound(t, "the reading", err)
	_, err = s.PauseEndpoint(t.Context(), someEndpoint, "gone")
	notFound(t, "the pause", err)
	_, err = s.ResumeEndpoint(t.Context(), someEndpoint, someTime)
	notFound(t, "the resumption", err)
	all, err := s.Deliveries(t.Context(), someEndpoint, "", 0, 10)
	must(t, err)
	if len(all) != 0 {
		t.Errorf("%d deliveries of a deleted endpoint are left", len(all))
	}
	listed, err := s.Endpoints(t.Context(), true)
	must(t, err)
	if len(listed) != 1 || listed[0].ID != otherEndpoint {
		t.Errorf("listed are %v, want the other endpoint alone", listed)
	}
}

func secretsRotate(t *testing.T, s *store.Store) {
	want := endpoint(t, s, someEndpoint)
	until := someTime.Add(24 * time.Hour)
	for _, secret := range []string{"whsec_second", "whsec_third"} {
		want.SecretBefore, want.SecretBeforeUntil, want.Secret = want.Secret, until, secret
		got, err := s.RotateEndpoint(t.Context(), someEndpoint, secret, until)
		must(t, err)
		same(t, "the endpoint with its new secret", got, want)
		until = until.Add(time.Hour)
	}
	_, err := s.RotateEndpoint(t.Context(), otherEndpoint, "whsec_x", until)
	notFound(t, "a new secret", err)

	ends := make(chan error)
	for _, secret := range []string{"whsec_left", "whsec_right"} {
		go func() {
			_, err := s.RotateEndpoint(t.Context(), someEndpoint, secret, until)
			ends <- err
		}()
	}
	for range 2 {
		if err := <-ends; err != nil && !errors.Is(err, fault.Conflict) {
			t.Errorf("of two new secrets at once one ended with %v, want none or a conflict", err)
		}
	}
	if got := read(t, s, someEndpoint); got.Secret == "whsec_third" || got.SecretBefore == got.Secret || got.SecretBefore == "" {
		t.Errorf("after two new secrets at once the endpoint has %q, and %q before it", got.Secret, got.SecretBefore)
	}
}

func waiting(e id.Endpoint, position int64, due time.Time) webhook.Delivery {
	return webhook.Delivery{
		Endpoint: e, Position: position, Type: "order.paid.v1", Payload: []byte(`{"order":"1"}`), At: someTime, State: webhook.Waiting, DueAt: due,
	}
}

func deliveriesSettle(t *testing.T, s *store.Store) {
	e := endpoint(t, s, someEndpoint)
	now, later := someTime, someTime.Add(time.Minute)
	due := func(at time.Time) (positions []int64) {
		t.Helper()
		all, err := s.DueDeliveries(t.Context(), someEndpoint, at, 10)
		must(t, err)
		for _, d := range all {
			positions = append(positions, d.Position)
		}
		endpoints, err := s.DueEndpoints(t.Context(), at)
		must(t, err)
		if (len(endpoints) == 1) != (len(all) > 0) {
			t.Errorf("%d deliveries are due to %d endpoints", len(all), len(endpoints))
		}
		return positions
	}
	all := []webhook.Delivery{waiting(someEndpoint, 2, now), waiting(someEndpoint, 1, now), waiting(someEndpoint, 3, later)}
	must(t, s.AddDeliveries(t.Context(), all))
	must(t, s.AddDeliveries(t.Context(), all[:2]))
	same(t, "what is due", due(now), []int64{2, 1})
	same(t, "what is due later", due(later), []int64{2, 1, 3})
	same(t, "what was due before", due(now.Add(-time.Second)), []int64(nil))

	tried, err := s.DueDeliveries(t.Context(), someEndpoint, now, 10)
	must(t, err)
	tried[0].State, tried[0].Tries, tried[0].LastStatus, tried[0].SettledAt = webhook.Delivered, 1, 204, now
	tried[1].Tries, tried[1].LastStatus, tried[1].LastError, tried[1].DueAt = 1, 503, "unavailable", later
	e.DeliveredAt, e.FailingSince, e.LastError, e.Waiting = now, now, "unavailable", 2
	must(t, s.SettleDeliveries(t.Context(), e, tried))
	same(t, "the endpoint afterwards", read(t, s, someEndpoint), e)
	same(t, "what is due after it", due(now), []int64(nil))
	again := tried[0]
	again.State = webhook.Waiting
	must(t, s.SettleDeliveries(t.Context(), e, []webhook.Delivery{again}))
	same(t, "what is due after a second settlement", due(now), []int64(nil))
	delivered, err := s.Deliveries(t.Context(), someEndpoint, webhook.Delivered, 0, 10)
	must(t, err)
	same(t, "what was delivered", delivered, tried[:1])

	must(t, s.RetryDelivery(t.Context(), someEndpoint, tried[0].Number, now))
	same(t, "what is due once it is to be tried again", due(now), []int64{2})
	notFound(t, "the repetition of a delivery", s.RetryDelivery(t.Context(), otherEndpoint, tried[0].Number, now))
	_, err = s.PauseEndpoint(t.Context(), someEndpoint, "enough")
	must(t, err)
	endpoints, err := s.DueEndpoints(t.Context(), later)
	must(t, err)
	if len(endpoints) != 0 {
		t.Errorf("a paused endpoint is due")
	}
	e.Status, e.PausedReason = webhook.Active, ""
	must(t, s.SettleDeliveries(t.Context(), e, nil))
	if got := read(t, s, someEndpoint); got.Status != webhook.Paused {
		t.Errorf("a settlement made a paused endpoint %s", got.Status)
	}
}
