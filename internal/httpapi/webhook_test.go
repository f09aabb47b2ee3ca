package httpapi_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/points"
	"github.com/tidegate/tidegate/internal/webhook"
)

func TestWebhookRoutes(t *testing.T) {
	s := newShop(t)
	config := webhook.DefaultConfig()
	config.AllowNetworks = []string{"127.0.0.0/8"}
	hooks := webhook.NewService(webhook.Parts{Store: s.Store, Config: config, Clock: s.Clock, Mint: s.Mint, Log: s.parts.Log, Types: []string{"order.paid.v1"}})
	s.parts.Webhooks = hooks
	s.server = must(httpapi.New(s.parts))(t)
	status := http.StatusGone
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(status)
	}))
	t.Cleanup(receiver.Close)

	var made struct{ ID, Secret, Status string }
	created := s.do(t, call{as: "all", do: "POST /v1/admin/webhooks", body: `{"url":"` + receiver.URL + `","event_types":["order.paid.v1"],"description":"Warehouse"}`}).is(201, 0, "")
	created.in(&made)
	if !strings.HasPrefix(made.Secret, "whsec_") || made.Status != "active" {
		t.Fatalf("%s", created.body)
	}
	path := "/v1/admin/webhooks/" + made.ID
	for _, do := range []string{"GET /v1/admin/webhooks", "GET " + path} {
		if a := s.do(t, call{as: "all", do: do}).is(200, 0, ""); strings.Contains(string(a.body), made.Secret) || !strings.Contains(string(a.body), "Warehouse") {
			t.Errorf("%s: %s", do, a.body)
		}
	}
	if err := hooks.Apply(t.Context(), []event.Event{{Position: 5, Type: "order.paid.v1", Subject: 7, Payload: []byte(`{}`), At: s.Clock.Now()}}); err != nil {
		t.Fatal(err)
	}
	if _, err := hooks.DeliverStep(t.Context()); err != nil {
		t.Fatal(err)
	}
	type delivery struct {
		Number    int64
		MessageID string `json:"message_id"`
		State     string
		Status    int `json:"last_response_status"`
	}
	var list struct{ Items []delivery }
	s.do(t, call{as: "all", do: "GET " + path + "/deliveries?status=pending"}).is(200, 0, "").in(&list)
	if len(list.Items) != 1 || list.Items[0].MessageID != "evt_5" || list.Items[0].Status != http.StatusGone {
		t.Fatalf("%+v", list)
	}
	if a := s.do(t, call{as: "all", do: "GET " + path}); !strings.Contains(string(a.body), `"status":"paused"`) {
		t.Errorf("an endpoint that is gone: %s", a.body)
	}
	status = http.StatusOK
	if a := s.do(t, call{as: "all", do: "POST " + path + "/resume"}).is(200, 0, ""); !strings.Contains(string(a.body), `"status":"active"`) {
		t.Errorf("a resumed endpoint: %s", a.body)
	}
	if a := s.do(t, call{as: "all", do: "POST " + path + "/pause"}).is(200, 0, ""); !strings.Contains(string(a.body), `"paused_reason":"An operator paused it."`) {
		t.Errorf("an endpoint that was paused: %s", a.body)
	}
	s.do(t, call{as: "all", do: "POST " + path + "/resume"}).is(200, 0, "")
	first := made.Secret
	s.do(t, call{as: "all", do: "POST " + path + "/secret"}).is(200, 0, "").in(&made)
	if a := s.do(t, call{as: "all", do: "GET " + path}).is(200, 0, ""); made.Secret == first || !strings.HasPrefix(made.Secret, "whsec_") || strings.Contains(string(a.body), "whsec_") {
		t.Errorf("a new secret after %s: %+v, and read: %s", first, made, a.body)
	}
	s.do(t, call{as: "all", do: "POST " + path + "/deliveries/1/retry"}).is(204, 0, "")
	if n, err := hooks.DeliverStep(t.Context()); n != 1 || err != nil {
		t.Errorf("%d tried, %v", n, err)
	}
	s.do(t, call{as: "all", do: "GET " + path + "/deliveries?status=delivered&limit=1"}).is(200, 0, "").in(&list)
	if len(list.Items) != 1 {
		t.Errorf("%+v", list)
	}
	for _, c := range []struct {
		as, do, body, field string
		status              int
		code                fault.Code
	}{
		{"all", "POST /v1/admin/webhooks", `{"url":"gopher://x","event_types":["*"]}`, "url", 422, fault.Invalid},
		{"all", "POST /v1/admin/webhooks", `{"url":"https://x.example","event_types":["order.lost.v1"]}`, "event_types", 422, fault.Invalid},
		{"all", "POST /v1/admin/webhooks", `{"url":"https://x.example","event_types":["*"],"secret":"short"}`, "secret", 422, fault.Invalid},
		{"all", "POST /v1/admin/webhooks", `{"url":"https://x.example","kinds":[]}`, "kinds", 400, fault.BadRequest},
		{"all", "GET " + path + "/deliveries?status=lost", "", "status", 422, fault.Invalid},
		{"all", "POST " + path + "/deliveries/99/retry", "", "", 404, fault.NotFound},
		{"all", "POST " + path + "/deliveries/0/retry", "", "number", 422, fault.Invalid},
		{"all", "GET /v1/admin/webhooks/1", "", "", 404, fault.NotFound},
		{"all", "GET /v1/admin/webhooks/1/deliveries", "", "", 404, fault.NotFound},
		{"all", "POST /v1/admin/webhooks/1/resume", "", "", 404, fault.NotFound},
		{"all", "POST /v1/admin/webhooks/1/pause", "", "", 404, fault.NotFound},
		{"all", "POST /v1/admin/webhooks/1/secret", "", "", 404, fault.NotFound},
		{"all", "DELETE /v1/admin/webhooks/1", "", "", 404, fault.NotFound},
		{"all", "GET /v1/admin/webhooks/x", "", "id", 422, fault.Invalid},
		{"sales", "GET /v1/admin/webhooks", "", "", 403, fault.Forbidden},
		{"sales", "POST /v1/admin/webhooks", `{}`, "", 403, fault.Forbidden},
		{"sales", "DELETE " + path, "", "", 403, fault.Forbidden},
		{"sales", "POST " + path + "/deliveries/1/retry", "", "", 403, fault.Forbidden},
	} {
		s.do(t, call{as: c.as, do: c.do, body: c.body}).is(c.status, c.code, c.field)
	}
	s.do(t, call{as: "all", do: "DELETE " + path}).is(204, 0, "")
	s.do(t, call{as: "all", do: "GET " + path}).is(404, fault.NotFound, "")
}

