package queue

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // holds the database's lock as another process would

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
	"github.com/tidegate/tidegate/test/share"
)

// broker is a broker of a test's own, which can be killed and started again.
type broker interface {
	Kill()
	Start()
}

// eachBroker runs a test over each broker that has a server to be killed.
func eachBroker(t *testing.T, run func(t *testing.T, b broker, address string)) {
	t.Helper()
	t.Run("NATS", func(t *testing.T) {
		t.Parallel()
		n := engine.NATS(t)
		run(t, n, "nats://"+n.Address)
	})
	t.Run("RabbitMQ", func(t *testing.T) {
		t.Parallel()
		n := engine.RabbitMQ(t)
		run(t, n, "amqp://guest:guest@"+n.Address+"/")
	})
}

// The database stands still in mid-drop: orders are taken all the same, and every one is decided afterwards. In go test it
// stands still for five seconds, in a long run for as many as that says: thirty.
func TestTheDatabaseStops(t *testing.T) {
	t.Parallel()
	t.Run("SQLite, its lock held", func(t *testing.T) {
		t.Parallel()
		d := newDrop(t, "nats://"+engine.NATS(t).Address)
		d.without(func() (back func()) { return holdDatabase(t, d.shop) })
		d.end()
	})
	blackbox.EachDatabase(t, func(t *testing.T, of engine.Database) {
		t.Run("paused, over RabbitMQ", func(t *testing.T) {
			t.Parallel()
			m := of.Serve(t)
			d := newDrop(t, "amqp://guest:guest@"+engine.RabbitMQ(t).Address+"/", "TIDEGATE_STORE_PRIMARY="+m.Database(t, "shop"))
			d.without(func() (back func()) {
				m.Pause(t)
				return func() { m.Resume(t) }
			})
			d.end()
		})
		t.Run("killed, two processes with Redis", func(t *testing.T) {
			t.Parallel()
			m := of.Serve(t)
			d := newDrop(t, "nats://"+engine.NATS(t).Address, blackbox.SharedBy(t, m.Database(t, "shop"), engine.Redis(t))...)
			other := d.another()
			other.Start()
			d.joined(other)
			d.without(func() (back func()) {
				m.Kill(t)
				return func() { m.Start(t) }
			})
			d.end()
			other.Stop()
		})
	})
}

// without lets a crowd buy while the database is taken away, until stop's function brings it back.
func (d *drop) without(stop func() (back func())) {
	d.t.Helper()
	stopped := time.Duration(share.Count(d.t, 5)) * time.Second
	d.pause = stopped * shoppers / (allocation * 2 / 3) // the units last as long as it stands still
	end := make(chan struct{})
	gone := d.crowd(end)
	await.Until(d.t, "the drop is under way", func() bool { return d.promises() > 50 })
	back := stop()
	before := d.promises()
	time.Sleep(stopped / 2)
	half := d.promises()
	time.Sleep(stopped / 2)
	early, late := half-before, d.promises()-half
	back()
	time.Sleep(time.Second)
	close(end)
	<-gone
	if early < 50 || late < 50 {
		d.t.Errorf("%d orders were queued in the first half of %s without a database, %d in the second; want hundreds", early, stopped, late)
	}
	if n := d.book.Refused["store_unavailable"]; n > 0 {
		d.t.Errorf("%d orders were refused because the database was away", n)
	}
	d.t.Logf("%d and %d orders were queued in the halves of %s without a database", early, late, stopped)
}

// holdDatabase takes SQLite's lock for writing, as a process that hangs with it would.
func holdDatabase(t testing.TB, shop *blackbox.Shop) (release func()) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(shop.Folder, "tidegate.db")+"?_pragma=busy_timeout(30000)&_txlock=immediate")
	if err != nil {
		t.Fatal(err)
	}
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		_ = db.Close()
	}
}

// The broker is killed with -9 in mid-drop, twice.
func TestTheBrokerDies(t *testing.T) {
	t.Parallel()
	eachBroker(t, func(t *testing.T, b broker, address string) {
		// While the broker is away every shopper reserves a unit in so long: the units last for a slow start of it.
		d := newDrop(t, address, "TIDEGATE_ORDERS_ANSWER_WITHIN=5s")
		stop := make(chan struct{})
		gone := d.crowd(stop)
		for round := range 2 {
			before := d.promises()
			await.Until(t, "the drop is under way", func() bool { return d.promises() > before+50 })
			b.Kill()
			time.Sleep(time.Duration(1+round) * time.Second)
			b.Start()
		}
		before := d.promises()
		await.Until(t, "orders are queued again", func() bool { return d.promises() > before+20 })
		close(stop)
		<-gone
		d.end()
	})
}

