package drill

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// night of four shoppers with two keys each, two SKUs of three units, one unit a shopper.
func testBooks() *PurchaseLog {
	b := newPurchaseLog(api.Rehearsal{
		SaleId: 9, Quantity: 3, Price: money.Of(100, "GBP"), LimitPerCustomer: 1, Shoppers: 4, FirstCustomerId: 1000, SkuIds: []id.SKU{71, 72},
	}, 2, 1, 1, 5)
	for purchase, o := range []Outcome{0: Accepted, 1: Limited, 2: Accepted, 4: SoldOut, 6: Failed} {
		b.set(purchase, o)
		if o == Accepted {
			b.order[purchase] = int64(500 + purchase)
		}
	}
	return b
}

type row struct {
	order api.Order
	key   string
}

// shown is the order of a purchase as the shop shows it.
func shown(b *PurchaseLog, purchase int, order id.Order) row {
	sku, units := b.requested(purchase)
	price := b.Sale.Price
	total := money.Of(price.Minor*int64(units), price.Currency)
	return row{api.Order{
		Id: order, CustomerId: b.Sale.FirstCustomerId + id.Customer(purchase/b.Keys), Status: api.OrderStatusPending,
		Lines:    []api.OrderLine{{SkuId: b.Sale.SkuIds[sku], Quantity: int64(units), UnitPrice: price, Total: total}},
		Quantity: int64(units), Total: total,
	}, string(appendKey(nil, purchase))}
}

