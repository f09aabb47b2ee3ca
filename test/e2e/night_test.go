// Package e2e meets the shop as its users do: through the binary, from the first start to the end of a sale.
package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

func TestMain(m *testing.M) { blackbox.Main(m) }

// The sale night: shoppers for allocation units, beside which general stock keeps the rest. No order of it meets its end by itself:
// those of the encore do.
const (
	firstCustomer = 1_000_001
	customers     = 2000
	stock         = 400
	allocation    = 200
	limit         = 2
	crowdMax      = 500 // of them at the same time
	window        = time.Hour
	opensIn       = 2 * time.Second
)

// The encore is a sale whose orders wait for their payment as short as can be.
const (
	encoreAllocation = 12
	encoreWindow     = 10 * time.Second
)

// night is a sale night on its way.
type night struct {
	*testing.T
	shop   *blackbox.Shop
	sku    string
	sale   blackbox.Sale
	encore blackbox.Sale
	tokens []string
	book   *blackbox.Book
}

// TestASaleNight follows one sale through the binary: it opens by the clock, 2,000 shoppers come for 200 units, the process
// is killed among them and stopped among those who pay, half pay at the cashier and half hand their units back. In an encore they let
// their time run out, some pay too late, and the units are sold again. The sale ends, and the audit agrees with every answer that was given.
func TestASaleNight(t *testing.T) {
	t.Parallel()
	blackbox.EachEngines(t, saleNight)
}

func saleNight(t *testing.T, env []string) {
	n := &night{T: t, shop: blackbox.New(t, append(env, "TIDEGATE_PAYMENTS_QUERY_AFTER=1s")...)}
	n.shop.Start()
	n.prepare()
	n.sellOut()
	paid, unpaid := n.payHalf()
	n.handBack(unpaid)
	n.openEncore()
	late, expiring := n.beginLate(), n.buyEncore()
	n.expire(late, expiring)
	n.buyAgain(expiring[0])
	n.payLate(late)
	n.end(paid)
}

// prepare schedules the sale and finds it closed until its time.
func (n *night) prepare() {
	n.sku = n.shop.Stocked("DROP-MUG", stock)
	n.tokens = n.shop.Tokens(firstCustomer, customers)
	code, stdout, stderr := n.shop.Run("sale", "create", "--title", "Friday drop", "--starts", "+"+opensIn.String(), "--for", "1h",
		"--limit", strconv.Itoa(limit), "--payment", window.String(), "--item", fmt.Sprintf("DROP-MUG=9.95x%d", allocation), "--schedule", "--json")
	if code != 0 {
		n.Fatalf("tidegate sale create: exit %d: %s%s", code, stdout, stderr)
	}
	n.decode(stdout, &n.sale)
	if general := n.shop.Pool(n.sku, ""); general.Available != stock-allocation {
		n.Errorf("with the sale scheduled general stock has %d units, want %d", general.Available, stock-allocation)
	}
	early := n.shop.Buy(n.wish(0, 1, "early"))
	for n.shop.GateIsAway(early) { // until the gate in Redis has the sale
		early = n.shop.Buy(n.wish(0, 1, "early"))
	}
	if early.Code() != "sale_not_open" {
		n.Errorf("before its time the sale answers %s", early)
	}
	opened := time.Time{}
	await.Until(n, "the sale opens", func() bool {
		live := n.shop.Sale(n.sale.ID).Status == "live"
		opened = time.Now() // after the answer: a question asked before the time may be answered after it
		return live
	})
	if opened.Before(n.sale.Starts) {
		n.Errorf("the sale opened at %v, before its time %v", opened, n.sale.Starts)
	}
}

func (n *night) wish(customer int, units int64, key string) blackbox.Purchase {
	return blackbox.Buying(n.sale.ID, units, firstCustomer+int64(customer), n.tokens[customer], fmt.Sprintf("%s-%d", key, customer), n.sku)
}

