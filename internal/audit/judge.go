package audit

import (
	"cmp"
	"encoding/json"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
)

// judge says, of each order of the portion, whether what was read fits its status.
func (p *orderRange) judge() {
	for i := range p.orders {
		s := &p.orders[i]
		if !s.broken {
			p.judgeHold(s)
		}
		p.judgePath(s)
		p.judgeMoney(s)
	}
}

// sells reports whether an order of this status has sold its units.
func sells(s order.Status) bool {
	return s == order.Paid || s == order.Fulfilled || s == order.Refunded
}

// judgeHold checks an order's own movements: it is held once, and again if a late payment was honoured; each hold
// ends once, by a sale or by a release. If the first hold is in the row of its commit, judgePool checks it;
// orders from before such rows have one of their own. A second hold always has.
func (p *orderRange) judgeHold(s *orderState) {
	p.saw(i6, 1)
	st := s.row.is()
	holds, ends := uint64(0), uint64(0)
	switch {
	case st == order.Expired || st == order.Cancelled:
		ends = 1
	case sells(st) && s.moves[released] == s.lines:
		holds, ends = 1, 1 // expired, and honoured late
	}
	if own := s.moves[reserved] - holds*s.lines; own != 0 && own != s.lines {
		p.violated(i2, orderSubject(s.id), "its lines are %d units, the ledger reserved %s", s.units, s.amount(reserved, holds))
	}
	if s.moves[released] != ends*s.lines {
		p.violated(i6, orderSubject(s.id), "it is %s and holds %d units: the ledger released %s, and should have released %d", st, s.units, s.amount(released, ends), int64(s.units)*int64(ends))
	}
	sales := uint64(0)
	if sells(st) {
		sales = 1
	}
	if s.moves[sold] != sales*s.lines {
		p.violated(i6, orderSubject(s.id), "it is %s: the ledger sold %s, and should have sold %d", st, s.amount(sold, sales), int64(s.units)*int64(sales))
	}
	switch {
	case s.moves[returned] == 0:
	case st != order.Refunded:
		p.violated(i6, orderSubject(s.id), "it is %s, and %d units of it came back", st, s.moved[returned])
	case s.moves[returned] != s.general:
		p.violated(i6, orderSubject(s.id), "of its %d units %s came back to general stock", s.units, s.amount(returned, 1))
	}
}

// amount says how many units were moved where so many times the order's were due, and that they are of other SKUs or pools where the number alone would be right.
func (s *orderState) amount(kind int, times uint64) string {
	moved := int64(s.moved[kind])
	text := strconv.FormatInt(moved, 10)
	if moved == int64(s.units)*int64(times) {
		text += " of another SKU or pool"
	}
	return text
}

// judgePath checks that the last event matches the row's status.
func (p *orderRange) judgePath(s *orderState) {
	if p.firstEvent > 1 && s.at == 0 {
		return // its events may have been trimmed: noted once, for the shop
	}
	if !s.placed && p.firstEvent <= 1 {
		p.violated(i2, orderSubject(s.id), "it was never announced as placed")
	}
	if s.at != 0 && s.at != s.row && !s.strayed {
		p.violated(i9, orderSubject(s.id), "its row is %s, its last event said %s", s.row.is(), s.at.is())
	}
}

// eventOrder is order.placed.v1 as it is read.
type eventOrder struct {
	ID         id.Order     `json:"id"`
	SaleID     id.Sale      `json:"sale_id"`
	CustomerID id.Customer  `json:"customer_id"`
	Status     order.Status `json:"status"`
	Lines      []struct {
		SKU       id.SKU     `json:"sku_id"`
		Quantity  int64      `json:"quantity"`
		Units     int64      `json:"units"` // the name of quantity in events of earlier versions
		UnitPrice eventMoney `json:"unit_price"`
	} `json:"lines"`
	Quantity  int64      `json:"quantity"`
	Units     int64      `json:"units"` // as in Lines
	Total     eventMoney `json:"total"`
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt time.Time  `json:"expires_at"`
}

type eventMoney struct {
	Minor    int64          `json:"minor"`
	Currency money.Currency `json:"currency"`
}

// readEvent reads the order that an event tells of.
func readEvent(payload []byte) (order.Order, error) {
	var e eventOrder
	if err := json.Unmarshal(payload, &e); err != nil {
		return order.Order{}, err
	}
	o := order.Order{
		ID: e.ID, Sale: e.SaleID, Customer: e.CustomerID, Status: e.Status, Units: cmp.Or(e.Quantity, e.Units),
		Total:     money.Amount{Minor: e.Total.Minor, Currency: e.Total.Currency},
		CreatedAt: e.CreatedAt, ExpiresAt: e.ExpiresAt,
	}
	for _, l := range e.Lines {
		o.Lines = append(o.Lines, order.Line{SKU: l.SKU, Units: cmp.Or(l.Quantity, l.Units), UnitPrice: l.UnitPrice.Minor})
	}
	return o, nil
}
