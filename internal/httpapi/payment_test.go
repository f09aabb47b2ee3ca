package httpapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

type paymentView struct {
	ID        id.Attempt
	Order     id.Order `json:"order_id"`
	Status    string
	PayURL    string `json:"pay_url"`
	SettledAt string `json:"completed_at"`
}

type refundView struct {
	ID      id.Refund
	Payment id.Attempt `json:"payment_id"`
	Kind    string
	Status  string
	Restock bool
}

// order places one for a mug as ada, from stock that is received for it.
func (s *shop) order() id.Order {
	s.t.Helper()
	s.receive(mug, 1)
	var o struct{ ID id.Order }
	s.do(s.t, call{as: "ada", do: "POST /v1/orders", key: fmt.Sprint("o", s.Mint.Next()), body: one(mug)}).is(201, 0, "").in(&o)
	return o.ID
}

func (s *shop) pay(o id.Order) paymentView {
	s.t.Helper()
	var p paymentView
	s.do(s.t, call{as: "ada", do: "POST /v1/orders/" + o.String() + "/payments"}).is(201, 0, "").in(&p)
	return p
}

func (s *shop) statusOf(o id.Order) string {
	s.t.Helper()
	var got struct{ Status string }
	s.do(s.t, call{as: "ada", do: "GET /v1/orders/" + o.String()}).is(200, 0, "").in(&got)
	return got.Status
}

// cashier sends a form or a control to the sandbox, as a shopper's browser would.
func (s *shop) cashier(method, address, contentType, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, strings.TrimPrefix(address, s.public), strings.NewReader(body))
	r.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	s.sandbox.Handler().ServeHTTP(w, r)
	return w
}

func (s *shop) press(p paymentView, action string) int {
	return s.cashier("POST", p.PayURL, "application/x-www-form-urlencoded", "action="+action).Code
}

func (s *shop) control(p paymentView, body string) {
	s.t.Helper()
	if w := s.cashier("POST", p.PayURL+"/control", "application/json", body); w.Code != http.StatusNoContent {
		s.t.Fatalf("control %s: %d %s", body, w.Code, w.Body)
	}
}

// deliver sends what the sandbox has to say over real HTTP, and returns what the shop answered.
func (s *shop) deliver() (answers []int) {
	s.t.Helper()
	var mu sync.Mutex // deliveries come beside each other
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner := httptest.NewRecorder()
		s.server.ServeHTTP(inner, r)
		checkContract(s.t, r, answer{s.t, inner.Code, inner.Header(), inner.Body.Bytes()})
		mu.Lock()
		answers = append(answers, inner.Code)
		mu.Unlock()
		w.WriteHeader(inner.Code)
	}))
	defer listener.Close()
	was := s.public
	s.public = listener.URL
	defer func() { s.public = was }()
	for range 100 {
		did, err := s.sandbox.DeliverStep(s.t.Context())
		check(s.t, err)
		if did == 0 {
			return answers
		}
	}
	s.t.Fatal("the sandbox does not stop talking")
	return nil
}

func TestPayments(t *testing.T) {
	s := newShop(t)
	o := s.order()
	first := s.pay(o)
	if again := s.pay(o); first.Status != "open" || !strings.HasPrefix(first.PayURL, "http://shop.test/sandbox/pay/") || again != first {
		t.Errorf("started twice: %+v, %+v", first, again)
	}
	if got := s.press(first, "decline"); got != http.StatusSeeOther {
		t.Errorf("decline: %d", got)
	}
	if got := s.deliver(); len(got) != 1 || got[0] != http.StatusNoContent {
		t.Errorf("the shop was told: %v", got)
	}
	second := s.pay(o)
	s.press(second, "pay")
	s.press(second, "pay") // pressed twice, paid once
	if got := s.deliver(); len(got) != 1 || s.statusOf(o) != "paid" {
		t.Errorf("the shop was told: %v, the order is %s", got, s.statusOf(o))
	}
	var list struct{ Items []paymentView }
	s.do(t, call{as: "ada", do: "GET /v1/orders/" + o.String() + "/payments"}).is(200, 0, "").in(&list)
	if len(list.Items) != 2 || list.Items[0].ID != second.ID || list.Items[0].Status != "paid" || list.Items[1].Status != "failed" || list.Items[0].SettledAt == "" {
		t.Errorf("the attempts: %+v", list.Items)
	}
	s.do(t, call{as: "ada", do: "POST /v1/orders/" + o.String() + "/payments"}).is(409, fault.OrderClosed, "")
	s.do(t, call{as: "ada", do: "POST /v1/orders/" + o.String() + "/cancel"}).is(409, fault.BadTransition, "")
}

