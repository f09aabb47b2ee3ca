package httpapi

import (
	"net/http"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

// appendSale appends a sale as it stands by the clock, with what the gate has left.
func (s *Server) appendSale(b []byte, sl *sale.Sale) []byte {
	return sl.AppendJSON(b, s.Clock.Now(), s.Levels)
}

// GetSale implements api.ServerInterface.
func (s *Server) GetSale(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	found, err := s.Sales.Published(r.Context(), saleID)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	x := w.(*exchange)
	x.Header()["Cache-Control"] = noStore // what is left changes with every order
	x.answerJSON(http.StatusOK, s.appendSale(x.buffer[:0], found))
}

// ListSales implements api.ServerInterface.
func (s *Server) ListSales(w http.ResponseWriter, _ *http.Request) {
	w.Header()["Cache-Control"] = noStore
	s.answerSales(w, s.Sales.Open(), "")
}

func (s *Server) answerSales(w http.ResponseWriter, sales []*sale.Sale, next string) {
	x := w.(*exchange)
	b := append(x.buffer[:0], `{"items":[`...)
	for i, sl := range sales {
		if i > 0 {
			b = append(b, ',')
		}
		b = s.appendSale(b, sl)
	}
	b = append(b, ']')
	if next != "" {
		b = append(b, `,"next_cursor":"`+next+`"`...)
	}
	x.answerJSON(http.StatusOK, append(b, '}'))
}

// AdminListSales implements api.ServerInterface.
func (s *Server) AdminListSales(w http.ResponseWriter, r *http.Request, params api.AdminListSalesParams) {
	limit, before, err := pageOf[id.Sale](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Sales.List(r.Context(), before, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(sl **sale.Sale) id.Sale { return (*sl).ID })
	s.answerSales(w, items, next)
}

// answerSale answers an operator with a sale, or with why not.
func (s *Server) answerSale(w http.ResponseWriter, r *http.Request, status int, sl *sale.Sale, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	x := w.(*exchange)
	x.Header().Set("ETag", versionTag(sl.Version))
	x.answerJSON(status, s.appendSale(x.buffer[:0], sl))
}

// AdminGetSale implements api.ServerInterface.
func (s *Server) AdminGetSale(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	found, err := s.Sales.Sale(r.Context(), saleID)
	s.answerSale(w, r, http.StatusOK, found, err)
}

// readTerms reads the terms of a sale.
func (s *Server) readTerms(w http.ResponseWriter, r *http.Request) (sale.Sale, error) {
	var in api.SaleInput
	if err := s.read(w, r, &in); err != nil {
		return sale.Sale{}, err
	}
	window := s.PaymentWindow()
	if in.PaymentWindowSeconds != 0 {
		if in.PaymentWindowSeconds < 0 || in.PaymentWindowSeconds > int64(sale.PaymentMax/time.Second) {
			return sale.Sale{}, fault.Bad("payment_window_seconds", "It must be from %.0f to %.0f.", sale.PaymentMin.Seconds(), sale.PaymentMax.Seconds())
		}
		window = time.Duration(in.PaymentWindowSeconds) * time.Second
	}
	terms := sale.Sale{Title: in.Title, StartsAt: in.StartsAt.Time, EndsAt: in.EndsAt.Time, Limit: in.LimitPerCustomer, PaymentWindow: window, ShowsLeft: sale.Shows(in.StockDisplay)}
	for _, it := range in.Items {
		terms.Items = append(terms.Items, sale.Item{SKU: it.SkuId, Price: it.Price, Allocation: it.Allocation})
	}
	return terms, nil
}

// CreateSale implements api.ServerInterface.
func (s *Server) CreateSale(w http.ResponseWriter, r *http.Request) {
	terms, err := s.readTerms(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	made, err := s.Sales.Create(r.Context(), terms)
	s.answerSale(w, r, http.StatusCreated, made, err)
}

// ReplaceSale implements api.ServerInterface.
func (s *Server) ReplaceSale(w http.ResponseWriter, r *http.Request, saleID api.SalePath, params api.ReplaceSaleParams) {
	version, err := matchedVersion(params.IfMatch)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	terms, err := s.readTerms(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	terms.ID = saleID
	replaced, err := s.Sales.Replace(r.Context(), terms, version)
	s.answerSale(w, r, http.StatusOK, replaced, err)
}

// AmendSale implements api.ServerInterface.
func (s *Server) AmendSale(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	var in api.SaleAmendment
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	if in.EndsAt == nil && in.LimitPerCustomer == nil {
		s.fail(w, r, fault.New(fault.Invalid, "Say what to change: limit_per_customer, ends_at or both."))
		return
	}
	change := sale.Change{Sale: saleID, Limit: in.LimitPerCustomer}
	if in.EndsAt != nil {
		change.EndsAt = &in.EndsAt.Time
	}
	changed, err := s.Sales.Change(r.Context(), change)
	s.answerSale(w, r, http.StatusOK, changed, err)
}

func (s *Server) moveSale(w http.ResponseWriter, r *http.Request, saleID id.Sale, to sale.Status) {
	moved, err := s.Sales.Move(r.Context(), saleID, to, admin(w).Name)
	s.answerSale(w, r, http.StatusOK, moved, err)
}

// ScheduleSale implements api.ServerInterface.
func (s *Server) ScheduleSale(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	s.moveSale(w, r, saleID, sale.Scheduled)
}

// PauseSale implements api.ServerInterface.
func (s *Server) PauseSale(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	s.moveSale(w, r, saleID, sale.Paused)
}

// ResumeSale implements api.ServerInterface.
func (s *Server) ResumeSale(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	s.moveSale(w, r, saleID, sale.Live)
}

// EndSale implements api.ServerInterface.
func (s *Server) EndSale(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	s.moveSale(w, r, saleID, sale.Ended)
}

// ChangeAllocation implements api.ServerInterface.
func (s *Server) ChangeAllocation(w http.ResponseWriter, r *http.Request, saleID api.SalePath) {
	var in api.AllocationInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	changed, err := s.Sales.Allocate(s.because(r, w.(*exchange), in.Reason), sale.Allocation{
		Sale: saleID, SKU: in.SkuId, Units: in.Quantity, Reason: in.Reason, Actor: admin(w).Name,
	})
	s.answerSale(w, r, http.StatusCreated, changed, err)
}

// StopSaleItem implements api.ServerInterface.
func (s *Server) StopSaleItem(w http.ResponseWriter, r *http.Request, saleID api.SalePath, sku api.SKUPath) {
	var in api.StopInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	after, err := s.Sales.StopItem(s.because(r, w.(*exchange), in.Reason), sale.Stop{Sale: saleID, SKU: sku, Reason: in.Reason, Actor: admin(w).Name})
	s.answerSale(w, r, http.StatusOK, after, err)
}
