package httpapi

import (
	"net/http"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/wire"
)

func viewRehearsal(r *rehearsal.Rehearsal) api.Rehearsal {
	return api.Rehearsal{
		SaleId: r.Sale, Title: r.Title, Skus: r.SKUs, Quantity: r.Units, Price: r.Price, LimitPerCustomer: r.Limit,
		PaymentWindowSeconds: int64(r.Payment / time.Second), StartsAt: api.At(r.StartsAt), EndsAt: api.At(r.EndsAt),
		Shoppers: r.Shoppers, FirstCustomerId: r.First, CreatedAt: api.At(r.CreatedAt),
	}
}

// CreateRehearsal implements api.ServerInterface.
func (s *Server) CreateRehearsal(w http.ResponseWriter, r *http.Request) {
	var in api.RehearsalInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	const secondsMax = 366 * 24 * 3600 // beyond it the duration would overflow; the sale's own rule is far below
	if in.PaymentWindowSeconds < 0 || in.PaymentWindowSeconds > secondsMax {
		s.fail(w, r, fault.Bad("payment_window_seconds", "It is out of range."))
		return
	}
	made, err := s.Rehearsals.Create(r.Context(), rehearsal.Input{
		Title: in.Title, SKUs: in.Skus, Units: in.Quantity, PriceMinor: in.PriceMinor, Limit: in.LimitPerCustomer,
		Payment: time.Duration(in.PaymentWindowSeconds) * time.Second, StartsAt: in.StartsAt.Time, Minutes: in.DurationMinutes, Shoppers: in.Shoppers,
	}, admin(w).Name)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	view := viewRehearsal(&made.Rehearsal)
	view.ProductIds, view.SkuIds = made.Products, made.Items
	s.answer(w, r, http.StatusCreated, view)
}

// ListRehearsals implements api.ServerInterface.
func (s *Server) ListRehearsals(w http.ResponseWriter, r *http.Request, params api.ListRehearsalsParams) {
	limit, before, err := pageOf[id.Sale](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Rehearsals.List(r.Context(), before, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(one *rehearsal.Rehearsal) id.Sale { return one.Sale })
	answer := api.RehearsalPage{Items: make([]api.Rehearsal, len(items)), NextCursor: next}
	for i := range items {
		answer.Items[i] = viewRehearsal(&items[i])
	}
	s.answer(w, r, http.StatusOK, answer)
}

// MintRehearsalTokens implements api.ServerInterface.
func (s *Server) MintRehearsalTokens(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	var in api.RehearsalTokensInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	tokens, expires, err := s.Rehearsals.MintTokens(r.Context(), saleID, in.First, in.Count)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, api.RehearsalTokens{ExpiresAt: api.At(expires), Tokens: tokens})
}

// StreamRehearsalOrders implements api.ServerInterface. A page of orders is in memory at a time.
func (s *Server) StreamRehearsalOrders(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	x := w.(*exchange)
	begun := false
	begin := func() {
		if !begun {
			begun = true
			x.Header().Set("Content-Type", wire.TypeLines)
		}
	}
	err := s.Rehearsals.Orders(r.Context(), saleID, func(page []rehearsal.KeyedOrder) error {
		begin()
		b := x.buffer[:0]
		for i := range page {
			b = append(b, `{"order":`...)
			b = page[i].Order.AppendJSON(b, true)
			b = wire.AppendText(append(b, `,"key":`...), page[i].Key)
			b = append(b, '}', '\n')
		}
		x.buffer = b
		_, err := x.Write(b)
		return err
	})
	if err != nil {
		s.fail(w, r, err) // once the answer has begun, its missing last line says that it broke off
		return
	}
	begin()
	_, _ = x.Write([]byte("{\"end\":true}\n")) // a client that has left is not told
}
