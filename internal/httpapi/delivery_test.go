package httpapi_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/httpapi"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// redelivered is a bus that remembers what it was handed.
type redelivered struct {
	messages []delivery.Message
	err      error
}

// Redeliver implements delivery.Bus.
func (r *redelivered) Redeliver(_ context.Context, topic, group string, m delivery.Message) error {
	if r.err == nil && topic == "events" && group == "webhook" {
		r.messages = append(r.messages, m)
	}
	return r.err
}

func TestDeadLetterRoutes(t *testing.T) {
	s := newShop(t)
	bus := &redelivered{}
	s.parts.DeadLetters = delivery.NewService(s.Store, bus)
	s.server = must(httpapi.New(s.parts))(t)
	at := s.Clock.Now()
	for i, group := range []string{"webhook", "webhook", "notify"} {
		check(t, s.Store.AddDeadLetters(t.Context(), []delivery.DeadLetter{{
			Topic: "events", Group: group, Tries: 10, Reason: "it broke\nand where", DiedAt: at.Add(time.Minute),
			Message: delivery.Message{ID: int64(100 + i), Key: "7", Type: "order.paid.v1", Payload: []byte(`{"id":"7"}`), At: at},
		}}))
	}
	type letter struct {
		Number  int64
		Group   string `json:"consumer_group"`
		Message int64  `json:"message_id"`
		Reason  string `json:"last_error"`
		Payload struct{ ID string }
	}
	var list struct {
		Items []letter
		Next  string `json:"next_cursor"`
	}
	s.do(t, call{as: "all", do: "GET /v1/admin/dead-letters?consumer_group=webhook&limit=1"}).is(200, 0, "").in(&list)
	if len(list.Items) != 1 || list.Items[0].Message != 100 || list.Items[0].Reason != "it broke" || list.Next == "" {
		t.Fatalf("%+v", list)
	}
	first := list.Items[0].Number
	s.do(t, call{as: "all", do: "GET /v1/admin/dead-letters?consumer_group=webhook&limit=1&cursor=" + list.Next}).is(200, 0, "").in(&list)
	if len(list.Items) != 1 || list.Items[0].Message != 101 {
		t.Fatalf("%+v", list)
	}
	var one letter
	s.do(t, call{as: "all", do: "GET /v1/admin/dead-letters/1"}).is(200, 0, "").in(&one)
	if one.Number != first || one.Reason != "it broke\nand where" || one.Payload.ID != "7" {
		t.Errorf("%+v", one)
	}

	bus.err = errors.New("the broker is away")
	s.do(t, call{as: "all", do: "POST /v1/admin/dead-letters/1/replay"}).is(503, fault.Overloaded, "")
	bus.err = nil
	s.do(t, call{as: "all", do: "POST /v1/admin/dead-letters/1/replay"}).is(204, 0, "")
	if len(bus.messages) != 1 || bus.messages[0].ID != 100 || string(bus.messages[0].Payload) != `{"id":"7"}` {
		t.Errorf("redelivered: %+v", bus.messages)
	}
	s.do(t, call{as: "all", do: "POST /v1/admin/dead-letters/1/replay"}).is(404, fault.NotFound, "")
	s.do(t, call{as: "all", do: "DELETE /v1/admin/dead-letters/2"}).is(204, 0, "")
	s.do(t, call{as: "all", do: "DELETE /v1/admin/dead-letters/2"}).is(404, fault.NotFound, "")
	s.do(t, call{as: "all", do: "GET /v1/admin/dead-letters/0"}).is(422, fault.Invalid, "number")
	s.do(t, call{as: "all", do: "GET /v1/admin/dead-letters/x"}).is(422, fault.Invalid, "number")
	s.do(t, call{as: "orders", do: "GET /v1/admin/dead-letters"}).is(403, fault.Forbidden, "")
	s.do(t, call{as: "orders", do: "POST /v1/admin/dead-letters/3/replay"}).is(403, fault.Forbidden, "")
	s.do(t, call{as: "orders", do: "DELETE /v1/admin/dead-letters/3"}).is(403, fault.Forbidden, "")
	s.do(t, call{do: "GET /v1/admin/dead-letters/3"}).is(401, fault.Unauthenticated, "")
}
