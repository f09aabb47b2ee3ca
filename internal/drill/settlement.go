package drill

import (
	"fmt"

	"github.com/tidegate/tidegate/api"
)

// Violations are what must be zero. Units or orders are counted, not kinds.
type Violations struct {
	// Oversold counts units that orders hold beyond what there was.
	Oversold int64 `json:"oversold"`
	// Lost counts orders answered with 201 that the shop cannot show.
	Lost int64 `json:"lost"`
	// Duplicated counts orders beyond the first of one key, and orders that nobody asked for.
	Duplicated int64 `json:"duplicated"`
	// OverLimit counts units that shoppers hold beyond the limit.
	OverLimit int64 `json:"over_limit"`
	// WrongPrice counts orders whose price, or whose total, is not the sale's.
	WrongPrice int64 `json:"wrong_price"`
	// Unanswered counts purchases that never got an answer.
	Unanswered int64 `json:"unanswered"`
	// Contradicted counts orders that are there though their shopper was refused, that are not what was asked for, that were
	// denied to a retry or given to another body, or that are not paid or cancelled though the shop said so.
	Contradicted int64 `json:"contradicted"`
}

// Sum is zero where nothing went wrong.
func (v Violations) Sum() int64 {
	return v.Oversold + v.Lost + v.Duplicated + v.OverLimit + v.WrongPrice + v.Unanswered + v.Contradicted
}

func (v Violations) plus(w Violations) Violations {
	return Violations{
		v.Oversold + w.Oversold, v.Lost + w.Lost, v.Duplicated + w.Duplicated, v.OverLimit + w.OverLimit,
		v.WrongPrice + w.WrongPrice, v.Unanswered + w.Unanswered, v.Contradicted + w.Contradicted,
	}
}

// examplesMax bounds the violations of each kind that are told one by one, in each sale.
const examplesMax = 5

// Settlement compares one sale's books with every order that the shop shows of it.
type Settlement struct {
	books *PurchaseLog
	skus  map[int64]int // index of a SKU id
	found []bool        // by purchase: an order was shown
	own   []bool        // by purchase: the very order that was answered was shown
	held  []int64       // units by shopper
	taken []int64       // units by SKU

	// unheard counts orders that are paid at the cashier and still pending in the shop.
	unheard int

	InDatabase int64
	// ByStatus counts the orders of each status.
	ByStatus   map[string]int64
	Violations Violations
	// Examples tells the first violations in words.
	Examples []string
}

func newSettlement(b *PurchaseLog) *Settlement {
	s := &Settlement{
		books: b, skus: map[int64]int{}, found: make([]bool, len(b.state)), own: make([]bool, len(b.state)),
		held: make([]int64, b.Shoppers), taken: make([]int64, len(b.Sale.SkuIds)), ByStatus: map[string]int64{},
	}
	for i, sku := range b.Sale.SkuIds {
		s.skus[int64(sku)] = i
	}
	return s
}

func (s *Settlement) violate(count *int64, by int64, format string, args ...any) {
	told := *count < examplesMax
	*count += by
	if told {
		s.Examples = append(s.Examples, fmt.Sprintf(format, args...))
	}
}

// add takes one order that the shop shows.
func (s *Settlement) add(o *api.Order, key string) {
	v, b := &s.Violations, s.books
	s.InDatabase++
	s.ByStatus[string(o.Status)]++
	shopper := int64(o.CustomerId) - int64(b.Sale.FirstCustomerId)
	known := shopper >= 0 && shopper < int64(b.Shoppers)
	s.checkPrice(o)
	if holds(o.Status) {
		for _, l := range o.Lines {
			if i, ok := s.skus[int64(l.SkuId)]; ok {
				s.taken[i] += l.Quantity
			}
		}
		if known {
			s.held[shopper] += o.Quantity
		}
	}
	purchase, ours := b.purchaseOf(key)
	if !known || !ours || int64(purchase/b.Keys) != shopper || b.Outcome(purchase) == NotSent {
		s.violate(&v.Duplicated, 1, "order %s (customer %s, key %s) is there and nobody asked for it", o.Id, o.CustomerId, key)
		return
	}
	if s.found[purchase] {
		s.violate(&v.Duplicated, 1, "order %s is a second one for the key %s of customer %s", o.Id, key, o.CustomerId)
	}
	s.found[purchase] = true
	if int64(o.Id) == b.order[purchase] {
		s.own[purchase] = true
	}
	s.checkAnswer(o, purchase)
}