// TestAFreeOrder: it is paid at once and refunded at once, and the sandbox hears of neither.
func TestAFreeOrder(t *testing.T) {
	s := newShop(t)
	sl := s.draftAt(0, 1, 1, mug)
	s.do(t, call{as: "sales", do: fmt.Sprintf("POST /v1/admin/sales/%s/schedule", sl)}).is(200, 0, "")
	s.Follow()
	var o struct{ ID id.Order }
	s.do(t, call{as: "ada", do: fmt.Sprintf("POST /v1/sales/%s/orders", sl), key: "free", body: one(mug)}).is(201, 0, "").in(&o)
	first := s.pay(o.ID)
	if again := s.pay(o.ID); first.Status != "paid" || first.PayURL != "" || first.SettledAt == "" || again != first || s.statusOf(o.ID) != "paid" {
		t.Errorf("first %+v, again %+v, the order is %s", first, again, s.statusOf(o.ID))
	}
	if got := s.deliver(); len(got) != 0 {
		t.Errorf("the sandbox tells of it: %v", got)
	}
	var r refundView
	s.do(t, call{as: "payments", do: fmt.Sprintf("POST /v1/admin/orders/%s/refund", o.ID), body: `{"reason":"asked","restock":true}`}).is(201, 0, "").in(&r)
	if r.Status != "succeeded" || r.Payment != first.ID || s.statusOf(o.ID) != "refunded" {
		t.Errorf("the refund: %+v, the order is %s", r, s.statusOf(o.ID))
	}
}

// TestMisbehaviour is what the sandbox can be told to do wrong, and what the shop makes of it.
func TestMisbehaviour(t *testing.T) {
	for name, tt := range map[string]struct {
		control string
		answers []int
		status  string
	}{
		"as it should be":      {`{"settle":"paid"}`, []int{204}, "paid"},
		"twice":                {`{"settle":"paid","notifications":[{},{}]}`, []int{204, 204}, "paid"},
		"out of order":         {`{"settle":"paid","notifications":[{},{"state":"declined"}]}`, []int{204, 204}, "paid"},
		"waits, then declined": {`{"settle":"declined","notifications":[{"state":"waiting"},{}]}`, []int{204, 204}, "pending"},
		"old":                  {`{"settle":"paid","notifications":[{"age_ms":301000}]}`, []int{401}, "pending"},
		"from the future":      {`{"settle":"paid","notifications":[{"age_ms":-301000}]}`, []int{401}, "pending"},
		"not so old":           {`{"settle":"paid","notifications":[{"age_ms":299000}]}`, []int{204}, "paid"},
		"forged":               {`{"settle":"paid","notifications":[{"forged":true}]}`, []int{401}, "pending"},
		"another amount":       {`{"settle":"paid","notifications":[{"minor":1}]}`, []int{422}, "pending"},
		"another currency":     {`{"settle":"paid","notifications":[{"currency":"EUR"}]}`, []int{422}, "pending"},
		"another order":        {`{"settle":"paid","notifications":[{"order_id":"1"}]}`, []int{422}, "pending"},
		"another attempt":      {`{"settle":"paid","notifications":[{"attempt_id":"1"}]}`, []int{404}, "pending"},
		"none":                 {`{"settle":"paid","notifications":[]}`, nil, "pending"},
		"later":                {`{"settle":"paid","notifications":[{"delay_ms":60000}]}`, nil, "pending"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			o := s.order()
			p := s.pay(o)
			s.control(p, tt.control)
			if diff := cmp.Diff(tt.answers, s.deliver()); diff != "" {
				t.Errorf("the shop's answers (-want +got):\n%s", diff)
			}
			if got := s.statusOf(o); got != tt.status {
				t.Errorf("the order is %s, want %s", got, tt.status)
			}
			s.Clock.Advance(time.Minute)
			s.deliver()
			s.settleDown()
			want := "paid" // for the provider has the money, however badly it said so
			if strings.Contains(tt.control, `"settle":"declined"`) {
				want = "expired"
			}
			if got := s.statusOf(o); got != want {
				t.Errorf("in the end the order is %s, want %s", got, want)
			}
			loud := strings.Contains(s.log.String(), "grade=P2")
			if refused := len(tt.answers) == 1 && (tt.answers[0] == 401 || tt.answers[0] == 422); loud != refused {
				t.Errorf("the log says %q", s.log.String())
			}
		})
	}
}

// settleDown lets the orders' time pass and runs the background steps to their end.
func (s *shop) settleDown() {
	s.t.Helper()
	s.Clock.Advance(15 * time.Minute)
	for range 10 {
		for _, step := range []func() (int, error){
			func() (int, error) { return s.payments.PollStep(s.t.Context()) },
			func() (int, error) { return s.payments.ExpireStep(s.t.Context()) },
			func() (int, error) { return s.payments.RefundStep(s.t.Context()) },
		} {
			_, err := step()
			check(s.t, err)
		}
	}
}