func TestPointsRoute(t *testing.T) {
	s := newShop(t)
	module := points.NewService(s.Store, points.DefaultConfig())
	s.parts.Points = module
	s.server = must(httpapi.New(s.parts))(t)
	told := func(kind, order string, position int64) event.Event {
		return event.Event{
			Position: position, Type: kind, Subject: 7, At: s.Clock.Now().Add(time.Duration(position) * time.Second),
			Payload: []byte(`{"id":"` + order + `","customer_id":"1001","total":{"minor":1299,"currency":"GBP"}}`),
		}
	}
	all := []event.Event{told("order.paid.v1", "71", 1), told("order.paid.v1", "72", 2), told("order.refunded.v1", "71", 3)}
	for range 2 {
		if err := module.Apply(t.Context(), all); err != nil {
			t.Fatal(err)
		}
	}
	type row struct {
		Order  string `json:"order_id"`
		Earned int64
		Taken  int64 `json:"reversed"`
	}
	var got struct {
		Points int64 `json:"balance"`
		Orders []row
		Next   string `json:"next_cursor"`
	}
	s.do(t, call{as: "ada", do: "GET /v1/points?limit=1"}).is(200, 0, "").in(&got)
	if got.Points != 12 || !slices.Equal(got.Orders, []row{{"72", 12, 0}}) || got.Next == "" {
		t.Errorf("%+v", got)
	}
	s.do(t, call{as: "ada", do: "GET /v1/points?cursor=" + got.Next}).is(200, 0, "").in(&got)
	if !slices.Equal(got.Orders, []row{{"71", 12, 12}}) {
		t.Errorf("%+v", got)
	}
	s.do(t, call{as: "bob", do: "GET /v1/points"}).is(200, 0, "").in(&got)
	if got.Points != 0 || len(got.Orders) != 0 {
		t.Errorf("bob has %+v", got)
	}
	s.do(t, call{do: "GET /v1/points"}).is(401, fault.Unauthenticated, "")
	s.do(t, call{as: "ada", do: "GET /v1/points?limit=0"}).is(422, fault.Invalid, "limit")
	if err := module.Apply(t.Context(), []event.Event{{Type: "order.paid.v1", Payload: []byte(`{}`)}}); fault.CodeOf(err) != fault.Invalid {
		t.Errorf("an event without an order: %v", err)
	}
}
