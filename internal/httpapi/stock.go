package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

func poolOf(p inventory.Stock) api.Pool {
	return api.Pool{SaleId: p.Sale, OnHand: p.OnHand, Reserved: p.Reserved, Sold: p.Sold, Available: p.Available()}
}

// GetStock implements api.ServerInterface.
func (s *Server) GetStock(w http.ResponseWriter, r *http.Request, sku api.SKUPath) {
	pools, err := s.Stock.Pools(r.Context(), sku)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	out := api.Stock{SkuId: sku, Pools: make([]api.Pool, 0, len(pools))}
	for _, p := range pools {
		out.Pools = append(out.Pools, poolOf(p))
	}
	s.answer(w, r, http.StatusOK, out)
}

// AdjustStock implements api.ServerInterface.
func (s *Server) AdjustStock(w http.ResponseWriter, r *http.Request, sku api.SKUPath, params api.AdjustStockParams) {
	var in api.AdjustmentInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	after, err := s.Stock.Adjust(s.because(r, w.(*exchange), in.Reason), inventory.Adjustment{
		SKU: sku, Kind: inventory.Kind(in.Kind), Units: in.Quantity, Reason: in.Reason, Actor: admin(w).Name, Key: params.IdempotencyKey,
	})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, poolOf(after))
}

// ListMovements implements api.ServerInterface.
func (s *Server) ListMovements(w http.ResponseWriter, r *http.Request, sku api.SKUPath, params api.ListMovementsParams) {
	limit, before, err := pageOf[id.Movement](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.Stock.Movements(r.Context(), sku, before, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(m *inventory.Movement) id.Movement { return m.ID })
	out := api.MovementPage{Items: make([]api.Movement, 0, len(items)), NextCursor: next}
	for _, m := range items {
		d := m.Delta()
		out.Items = append(out.Items, api.Movement{
			Id: m.ID, Kind: api.MovementKind(m.Kind), SaleId: m.Pool.Sale, Quantity: m.Units, OnHand: d.OnHand, Reserved: d.Reserved,
			Sold: d.Sold, Actor: m.Actor, Reason: m.Reason, CreatedAt: api.At(m.At),
		})
	}
	s.answer(w, r, http.StatusOK, out)
}