func TestSettlementFindsEveryKindOfWrongAnswer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		// plant changes the books or the rows of a clean night.
		plant func(b *PurchaseLog, rows []row) []row
		want  Violations
	}{
		{"a clean night", func(_ *PurchaseLog, rows []row) []row { return rows }, Violations{}},
		{"an unknown outcome that was committed", func(b *PurchaseLog, rows []row) []row { return append(rows, shown(b, 6, 506)) }, Violations{}},
		{"an accepted order that is gone", func(_ *PurchaseLog, rows []row) []row { return rows[1:] }, Violations{Lost: 1}},
		{"an accepted order under another id", func(b *PurchaseLog, rows []row) []row {
			b.order[0] = 499
			return rows
		}, Violations{Lost: 1}},
		{"two orders of one key", func(b *PurchaseLog, rows []row) []row {
			b.Sale.LimitPerCustomer = 2
			return append(rows, shown(b, 0, 600))
		}, Violations{Duplicated: 1}},
		{"a key that was answered with two orders, one of them gone", func(b *PurchaseLog, rows []row) []row {
			b.addStray(0, 600)
			return rows
		}, Violations{Lost: 1}},
		{"an order of somebody else's", func(b *PurchaseLog, rows []row) []row {
			r := shown(b, 0, 700)
			r.order.CustomerId = 77
			return append(rows, r)
		}, Violations{Duplicated: 1}},
		{"an order with a key of nobody's", func(b *PurchaseLog, rows []row) []row {
			b.Sale.LimitPerCustomer = 0
			r := shown(b, 0, 700)
			r.key = "mine"
			return append(rows, r)
		}, Violations{Duplicated: 1}},
		{"a purchase that was never made", func(b *PurchaseLog, rows []row) []row { return append(rows, shown(b, 7, 700)) }, Violations{Duplicated: 1}},
		{"more units than there were", func(b *PurchaseLog, rows []row) []row {
			b.Sale.Quantity = 0
			return rows
		}, Violations{Oversold: 2}},
		{"more units than one may have", func(b *PurchaseLog, rows []row) []row {
			b.set(1, Accepted)
			b.order[1] = 501
			return append(rows, shown(b, 1, 501))
		}, Violations{OverLimit: 1}},
		{"an expired order holds nothing", func(b *PurchaseLog, rows []row) []row {
			b.set(1, Accepted)
			b.order[1] = 501
			rows[0].order.Status = api.OrderStatusExpired
			return append(rows, shown(b, 1, 501))
		}, Violations{}},
		{"another price in the database", func(_ *PurchaseLog, rows []row) []row {
			rows[0].order.Lines[0].UnitPrice.Minor = 99
			return rows
		}, Violations{WrongPrice: 1}},
		{"another currency", func(_ *PurchaseLog, rows []row) []row {
			rows[0].order.Total.Currency = "EUR"
			return rows
		}, Violations{WrongPrice: 1}},
		{"another total in the answer", func(b *PurchaseLog, rows []row) []row {
			b.mark(0, markWrongPrice)
			return rows
		}, Violations{WrongPrice: 1}},
		{"an answer that never came", func(b *PurchaseLog, rows []row) []row {
			b.set(6, InFlight)
			return rows
		}, Violations{Unanswered: 1}},
		{"an answer that never came to an order that was made", func(b *PurchaseLog, rows []row) []row {
			b.set(6, InFlight)
			return append(rows, shown(b, 6, 506))
		}, Violations{Unanswered: 1}},
		{"refused, and there all the same", func(b *PurchaseLog, rows []row) []row { return append(rows, shown(b, 4, 504)) }, Violations{Contradicted: 1}},
		{"something else than was asked for", func(_ *PurchaseLog, rows []row) []row {
			rows[0].order.Lines[0].SkuId = 143 - rows[0].order.Lines[0].SkuId
			return rows
		}, Violations{Contradicted: 1}},
		{"paid, and still pending", func(b *PurchaseLog, rows []row) []row {
			b.mark(0, markPaid)
			return rows
		}, Violations{Contradicted: 1}},
		{"cancelled, and still pending", func(b *PurchaseLog, rows []row) []row {
			b.mark(0, markCancelled)
			return rows
		}, Violations{Contradicted: 1}},
		{"denied to a retry", func(b *PurchaseLog, rows []row) []row {
			b.mark(0, markDenied)
			return rows
		}, Violations{Contradicted: 1}},
		{"paid, and refunded later", func(b *PurchaseLog, rows []row) []row {
			b.mark(0, markPaid)
			rows[0].order.Status = api.OrderStatusRefunded
			return rows
		}, Violations{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := testBooks()
			rows := c.plant(b, []row{shown(b, 0, 500), shown(b, 2, 502)})
			s := newSettlement(b)
			for i := range rows {
				s.add(&rows[i].order, rows[i].key)
			}
			s.close()
			if diff := cmp.Diff(c.want, s.Violations); diff != "" {
				t.Errorf("violations differ (-want +got):\n%s%v", diff, s.Examples)
			}
			if c.want.Sum() > 0 && len(s.Examples) == 0 {
				t.Error("nothing was told of it")
			}
			if s.InDatabase != int64(len(rows)) {
				t.Errorf("%d in the database", s.InDatabase)
			}
		})
	}
}

func TestKeysNameTheirPurchase(t *testing.T) {
	t.Parallel()
	b := testBooks()
	for _, c := range []struct {
		key string
		n   int
		ok  bool
	}{
		{"drill-0", 0, true}, {"drill-7", 7, true}, {"drill-8", 0, false}, {"drill--1", 0, false}, {"drill-07", 0, false},
		{"drill-+1", 0, false}, {"drill-", 0, false}, {"other-1", 0, false}, {"", 0, false},
	} {
		if n, ok := b.purchaseOf(c.key); ok != c.ok || ok && n != c.n {
			t.Errorf("%q: %d, %v", c.key, n, ok)
		}
	}
}

func TestTheDiceFallAlikeAndEvenly(t *testing.T) {
	t.Parallel()
	b := testBooks()
	const n = 20_000
	hits := 0
	for i := range n {
		if b.chance(i, 1, 0.25) {
			hits++
		}
		if b.chance(i, 1, 0.25) != testBooks().chance(i, 1, 0.25) || b.chance(i, 2, 0) || !b.chance(i, 3, 1) {
			t.Fatal("the dice are not repeatable, or miss none and all")
		}
	}
	if hits < n*24/100 || hits > n*26/100 {
		t.Errorf("%d of %d", hits, n)
	}
}
