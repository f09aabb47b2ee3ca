package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/wire"
)

// notificationBytesMax bounds a provider's notification: the largest in the field are a few kilobytes.
const notificationBytesMax = 64 << 10

// paymentStatuses is what a shopper is told of an attempt: whether it was recorded a moment before it was opened is ours.
var paymentStatuses = map[payment.Status]api.PaymentStatus{
	payment.Starting: api.PaymentStatusOpen, payment.Open: api.PaymentStatusOpen, payment.Succeeded: api.PaymentStatusPaid,
	payment.Failed: api.PaymentStatusFailed, payment.Closed: api.PaymentStatusClosed,
}

func viewPayment(a *payment.Attempt) api.Payment {
	view := api.Payment{
		Id: a.ID, OrderId: a.Order, Provider: a.Provider, Status: paymentStatuses[a.Status],
		Amount: a.Amount, CreatedAt: api.At(a.CreatedAt), ExpiresAt: api.At(a.ExpiresAt), CompletedAt: api.At(a.SettledAt),
	}
	if a.Status == payment.Open {
		view.PayUrl = a.PayURL
	}
	return view
}

// StartPayment implements api.ServerInterface. The body may be left out.
func (s *Server) StartPayment(w http.ResponseWriter, r *http.Request, o api.OrderPath) {
	var in api.PaymentRequest
	if err := s.readOptional(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	a, err := s.Payments.Start(r.Context(), principal(w).Customer, o, in.Provider)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, viewPayment(&a))
}

// readOptional decodes a JSON body into v, and leaves v alone where there is no body.
func (s *Server) readOptional(w http.ResponseWriter, r *http.Request, v any) error {
	x := w.(*exchange)
	b, err := x.bytes(r, wire.BodyBytesMax)
	if err != nil || len(b) == 0 {
		return err
	}
	if err := wire.CheckJSONType(r.Header.Get("Content-Type")); err != nil {
		return err
	}
	return wire.Decode(b, v)
}

// ListPayments implements api.ServerInterface.
func (s *Server) ListPayments(w http.ResponseWriter, r *http.Request, o api.OrderPath) {
	found, err := s.Payments.Attempts(r.Context(), principal(w).Customer, o)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	answer := api.PaymentPage{Items: make([]api.Payment, len(found))}
	for i := range found {
		answer.Items[i] = viewPayment(&found[i])
	}
	s.answer(w, r, http.StatusOK, answer)
}

// ReceiveNotification implements api.ServerInterface. Who sends it is proven by its signature over the bytes as they came.
func (s *Server) ReceiveNotification(w http.ResponseWriter, r *http.Request, provider api.ProviderPath) {
	body, err := w.(*exchange).bytes(r, notificationBytesMax)
	if err == nil {
		err = s.Payments.Notify(r.Context(), provider, r.Header, body)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// refundStatuses are the words of the contract for a refund's statuses.
var refundStatuses = map[api.RefundStatus]payment.RefundStatus{
	api.RefundStatusPending: payment.Requested, api.RefundStatusSucceeded: payment.Refunded, api.RefundStatusFailed: payment.RefundFailed,
}

func viewRefund(one *payment.Refund) api.Refund {
	view := api.Refund{
		Id: one.ID, OrderId: one.Order, PaymentId: one.Attempt, Provider: one.Provider, Kind: api.RefundKind(one.Kind), Amount: one.Amount,
		Restock: one.Restock, Reason: one.Reason, FailureReason: one.Refusal, CreatedAt: api.At(one.CreatedAt), CompletedAt: api.At(one.SettledAt),
	}
	for word, status := range refundStatuses {
		if status == one.Status {
			view.Status = word
		}
	}
	return view
}

// RefundOrder implements api.ServerInterface.
func (s *Server) RefundOrder(w http.ResponseWriter, r *http.Request, o api.OrderPath) {
	var in api.RefundInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	refund, err := s.Payments.Refund(s.because(r, w.(*exchange), in.Reason), payment.RefundRequest{Order: o, Reason: in.Reason, Restock: in.Restock, Actor: admin(w).Name})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, viewRefund(&refund))
}

// ListRefunds implements api.ServerInterface.
func (s *Server) ListRefunds(w http.ResponseWriter, r *http.Request, params api.ListRefundsParams) {
	limit, before, err := pageOf[id.Refund](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	status, known := refundStatuses[params.Status]
	if params.Status != "" && !known {
		s.fail(w, r, fault.Bad("status", "It must be pending, succeeded or failed."))
		return
	}
	found, err := s.Payments.Refunds(r.Context(), payment.RefundFilter{Status: status, Before: before, Limit: limit + 1})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(one *payment.Refund) id.Refund { return one.ID })
	answer := api.RefundPage{Items: make([]api.Refund, len(items)), NextCursor: next}
	for i := range items {
		answer.Items[i] = viewRefund(&items[i])
	}
	s.answer(w, r, http.StatusOK, answer)
}
