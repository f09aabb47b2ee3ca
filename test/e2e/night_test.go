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

	"github.com/tidegate/tidegate/test/blackbox"
)

func TestMain(m *testing.M) { blackbox.Main(m) }

// The sale night: shoppersMax shoppers for allocation units, beside which general stock keeps the rest.
const (
	firstCustomer = 1_000_001
	customers     = 2000
	stock         = 300
	allocation    = 200
	limit         = 2
	crowdMax      = 500 // of them at the same time
	// window is how long an order waits for its payment; sharedWindow is that where what a killed process had reserved is waited
	// for as well.
	window       = 20 * time.Second
	sharedWindow = 50 * time.Second
	opensIn      = 2 * time.Second
)

// night is a sale night on its way.
type night struct {
	*testing.T
	shop   *blackbox.Shop
	sku    string
	sale   blackbox.Sale
	tokens []string
	book   *blackbox.Book
	window time.Duration
}

// TestASaleNight follows one sale through the binary: it opens by the clock, 2,000 shoppers come for 200 units, the process
// is killed among them and stopped among those who pay, half pay at the cashier and half let their time run out, some pay
// too late, the units come back and are sold again, the sale ends, and the audit agrees with every answer that was given.
func TestASaleNight(t *testing.T) {
	t.Parallel()
	blackbox.EachEngines(t, saleNight)
}

func saleNight(t *testing.T, env []string) {
	n := &night{T: t, shop: blackbox.New(t, append(env, "TIDEGATE_PAYMENTS_QUERY_AFTER=1s")...), window: window}
	if len(env) > 0 {
		n.window = sharedWindow
	}
	n.shop.Start()
	n.prepare()
	n.sellOut()
	paid, unpaid := n.payHalf()
	late := n.beginLate(unpaid)
	n.expire(unpaid, late)
	paid += n.buyAgain(unpaid)
	paid += n.payLate(late)
	n.end(paid)
}

