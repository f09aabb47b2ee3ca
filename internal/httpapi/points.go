package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/points"
)

// GetPoints implements api.ServerInterface.
func (s *Server) GetPoints(w http.ResponseWriter, r *http.Request, params api.GetPointsParams) {
	limit, before, err := pageOf[id.Order](w, r, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	b, err := s.Points.Points(r.Context(), principal(w).Customer, before, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	orders, next := page(w, r, b.Orders, limit, func(o *points.OrderPoints) id.Order { return o.Order })
	answer := api.Points{Balance: b.Points, Orders: make([]api.PointsOfOrder, len(orders)), NextCursor: next}
	for i, o := range orders {
		answer.Orders[i] = api.PointsOfOrder{OrderId: o.Order, Earned: o.Earned, Reversed: o.TakenBack, UpdatedAt: api.At(o.At)}
	}
	s.answer(w, r, http.StatusOK, answer)
}
