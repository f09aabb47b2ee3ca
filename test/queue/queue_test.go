// Package queue takes away, in the middle of a drop that goes through a queue, what the queue is there to outlast: the
// database, the broker, the worker. Every 202 must be decided afterwards, by the order that it named.
package queue

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "modernc.org/sqlite" // holds the database's lock as another process would

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
	sale   blackbox.Sale
	sku    string
	tokens []string
	book   *blackbox.Book

	mu       sync.Mutex
	promised map[string]string // by key: the order that a 202 said is queued
	keys     map[string]blackbox.Purchase
	asked    int
}

func newDrop(t *testing.T, broker string, more ...string) *drop {
	t.Helper()
	d := &drop{t: t, book: blackbox.NewBook(nil), promised: map[string]string{}, keys: map[string]blackbox.Purchase{}}
	d.shop = blackbox.New(t, append([]string{
		"TIDEGATE_BUS_ADDRESS=" + broker, "TIDEGATE_ORDERS_INTAKE=queue", "TIDEGATE_ORDERS_ANSWER_WITHIN=1s",
	}, more...)...)
	d.shop.Start()
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
	d.mu.Unlock()
	d.note(p, d.shop.Buy(p))
	time.Sleep(2 * time.Millisecond)
}

func (d *drop) note(p blackbox.Purchase, a blackbox.Answer) {
	d.book.Note(p, a)
	var ticket struct{ ID, Status string }
	if a.Status == 202 && json.Unmarshal(a.Body, &ticket) == nil && ticket.Status == "queued" {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.promised[p.Key] = ticket.ID
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
		for end := time.Now().Add(blackbox.Patience); ; time.Sleep(50 * time.Millisecond) {
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
	d.shop.Honour(d.book)
	d.t.Logf("%d of %d were queued; %s", len(d.promised), d.asked, d.book)
}

func (d *drop) end() {
	d.t.Helper()
	d.check()
	d.shop.Audit("I1", "I2", "I3", "I4", "I7", "I9")
	d.shop.Reconciled()
	d.shop.Stop()
}

// The database takes no write for 30 seconds in mid-drop: orders are taken all the same, and every one is decided afterwards.
func TestTheDatabaseStops(t *testing.T) {
	t.Parallel()
	const stopped = 30 * time.Second
	n := engine.NATS(t)
	d := newDrop(t, "nats://"+n.Address)
	stop := make(chan struct{})
	gone := d.crowd(stop)
	blackbox.Eventually(t, "the drop is under way", func() bool { return d.promises() > 50 })
	release := d.holdDatabase()
	before := d.promises()
	time.Sleep(stopped)
	during := d.promises() - before
	release()
	time.Sleep(time.Second)
	close(stop)
	<-gone
	if during < 100 {
		t.Errorf("%d orders were queued while the database stood still; want hundreds", during)
	}
	d.end()
}

// holdDatabase takes SQLite's lock for writing, as a process that hangs with it would.
func (d *drop) holdDatabase() (release func()) {
	d.t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(d.shop.Folder, "tidegate.db")+"?_pragma=busy_timeout(30000)&_txlock=immediate")
	if err != nil {
		d.t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		d.t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			d.t.Error(err)
		}
		_ = db.Close()
	}
}

// The broker is killed with -9 in mid-drop, twice.
func TestTheBrokerDies(t *testing.T) {
	t.Parallel()
	n := engine.NATS(t)
	d := newDrop(t, "nats://"+n.Address)
	stop := make(chan struct{})
	gone := d.crowd(stop)
	for round := range 2 {
		before := d.promises()
		blackbox.Eventually(t, "the drop is under way", func() bool { return d.promises() > before+50 })
		n.Kill()
		time.Sleep(time.Duration(1+round) * time.Second)
		n.Start()
	}
	before := d.promises()
	blackbox.Eventually(t, "orders are queued again", func() bool { return d.promises() > before+20 })
	close(stop)
	<-gone
	d.end()
}

// lanes is how many shops share the steps at which one dies: after each death the broker waits some seconds for the dead.
const lanes = 4

// The process dies at every step between an order's reservation and the acknowledgement of its intent.
func TestTheWorkerDies(t *testing.T) {
	t.Parallel()
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
			diesAt(t, mine)
		})
	}
}

func diesAt(t *testing.T, points []crashpoint.Point) {
	n := engine.NATS(t)
	d := newDrop(t, "nats://"+n.Address)
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
			blackbox.Eventually(t, "it dies", d.shop.Ended)
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