// sellOut lets the crowd in: everybody wants one unit and tries twice with the same key, some want more than the limit
// allows. The process is killed among them.
func (n *night) sellOut() {
	kill, gone := make(chan struct{}), make(chan struct{})
	n.book = blackbox.NewBook(func(answered int) {
		if answered == allocation/2 {
			close(kill)
		}
	})
	var wishes []blackbox.Purchase
	for i := range customers {
		wishes = append(wishes, n.wish(i, 1, "one"), n.wish(i, 1, "one"))
		if i%10 == 0 {
			wishes = append(wishes, n.wish(i, limit, "more"), n.wish(i, limit+1, "greedy"))
		}
	}
	go func() {
		defer close(gone)
		n.shop.Crowd(n.book, crowdMax, kill, wishes)
	}()
	<-kill
	n.shop.Kill()
	<-gone
	n.Logf("killed among the crowd: %s", n.book)
	n.shop.Start()
	n.shop.VerifyOrders(n.book)
	n.shop.Settle(n.book)
	n.shop.Crowd(n.book, crowdMax, nil, wishes)
	n.Logf("sold out: %s", n.book)

	n.shop.CheckSale(n.book, n.sale, limit)
	if pool := n.shop.Pool(n.sku, n.sale.ID); pool.Reserved != allocation || pool.Available != 0 {
		n.Errorf("after the crowd the sale's pool is %+v, all %d units should be reserved", pool, allocation)
	}
	for code := range n.book.Refused {
		// 202 is no refusal: among those whose process died, the outcome was not known for a while. Nor is a gate in Redis that is away.
		if code != "sold_out" && code != "fewer_left" && code != "limit_reached" && code != "202" && !(code == "overloaded" && n.shop.SharesGate()) {
			n.Errorf("shoppers were refused with %s", code)
		}
	}
	if n.book.Refused["sold_out"] == 0 || n.book.Refused["limit_reached"] == 0 {
		n.Errorf("nobody met the limit, or the end of the goods: %s", n.book)
	}
	for _, r := range n.book.Receipts {
		r.Body = nil
		other := r.Purchase
		other.Body = strings.Replace(other.Body, `"quantity":`, `"quantity":1`, 1)
		a := n.shop.Buy(other)
		for n.shop.GateIsAway(a) {
			a = n.shop.Buy(other)
		}
		if a.Status != 422 || a.Code() != "idempotency_key_reused" {
			n.Errorf("a key with another body is answered %s", a)
		}
		break
	}
	n.shop.VerifyOrders(n.book)
}

// receipts are the accepted orders, by id.
func (n *night) receipts() []blackbox.Receipt {
	var all []blackbox.Receipt
	for _, r := range n.book.Receipts {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b blackbox.Receipt) int { return strings.Compare(a.Order.ID, b.Order.ID) })
	return all
}

// payHalf has every second order paid at the cashier, with a stop and a start between them, and returns the units that
// are paid and the orders that are not.
func (n *night) payHalf() (units int64, unpaid []blackbox.Receipt) {
	var paying []blackbox.Receipt
	for i, r := range n.receipts() {
		if i%2 == 1 {
			unpaid = append(unpaid, r)
			continue
		}
		paying = append(paying, r)
		units += r.Order.Units
	}
	pay := func(some []blackbox.Receipt) {
		blackbox.Each(16, some, func(r blackbox.Receipt) {
			p, a := n.shop.StartPayment(r)
			for until := time.Now().Add(await.Max); a.Status == 503 && time.Now().Before(until); p, a = n.shop.StartPayment(r) {
				time.Sleep(100 * time.Millisecond) // "ask again", as a busy machine answers
			}
			if a.Status != 201 {
				n.Errorf("paying order %s cannot be started: %s", r.Order.ID, a)
				return
			}
			if a := n.shop.Pay(p.PayURL); a.Status != 303 {
				n.Errorf("the cashier refuses the payment of order %s: %s", r.Order.ID, a)
			}
		})
	}
	half := len(paying) / 2
	pay(paying[:half])
	n.shop.Stop() // some notifications are still to be sent
	n.shop.Start()
	pay(paying[half:])
	await.Until(n, "the notifications have made the orders paid", func() bool {
		return len(n.shop.Orders(n.sale.ID, "paid")) == len(paying)
	})
	n.shop.VerifyOrders(n.book)
	n.Logf("paid: %d orders, %d units", len(paying), units)
	return units, unpaid
}