func TestRefunds(t *testing.T) {
	s := newShop(t)
	o := s.order()
	p := s.pay(o)
	at := "/v1/admin/orders/" + o.String() + "/refund"
	s.do(t, call{as: "payments", do: "POST " + at, body: `{"reason":"early"}`}).is(409, fault.BadTransition, "")
	s.press(p, "pay")
	s.deliver()
	var made, again refundView
	s.do(t, call{as: "payments", do: "POST " + at, body: `{"reason":"asked","restock":true}`}).is(201, 0, "").in(&made)
	s.do(t, call{as: "payments", do: "POST " + at, body: `{"reason":"asked"}`}).is(201, 0, "").in(&again)
	if (made != refundView{made.ID, p.ID, "order", "pending", true}) || again != made {
		t.Errorf("%+v, again %+v", made, again)
	}
	s.do(t, call{as: "orders", do: "POST /v1/admin/orders/" + o.String() + "/fulfil"}).is(409, fault.BadTransition, "")
	s.settleDown()
	if got := s.statusOf(o); got != "refunded" {
		t.Errorf("the order is %s", got)
	}

	late := s.order()
	p = s.pay(late)
	s.do(t, call{as: "ada", do: "POST /v1/orders/" + late.String() + "/cancel"}).is(200, 0, "")
	s.control(p, `{"settle":"paid"}`)
	s.deliver()
	type refunds struct {
		Items []refundView
		Next  string `json:"next_cursor"`
	}
	var pending, page, rest refunds
	s.do(t, call{as: "payments", do: "GET /v1/admin/refunds?status=pending"}).is(200, 0, "").in(&pending)
	if len(pending.Items) != 1 || pending.Items[0].Kind != "surplus" || pending.Items[0].Payment != p.ID {
		t.Errorf("pending: %+v", pending.Items)
	}
	s.settleDown()
	s.do(t, call{as: "payments", do: "GET /v1/admin/refunds?status=succeeded&limit=1"}).is(200, 0, "").in(&page)
	s.do(t, call{as: "payments", do: "GET /v1/admin/refunds?status=succeeded&limit=1&cursor=" + page.Next}).is(200, 0, "").in(&rest)
	if len(page.Items) != 1 || len(rest.Items) != 1 || rest.Items[0].ID != made.ID || rest.Next != "" {
		t.Errorf("done: %+v, then %+v", page, rest)
	}
}

func TestPaymentRefusals(t *testing.T) {
	s := newShop(t)
	o := s.order()
	pay, refund := "POST /v1/orders/"+o.String()+"/payments", "POST /v1/admin/orders/"+o.String()+"/refund"
	for _, tt := range []struct {
		name   string
		call   call
		status int
		code   fault.Code
		field  string
	}{
		{"nobody pays", call{do: pay}, 401, fault.Unauthenticated, ""},
		{"another's order", call{as: "bob", do: pay}, 404, fault.NotFound, ""},
		{"another's attempts", call{as: "bob", do: "GET /v1/orders/" + o.String() + "/payments"}, 404, fault.NotFound, ""},
		{"no such order", call{as: "ada", do: "POST /v1/orders/1/payments"}, 404, fault.NotFound, ""},
		{"no id", call{as: "ada", do: "POST /v1/orders/x/payments"}, 422, fault.Invalid, "id"},
		{"another provider", call{as: "ada", do: pay, body: `{"provider":"piggybank"}`}, 422, fault.Invalid, "provider"},
		{"an amount of one's own", call{as: "ada", do: pay, body: `{"amount":1}`}, 400, fault.BadRequest, "amount"},
		{"not JSON", call{as: "ada", do: pay, body: `x`, head: map[string]string{"Content-Type": "text/plain"}}, 415, fault.UnsupportedMedia, "Content-Type"},
		{"a notification of nobody", call{do: "POST /v1/payments/piggybank/notifications", body: `{}`}, 404, fault.NotFound, ""},
		{"a notification without a signature", call{do: "POST /v1/payments/sandbox/notifications", body: `{}`}, 401, fault.BadSignature, ""},
		{"a notification without end", call{do: "POST /v1/payments/sandbox/notifications", body: strings.Repeat(" ", 1<<17)}, 413, fault.BodyTooLarge, ""},
		{"a refund by the wrong desk", call{as: "orders", do: refund, body: `{"reason":"x"}`}, 403, fault.Forbidden, ""},
		{"a refund without a reason", call{as: "payments", do: refund, body: `{"reason":""}`}, 422, fault.Invalid, "reason"},
		{"a refund of a part", call{as: "payments", do: refund, body: `{"reason":"x","amount":1}`}, 400, fault.BadRequest, "amount"},
		{"a refund of nothing", call{as: "payments", do: "POST /v1/admin/orders/1/refund", body: `{"reason":"x"}`}, 404, fault.NotFound, ""},
		{"an unknown status", call{as: "payments", do: "GET /v1/admin/refunds?status=lost"}, 422, fault.Invalid, "status"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := s.state(t)
			s.do(t, tt.call).is(tt.status, tt.code, tt.field)
			if diff := cmp.Diff(before, s.state(t)); diff != "" {
				t.Errorf("a refusal changed something:\n%s", diff)
			}
		})
	}
}