// holds reports whether an order of the status has units: those of an expired or cancelled one went back. A refunded one
// keeps its allowance, and its units were the sale's to sell once.
func holds(status api.OrderStatus) bool {
	return status != api.OrderStatusExpired && status != api.OrderStatusCancelled
}

func (s *Settlement) checkPrice(o *api.Order) {
	price := s.books.Sale.Price
	total := int64(0)
	wrong := o.Total.Currency != price.Currency
	for _, l := range o.Lines {
		total += l.Quantity * price.Minor
		wrong = wrong || l.UnitPrice != price || l.Total.Minor != l.Quantity*price.Minor
	}
	if wrong || o.Total.Minor != total {
		s.violate(&s.Violations.WrongPrice, 1, "order %s has a total of %d %s and not of %d %s", o.Id, o.Total.Minor, o.Total.Currency, total, price.Currency)
	}
}

// checkAnswer compares an order with what its shopper asked for and was told.
func (s *Settlement) checkAnswer(o *api.Order, purchase int) {
	v, b := &s.Violations, s.books
	sku, units := b.requested(purchase)
	if len(o.Lines) != 1 || o.Lines[0].SkuId != b.Sale.SkuIds[sku] || o.Lines[0].Quantity != int64(units) {
		s.violate(&v.Contradicted, 1, "order %s is not what was asked for", o.Id)
	}
	switch outcome := b.Outcome(purchase); outcome {
	case SoldOut, Limited, Closed, Refused:
		s.violate(&v.Contradicted, 1, "order %s is there though its shopper was refused", o.Id)
	}
	mark := b.state[purchase]
	switch {
	case mark&markPaid != 0 && o.Status != api.OrderStatusPaid && o.Status != api.OrderStatusFulfilled && o.Status != api.OrderStatusRefunded:
		if o.Status == api.OrderStatusPending {
			s.unheard++
		}
		s.violate(&v.Contradicted, 1, "order %s was paid and is %s", o.Id, o.Status)
	case mark&markDenied != 0:
		s.violate(&v.Contradicted, 1, "order %s was denied to its own key, or given to another body", o.Id)
	case mark&markCancelled != 0 && o.Status != api.OrderStatusCancelled:
		s.violate(&v.Contradicted, 1, "order %s was cancelled and is %s", o.Id, o.Status)
	}
}

// close counts what no order showed. Call it once, after the last add.
func (s *Settlement) close() {
	v, b := &s.Violations, s.books
	for purchase, state := range b.state {
		switch Outcome(state & outcomeMask) {
		case InFlight:
			s.violate(&v.Unanswered, 1, "purchase %s was never answered", appendKey(nil, purchase))
		case Queued:
			s.violate(&v.Unanswered, 1, "purchase %s was queued and never decided", appendKey(nil, purchase))
		case Accepted:
			if !s.own[purchase] {
				s.violate(&v.Lost, 1, "order %d was answered with 201 and is not there", b.order[purchase])
			}
			if state&markWrongPrice != 0 {
				s.violate(&v.WrongPrice, 1, "order %d was answered with another total than the sale's", b.order[purchase])
			}
		}
	}
	for _, extra := range b.stray {
		// Where it is in the database it was counted there, as a second order of its key.
		s.violate(&v.Lost, 1, "key %s was answered with the order %d beside its own", appendKey(nil, extra.purchase), extra.order)
	}
	if limit := b.Sale.LimitPerCustomer; limit > 0 {
		for shopper, units := range s.held {
			if units > limit {
				s.violate(&v.OverLimit, units-limit, "customer %d holds %d units and may have %d", int64(b.Sale.FirstCustomerId)+int64(shopper), units, limit)
			}
		}
	}
	for i, units := range s.taken {
		if units > b.Sale.Quantity {
			s.violate(&v.Oversold, units-b.Sale.Quantity, "%d units of SKU %s are sold and there were %d", units, b.Sale.SkuIds[i], b.Sale.Quantity)
		}
	}
}