// handBack has every shopper who has not paid cancel. The units are offered again, and the allowance came back with them.
func (n *night) handBack(unpaid []blackbox.Receipt) {
	var units int64
	for _, r := range unpaid {
		units += r.Order.Units
	}
	blackbox.Each(16, unpaid, func(r blackbox.Receipt) {
		if a := n.shop.Ask("POST", "/v1/orders/"+r.Order.ID+"/cancel", r.Token, ""); a.Status != 200 {
			n.Errorf("order %s cannot be cancelled: %s", r.Order.ID, a)
		}
	})
	if pool := n.shop.Pool(n.sku, n.sale.ID); pool.Available != units || pool.Reserved != 0 {
		n.Errorf("with all of them cancelled the sale's pool is %+v, %d units should be available", pool, units)
	}
	await.Equal(n, "the gate offers the units again", units, func() int64 { return n.shop.Sale(n.sale.ID).Items[0].Available })
	n.shop.VerifyOrders(n.book)
	n.Logf("handed back: %d orders, %d units", len(unpaid), units)
}

// openEncore opens the sale whose orders expire.
func (n *night) openEncore() {
	n.encore = n.shop.Open(blackbox.Terms{SKUs: []string{n.sku}, Allocation: encoreAllocation, Limit: limit, PaymentSeconds: int64(encoreWindow / time.Second)})
}

// lateMax is how many shoppers begin to pay and come back to the cashier when their order has expired.
const lateMax = 3

// late is an order whose shopper stands at the cashier.
type late struct {
	blackbox.Receipt
	payment blackbox.Payment
}

// buyOne has a shopper buy one unit in the encore.
func (n *night) buyOne(customer int, key string) blackbox.Receipt {
	n.Helper()
	p := blackbox.Buying(n.encore.ID, 1, firstCustomer+int64(customer), n.tokens[customer], fmt.Sprintf("%s-%d", key, customer), n.sku)
	a := n.shop.Buy(p)
	for n.shop.GateIsAway(a) {
		a = n.shop.Buy(p)
	}
	if a.Status != 201 || a.Header.Get("Idempotent-Replayed") != "" {
		n.Fatalf("customer %d buys in the encore: %s", customer, a)
	}
	n.book.Note(p, a)
	r := blackbox.Receipt{Purchase: p, Body: a.Body}
	n.decode(string(a.Body), &r.Order)
	return r
}

// beginLate has some buy and begin to pay. Where a starved machine lets an order expire before that, its shopper tries again.
func (n *night) beginLate() (begun []late) {
	await.Until(n, "some have begun to pay before their order expired", func() bool {
		c := len(begun)
		r := n.buyOne(c, "late-"+strconv.FormatInt(time.Now().UnixNano(), 36))
		if p, a := n.shop.StartPayment(r); a.Status == 201 {
			begun = append(begun, late{r, p})
		}
		return len(begun) == lateMax
	})
	return begun
}

// buyEncore has others buy who will not pay.
func (n *night) buyEncore() (all []blackbox.Receipt) {
	for c := lateMax; c < 2*lateMax; c++ {
		all = append(all, n.buyOne(c, "never"))
	}
	return all
}

// expire waits until everything that is not paid has expired and its units are offered again.
func (n *night) expire(begun []late, others []blackbox.Receipt) {
	await.Equal(n, "no order of the encore is pending", 0, func() int { return len(n.shop.Orders(n.encore.ID, "pending")) })
	expired := n.shop.Orders(n.encore.ID, "expired")
	for _, o := range expired {
		if o.Closed.Before(o.Expires) {
			n.Errorf("order %s was closed at %v, before its time %v", o.ID, o.Closed, o.Expires)
		}
	}
	if len(expired) < len(begun)+len(others) {
		n.Errorf("%d orders of the encore have expired, %d were not paid", len(expired), len(begun)+len(others))
	}
	if pool := n.shop.Pool(n.sku, n.encore.ID); pool.Available != encoreAllocation || pool.Reserved != 0 {
		n.Errorf("after the last expiry the encore's pool is %+v, %d units should be available", pool, encoreAllocation)
	}
	await.Equal(n, "the gate offers the units again", int64(encoreAllocation), func() int64 { return n.shop.Sale(n.encore.ID).Items[0].Available })
	n.Logf("expired: %d orders, %d of them with a payment begun", len(expired), len(begun))
	n.shop.VerifyOrders(n.book)
	n.shop.Audit("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9")
	n.shop.Reconciled()
}

// buyAgain has a shopper whose order has expired buy and pay with a new key: the allowance came back with the units.
func (n *night) buyAgain(expired blackbox.Receipt) {
	var paid blackbox.Receipt
	await.Until(n, "a shopper whose order has expired buys again, and begins to pay in time", func() bool {
		paid = n.buyOne(int(expired.Customer-firstCustomer), "again-"+strconv.FormatInt(time.Now().UnixNano(), 36))
		p, a := n.shop.StartPayment(paid)
		return a.Status == 201 && n.shop.Pay(p.PayURL).Status == 303
	})
	await.Equal(n, "the second order is paid", "paid", func() string { return n.shop.Order(paid.Order.ID).Status })
}