// prepare schedules the sale and finds it closed until its time.
func (n *night) prepare() {
	n.sku = n.shop.Stocked("DROP-MUG", stock)
	n.tokens = n.shop.Tokens(firstCustomer, customers)
	code, stdout, stderr := n.shop.Run("sale", "create", "--title", "Friday drop", "--starts", "+"+opensIn.String(), "--for", "1h",
		"--limit", strconv.Itoa(limit), "--payment", n.window.String(), "--item", fmt.Sprintf("DROP-MUG=9.95x%d", allocation), "--schedule", "--json")
	if code != 0 {
		n.Fatalf("tidegate sale create: exit %d: %s%s", code, stdout, stderr)
	}
	n.decode(stdout, &n.sale)
	if general := n.shop.Pool(n.sku, ""); general.Available != stock-allocation {
		n.Errorf("with the sale scheduled general stock has %d units, want %d", general.Available, stock-allocation)
	}
	if early := n.shop.Buy(n.wish(0, 1, "early")); early.Code() != "sale_not_open" {
		n.Errorf("before its time the sale answers %s", early)
	}
	opened := time.Time{}
	blackbox.Eventually(n, "the sale opens", func() bool {
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
	n.shop.Honour(n.book)
	n.shop.Settle(n.book)
	n.shop.Crowd(n.book, crowdMax, nil, wishes)
	n.Logf("sold out: %s", n.book)

	n.shop.CheckSale(n.book, n.sale, limit)
	if pool := n.shop.Pool(n.sku, n.sale.ID); pool.Reserved != allocation || pool.Available != 0 {
		n.Errorf("after the crowd the sale's pool is %+v, all %d units should be reserved", pool, allocation)
	}
	for code := range n.book.Refused {
		// 202 is no refusal: among those whose process died, the outcome was not known for a while.
		if code != "sold_out" && code != "limit_reached" && code != "202" {
			n.Errorf("shoppers were refused with %s", code)
		}
	}
	if n.book.Refused["sold_out"] == 0 || n.book.Refused["limit_reached"] == 0 {
		n.Errorf("nobody met the limit, or the end of the goods: %s", n.book)
	}
	for _, r := range n.book.Receipts {
		r.Body = nil
		other := r.Purchase
		other.Body = strings.Replace(other.Body, `"units":`, `"units":1`, 1)
		if a := n.shop.Buy(other); a.Status != 422 || a.Code() != "idempotency_key_reused" {
			n.Errorf("a key with another body is answered %s", a)
		}
		break
	}
	n.shop.Honour(n.book)
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
			for until := time.Now().Add(blackbox.Patience); a.Status == 503 && time.Now().Before(until); p, a = n.shop.StartPayment(r) {
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
	blackbox.Eventually(n, "the notifications have made the orders paid", func() bool {
		return len(n.shop.Orders(n.sale.ID, "paid")) == len(paying)
	})
	n.shop.Honour(n.book)
	n.Logf("paid: %d orders, %d units", len(paying), units)
	return units, unpaid
}

// lateMax is how many shoppers begin to pay and come back to the cashier when their order has expired.
const lateMax = 3

func (n *night) beginLate(unpaid []blackbox.Receipt) map[string]blackbox.Payment {
	late := map[string]blackbox.Payment{}
	for _, r := range unpaid[:lateMax] {
		p, a := n.shop.StartPayment(r)
		if a.Status != 201 {
			n.Fatalf("paying order %s cannot be started: %s", r.Order.ID, a)
		}
		late[r.Order.ID] = p
	}
	return late
}

// expire waits until everything that is not paid has expired and its units are offered again.
func (n *night) expire(unpaid []blackbox.Receipt, late map[string]blackbox.Payment) {
	var units int64
	for _, r := range unpaid {
		units += r.Order.Units
	}
	blackbox.Eventually(n, "every unpaid order has expired", func() bool { return len(n.shop.Orders(n.sale.ID, "expired")) == len(unpaid) })
	for _, o := range n.shop.Orders(n.sale.ID, "expired") {
		if o.Closed.Before(o.Expires) {
			n.Errorf("order %s was closed at %v, before its time %v", o.ID, o.Closed, o.Expires)
		}
	}
	if pool := n.shop.Pool(n.sku, n.sale.ID); pool.Available != units || pool.Reserved != 0 {
		n.Errorf("after the last expiry the sale's pool is %+v, %d units should be available", pool, units)
	}
	blackbox.Eventually(n, "the gate offers the units again", func() bool { return n.shop.Sale(n.sale.ID).Items[0].Available == units })
	n.Logf("expired: %d orders, %d units, %d of them with a payment begun", len(unpaid), units, len(late))
	n.shop.Honour(n.book)
	n.shop.Audit("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9")
	n.shop.Reconciled()
}

// buyAgain has a shopper whose order has expired buy and pay with a new key: the allowance came back with the units. It
// returns the units.
func (n *night) buyAgain(unpaid []blackbox.Receipt) int64 {
	r := unpaid[len(unpaid)-1]
	r.Key += "-again"
	a := n.shop.Buy(r.Purchase)
	if a.Status != 201 || a.Header.Get("Idempotent-Replayed") != "" {
		n.Fatalf("a shopper whose order has expired buys again: %s", a)
	}
	n.book.Note(r.Purchase, a)
	n.decode(string(a.Body), &r.Order)
	p, a := n.shop.StartPayment(r)
	if a.Status != 201 || n.shop.Pay(p.PayURL).Status != 303 {
		n.Fatalf("the second order cannot be paid: %s", a)
	}
	blackbox.Eventually(n, "the second order is paid", func() bool { return n.shop.Order(r.Order.ID).Status == "paid" })
	return r.Order.Units
}

// payLate has the cashier take money for orders that have expired. Each is honoured, for there are units, or refunded. It
// returns the units that are honoured.
func (n *night) payLate(late map[string]blackbox.Payment) (units int64) {
	for _, p := range late {
		if a := n.shop.Cashier(p.PayURL, `{"settle":"paid","notifications":[{},{},{"forged":true}]}`); a.Status != 204 {
			n.Fatalf("the cashier does not obey: %s", a)
		}
	}
	honoured := 0
	for order, p := range late {
		var o blackbox.Order
		refunded := false
		blackbox.Eventually(n, "a late payment is honoured or refunded", func() bool {
			o = n.shop.Order(order)
			refunded = slices.ContainsFunc(n.shop.Refunds("done"), func(r blackbox.Refund) bool { return r.Payment == p.ID })
			return o.Status == "paid" || refunded
		})
		if o.Status == "paid" {
			honoured++
			units += o.Units
		}
		if o.Status == "paid" && refunded {
			n.Errorf("order %s is honoured and refunded", order)
		}
	}
	if honoured != len(late) {
		n.Errorf("%d of %d late payments were honoured, and there were units and allowance for all", honoured, len(late))
	}
	return units
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

	if code, stdout, stderr := n.shop.Run("sale", "end", n.sale.ID); code != 0 {
		n.Fatalf("tidegate sale end: exit %d: %s%s", code, stdout, stderr)
	}
	if a := n.shop.Buy(n.wish(1, 1, "after")); a.Code() != "sale_ended" {
		n.Errorf("after its end the sale answers %s", a)
	}
	n.stockIs("at the end", stock-paid-1, 1, paid)
	if a := n.shop.Ask("POST", "/v1/orders/"+r.Order.ID+"/cancel", r.Token, ""); a.Status != 200 {
		n.Errorf("the last order cannot be cancelled: %s", a)
	}
	n.stockIs("with the last order cancelled", stock-paid, 0, paid)
	if a := n.shop.Cashier(attempt.PayURL, `{"settle":"paid"}`); a.Status != 204 {
		n.Fatalf("the cashier does not obey: %s", a)
	}
	blackbox.Eventually(n, "the payment of a cancelled order is given back", func() bool {
		return slices.ContainsFunc(n.shop.Refunds("done"), func(r blackbox.Refund) bool { return r.Payment == attempt.ID })
	})
	if o := n.shop.Order(r.Order.ID); o.Status != "cancelled" {
		n.Errorf("a cancelled order that was paid late is %s", o.Status)
	}

	n.shop.CheckSale(n.book, n.sale, limit)
	n.shop.Honour(n.book)
	n.shop.Reconciled()
	n.shop.Stop()
	n.shop.Audit("I1", "I2", "I3", "I4", "I5", "I6", "I7", "I9") // of the folder
	n.shop.Start()
	n.shop.Honour(n.book)
	n.Logf("the night is over: %d units paid, %s", paid, n.book)
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
