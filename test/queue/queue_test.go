// Package queue takes away, in the middle of a drop that goes through a queue, what the queue is there to outlast: the
// database, the broker, the worker. Every 202 must be decided afterwards, by the order that it named.
package queue

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

func TestMain(m *testing.M) { blackbox.Main(m, "-tags=crashpoints") }

const (
	firstCustomer = 1_000_001
	customers     = 400
	allocation    = 900
	limit         = 3
	shoppers      = 32
)

// drop is a shop with a queue, an open sale, and what its shoppers were told.
type drop struct {
	t      *testing.T
	shop   *blackbox.Shop
	doors  []*blackbox.Shop // every process that shoppers ask: shop, and those beside it
	sale   blackbox.Sale
	sku    string
	tokens []string
	book   *blackbox.Book

	pause time.Duration // of a shopper between two purchases

	mu       sync.Mutex
	promised map[string]string // by key: the order that a 202 said is queued
	keys     map[string]blackbox.Purchase
	asked    int
	unsure   int // answers that said that nobody knows yet
}

func newDrop(t *testing.T, broker string, more ...string) *drop {
	t.Helper()
	d := &drop{t: t, pause: 2 * time.Millisecond, book: blackbox.NewBook(nil), promised: map[string]string{}, keys: map[string]blackbox.Purchase{}}
	d.shop = blackbox.New(t, append([]string{
		"TIDEGATE_BUS_ADDRESS=" + broker, "TIDEGATE_ORDERS_INTAKE=queue", "TIDEGATE_ORDERS_ANSWER_WITHIN=1s",
	}, more...)...)
	d.shop.Start()
	d.doors = []*blackbox.Shop{d.shop}
	d.sku = d.shop.Stocked("MUG", 1_000_000)
	d.tokens = d.shop.Tokens(firstCustomer, customers)
	d.open()
	return d
}

func (d *drop) open() {
	d.sale = d.shop.Open(blackbox.Terms{SKUs: []string{d.sku}, Allocation: allocation, Limit: limit, PaymentSeconds: 3600})
}

// crowd lets shoppers buy until stop is closed.
func (d *drop) crowd(stop <-chan struct{}) (gone chan struct{}) {
	gone = make(chan struct{})
	go func() {
		defer close(gone)
		var all sync.WaitGroup
		for range shoppers {
			all.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						d.buy()
					}
				}
			})
		}
		all.Wait()
	}()
	return gone
}

// buy is one purchase of the next shopper.
func (d *drop) buy() {
	d.mu.Lock()
	n := d.asked
	d.asked++
	c := n % customers
	p := blackbox.Buying(d.sale.ID, 1, firstCustomer+int64(c), d.tokens[c], fmt.Sprintf("%s-%d", d.sale.ID, n), d.sku)
	d.keys[p.Key] = p
	door := d.doors[n%len(d.doors)]
	d.mu.Unlock()
	d.note(p, door.Buy(p))
	time.Sleep(d.pause)
}

func (d *drop) note(p blackbox.Purchase, a blackbox.Answer) {
	d.book.Note(p, a)
	var ticket struct{ ID, Status string }
	if a.Status != 202 || json.Unmarshal(a.Body, &ticket) != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if ticket.Status == "queued" {
		d.promised[p.Key] = ticket.ID
	} else {
		d.unsure++
	}
}

func (d *drop) promises() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.promised)
}