// payLate has the cashier take money for orders that have expired. Each is honoured, for there are units and allowance, and none is
// refunded as well.
func (n *night) payLate(begun []late) {
	for _, l := range begun {
		if a := n.shop.Cashier(l.payment.PayURL, `{"settle":"paid","notifications":[{},{},{"forged":true}]}`); a.Status != 204 {
			n.Fatalf("the cashier does not obey: %s", a)
		}
	}
	for _, l := range begun {
		await.Equal(n, "a late payment is honoured", "paid", func() string { return n.shop.Order(l.Order.ID).Status })
		if slices.ContainsFunc(n.shop.Refunds(""), func(r blackbox.Refund) bool { return r.Payment == l.payment.ID }) {
			n.Errorf("order %s is honoured and refunded", l.Order.ID)
		}
	}
}

// end closes the sale with one order unpaid: what is available goes back to general stock at once, and that order's units
// follow when it is cancelled. A payment for it after that is given back.
func (n *night) end(paid int64) {
	last := n.wish(customers-1, 1, "last")
	a := n.shop.Buy(last)
	if a.Status != 201 {
		n.Fatalf("an order before the end: %s", a)
	}
	n.book.Note(last, a)
	r := blackbox.Receipt{Purchase: last, Body: a.Body}
	n.decode(string(a.Body), &r.Order)
	attempt, a := n.shop.StartPayment(r)
	if a.Status != 201 {
		n.Fatalf("paying the last order cannot be started: %s", a)
	}

	if code, stdout, stderr := n.shop.Run("sale", "end", n.sale.ID, "--reason", "the night is over", "--yes"); code != 0 {
		n.Fatalf("tidegate sale end: exit %d: %s%s", code, stdout, stderr)
	}
	if a := n.shop.Buy(n.wish(1, 1, "after")); a.Code() != "sale_ended" {
		n.Errorf("after its end the sale answers %s", a)
	}
	general := int64(stock - encoreAllocation)
	n.stockIs("at the end", general-paid-1, 1, paid)
	if a := n.shop.Ask("POST", "/v1/orders/"+r.Order.ID+"/cancel", r.Token, ""); a.Status != 200 {
		n.Errorf("the last order cannot be cancelled: %s", a)
	}
	n.stockIs("with the last order cancelled", general-paid, 0, paid)
	if a := n.shop.Cashier(attempt.PayURL, `{"settle":"paid"}`); a.Status != 204 {
		n.Fatalf("the cashier does not obey: %s", a)
	}
	await.Until(n, "the payment of a cancelled order is given back", func() bool {
		return slices.ContainsFunc(n.shop.Refunds("succeeded"), func(r blackbox.Refund) bool { return r.Payment == attempt.ID })
	})
	if o := n.shop.Order(r.Order.ID); o.Status != "cancelled" {
		n.Errorf("a cancelled order that was paid late is %s", o.Status)
	}

	n.shop.CheckSale(n.book, n.sale, limit)
	n.shop.CheckSale(n.book, n.encore, limit)
	n.shop.VerifyOrders(n.book)
	n.shop.Reconciled()
	n.shop.Stop()
	n.shop.Audit("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9") // of the folder
	n.shop.Start()
	n.shop.VerifyOrders(n.book)
	n.Logf("the night is over: %d units of the sale paid, %s", paid, n.book)
}

// stockIs compares general stock and what is left in the sale's pool.
func (n *night) stockIs(when string, general, reserved, sold int64) {
	n.Helper()
	is, pool := n.shop.Pool(n.sku, ""), n.shop.Pool(n.sku, n.sale.ID)
	if is.Available != general || is.Reserved != 0 {
		n.Errorf("%s general stock is %+v, want %d available", when, is, general)
	}
	if pool.OnHand != reserved || pool.Reserved != reserved || pool.Sold != sold {
		n.Errorf("%s the sale's pool is %+v, want %d reserved, %d sold and nothing else", when, pool, reserved, sold)
	}
}

func (n *night) decode(text string, out any) {
	n.Helper()
	if err := json.Unmarshal([]byte(text), out); err != nil {
		n.Fatalf("%v in %s", err, text)
	}
}