// The broker takes what is appended and its confirms are lost, in mid-drop: nobody is told that an order failed, and each is
// decided once, though its intent is appended again.
func TestConfirmsAreLost(t *testing.T) {
	t.Parallel()
	eachServer := map[string]func(address string) string{
		engine.NATS(t).Address:     func(at string) string { return "nats://" + at },
		engine.RabbitMQ(t).Address: func(at string) string { return "amqp://guest:guest@" + at + "/" },
	}
	for server, address := range eachServer {
		t.Run(strings.SplitN(address(""), ":", 2)[0], func(t *testing.T) {
			t.Parallel()
			p := engine.NewProxy(t, server)
			d := newDrop(t, address(p.Address))
			stop := make(chan struct{})
			gone := d.crowd(stop)
			for range 2 {
				before := d.promises()
				await.Until(t, "the drop is under way", func() bool { return d.promises() > before+50 })
				p.LoseReplies()
				time.Sleep(2 * time.Second)
				p.Mend()
			}
			before := d.promises()
			await.Until(t, "orders are queued again", func() bool { return d.promises() > before+20 })
			close(stop)
			<-gone
			if d.unsure == 0 {
				t.Error("no shopper was told that it is not known yet")
			}
			d.end()
		})
	}
}

// Redis is killed in mid-drop and comes back with nothing, under two processes that queue: the gate is rebuilt when what is
// queued has been settled, and sells what is left.
func TestRedisIsLost(t *testing.T) {
	t.Parallel()
	blackbox.EachDatabase(t, redisIsLost)
}

func redisIsLost(t *testing.T, of engine.Database) {
	r := engine.Redis(t)
	d := newDrop(t, "nats://"+engine.NATS(t).Address, blackbox.SharedBy(t, of.Make(t), r)...)
	other := d.another()
	other.Start()
	d.joined(other)
	d.pause = 50 * time.Millisecond
	stop := make(chan struct{})
	gone := d.crowd(stop)
	for range 2 {
		before := d.promises()
		await.Until(t, "the drop is under way", func() bool { return d.promises() > before+100 })
		r.Kill()
		time.Sleep(time.Second)
		r.Start()
	}
	before := d.promises()
	await.Until(t, "orders are queued again", func() bool { return d.promises() > before+50 })
	close(stop)
	<-gone
	d.end()
	other.Reconciled()
	other.Stop()
}

// Two processes share a database, Redis and NATS; one is killed between reservation and append. Nobody can settle an intent that is in
// no queue: its reservation is given back all the same, and its units are sold by the other process.
func TestAProcessDiesBeforeItsAppend(t *testing.T) {
	t.Parallel()
	blackbox.EachSharedEngines(t, diesBeforeItsAppend)
}

func diesBeforeItsAppend(t *testing.T, env []string) {
	d := newDrop(t, "nats://"+engine.NATS(t).Address, env...)
	other := d.another()
	if !other.TryStart("crashpoint: hang", crashpoint.Variable+"="+string(crashpoint.QueueAppendBefore)+" die 6") {
		t.Fatal("it dies before it serves")
	}
	d.joined(other)
	stop := make(chan struct{})
	gone := d.crowd(stop)
	await.Until(t, "it dies", other.Ended)
	d.leave(other)
	close(stop)
	<-gone
	before := d.shop.Pool(d.sku, d.sale.ID).Reserved
	d.check()
	// What the dead process had reserved is sold to whoever comes.
	d.pause = 0
	stop = make(chan struct{})
	gone = d.crowd(stop)
	await.Until(t, "the last unit is sold", func() bool { return d.shop.Pool(d.sku, d.sale.ID).Reserved == allocation })
	close(stop)
	<-gone
	t.Logf("%d of %d units were sold when it died", before, allocation)
	d.end()
	d.followedElsewhere(other)
}

// followedElsewhere queues an order in one process and follows it in the other.
func (d *drop) followedElsewhere(other *blackbox.Shop) {
	d.t.Helper()
	d.shop.Start()
	other.Start()
	p := blackbox.Buying("", 1, firstCustomer, d.tokens[0], "elsewhere", d.sku)
	var ticket struct{ ID, Status, Ticket string }
	a := other.Buy(p)
	if err := json.Unmarshal(a.Body, &ticket); err != nil || a.Status != 202 || ticket.Status != "queued" {
		d.t.Fatalf("not queued: %s", a)
	}
	if a := d.shop.Ask("GET", "/v1/orders/"+ticket.ID+"?wait=20s&ticket="+ticket.Ticket, p.Token, ""); a.Status != 200 {
		d.t.Errorf("followed in another process: %s", a)
	}
	for _, s := range []*blackbox.Shop{d.shop, other} {
		s.Reconciled()
		s.Stop()
	}
}