// check asks for everything that has no deciding answer until it has one, and holds the shop to all of them.
func (d *drop) check() {
	d.t.Helper()
	lost := []blackbox.Purchase{}
	for key := range d.book.Lost {
		lost = append(lost, d.keys[key])
	}
	blackbox.Each(shoppers, lost, func(p blackbox.Purchase) {
		for end := time.Now().Add(await.Max); ; time.Sleep(50 * time.Millisecond) {
			a := d.shop.Buy(p)
			d.note(p, a)
			if a.Status == 201 || a.Status/100 == 4 {
				return
			}
			if time.Now().After(end) {
				d.t.Errorf("key %s is not decided: %s", p.Key, a)
				return
			}
		}
	})
	byKey := map[string]string{}
	for order, r := range d.book.Receipts {
		byKey[r.Key] = order
	}
	for key, order := range d.promised {
		if byKey[key] == order {
			continue
		}
		p := d.keys[key]
		if a := d.shop.Ask("GET", "/v1/orders/"+order, p.Token, ""); a.Status != 409 {
			d.t.Errorf("order %s was said to be queued for key %s; the key has %q, and the order is %s", order, key, byKey[key], a)
		}
	}
	clear(d.book.Lost)
	d.shop.CheckSale(d.book, d.sale, limit)
	d.shop.VerifyOrders(d.book)
	d.t.Logf("%d of %d were queued; %s", len(d.promised), d.asked, d.book)
}

func (d *drop) end() {
	d.t.Helper()
	d.check()
	d.shop.Audit("I1", "I2", "I3", "I4", "I7", "I9")
	d.shop.Reconciled()
	d.shop.Stop()
}

// another returns another process of the shop, which does not run yet. It needs engines that are shared.
func (d *drop) another() *blackbox.Shop {
	d.t.Helper()
	return blackbox.New(d.t, d.shop.Env[len(blackbox.New(d.t).Env):]...)
}

// joined has shoppers ask a process, in turn with the others.
func (d *drop) joined(other *blackbox.Shop) {
	d.t.Helper()
	await.Until(d.t, "the other process has the sale open", func() bool { return other.Sale(d.sale.ID).Status == "live" })
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doors = append(d.doors, other)
}

// leave has nobody ask a process any more.
func (d *drop) leave(gone *blackbox.Shop) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doors = slices.DeleteFunc(d.doors, func(s *blackbox.Shop) bool { return s == gone })
}

// lanes is how many shops share the steps at which one dies: after each death the broker waits some seconds for the dead.
const lanes = 4

// The process dies at every step between an order's reservation and the acknowledgement of its intent.
func TestTheWorkerDies(t *testing.T) {
	t.Parallel()
	t.Run("RabbitMQ", func(t *testing.T) { // whose redelivery is another one
		t.Parallel()
		diesAt(t, "amqp://guest:guest@"+engine.RabbitMQ(t).Address+"/", crashpoint.QueuePoints())
	})
	steps := append(crashpoint.QueuePoints(),
		crashpoint.CommitBefore, crashpoint.OrdersCommitBefore, crashpoint.OrdersCommitAfter, crashpoint.CommitAfter,
		crashpoint.ConfirmBefore, crashpoint.ConfirmAfter, crashpoint.AcknowledgeBefore, crashpoint.AcknowledgeAfter)
	for lane := range lanes {
		t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
			t.Parallel()
			var mine []crashpoint.Point
			for i := lane; i < len(steps); i += lanes {
				mine = append(mine, steps[i])
			}
			diesAt(t, "nats://"+engine.NATS(t).Address, mine)
		})
	}
}

func diesAt(t *testing.T, broker string, points []crashpoint.Point) {
	d := newDrop(t, broker)
	for _, point := range points {
		t.Run(string(point), func(t *testing.T) {
			d.t = t
			d.open()
			d.book, d.promised, d.keys = blackbox.NewBook(nil), map[string]string{}, map[string]blackbox.Purchase{}
			d.shop.Kill()
			if !d.shop.TryStart("crashpoint: hang", crashpoint.Variable+"="+string(point)+" die 4") {
				t.Fatal("it dies before it serves")
			}
			stop := make(chan struct{})
			gone := d.crowd(stop)
			await.Until(t, "it dies", d.shop.Ended)
			close(stop)
			<-gone
			d.shop.Start()
			d.check()
		})
	}
	d.t = t
	d.shop.Audit("I1", "I2", "I3", "I4", "I7", "I9")
	d.shop.Reconciled()
}
