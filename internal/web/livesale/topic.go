package livesale

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/skuname"
)

// Every is the time between two calls of Page.Step, and so between two events.
const Every = time.Second

const (
	// newestOrders is how many orders an event lists.
	newestOrders = 100
	// shownItems is how many items an event lists. The totals count all items.
	shownItems = 24
	// dueWithin is how far ahead an event counts expiring orders.
	dueWithin = time.Minute
	// readTimeout bounds the reads of one event.
	readTimeout = 5 * time.Second
	// topicsMax bounds the sales whose history is kept after their end, without viewers.
	topicsMax = 16
)

// topic is one sale: its history, and the newest event for its viewers.
type topic struct {
	sale      id.Sale
	rehearsal bool

	mu      sync.Mutex
	viewers int
	history history
	newest  second        // of this topic's numbers; its message is empty until somebody has looked
	changed chan struct{} // closed when newest changes
}

// topicOf returns the topic of a sale, which begins when it is first asked for. The caller holds n.mu.
func (n *Page) topicOf(s id.Sale, rehearsal bool) *topic {
	t := n.topics[s]
	if t == nil {
		t = &topic{sale: s, rehearsal: rehearsal, changed: make(chan struct{})}
		n.topics[s] = t
	}
	return t
}

// join adds a viewer of a sale, and returns its topic.
func (n *Page) join(s id.Sale, rehearsal bool) *topic {
	n.mu.Lock() // until the viewer counts: else the topic could be dropped meanwhile
	defer n.mu.Unlock()
	t := n.topicOf(s, rehearsal)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers++
	return t
}

func (t *topic) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers--
}

// sofar returns the history as an event, and the number of the last event in it.
func (t *topic) sofar() (message []byte, number int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return encode("history", t.history.points), t.newest.number
}

// after returns the newest event if its number is above the given one, and a channel that closes when there is a newer one.
func (t *topic) after(number int64) (newest second, ok bool, changed <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.newest, t.newest.number > number && len(t.newest.message) > 0, t.changed
}

func (t *topic) watched() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.viewers > 0
}

// add adds the event of a second. The history holds what happened while the sale was on.
func (t *topic) add(e *event, message []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if isOn(e.Phase) {
		t.history.add(pointOf(e))
	}
	t.newest = second{t.newest.number + 1, message}
	close(t.changed)
	t.changed = make(chan struct{})
}

// Step records one second of each sale that is live or paused, and of each that is watched. Call it once a second; it is not safe for
// concurrent use.
func (n *Page) Step(ctx context.Context) (int, error) {
	now := n.Clock.Now()
	rates := n.ratesSince(now)
	var on []*sale.Sale
	for _, all := range [][]*sale.Sale{n.Sales.Open(), n.Sales.Rehearsals()} {
		for _, sl := range all {
			if isOn(sl.Phase(now)) {
				on = append(on, sl)
			}
		}
	}
	for _, t := range n.recorded(on) {
		if ctx.Err() != nil {
			return 0, nil
		}
		watched := t.watched()
		reading, cancel := context.WithTimeout(ctx, readTimeout)
		event, err := n.read(reading, t.sale, now, watched)
		cancel()
		switch {
		case gone(err):
			n.forget(t)
			continue
		case err != nil:
			n.Errors.WarnContext(ctx, "cannot read the live sale; its page skips a second", "sale", t.sale.String(), "error", err)
			continue
		case !watched && !isOn(event.Phase):
			continue // its history is complete, or has not begun
		}
		event.Rates = rates[t.rehearsal]
		var message []byte
		if watched {
			message = encode("", event)
		}
		t.add(&event, message)
	}
	return 0, nil
}

// ratesSince returns the rates since the last call, of real orders and of rehearsal orders.
func (n *Page) ratesSince(now time.Time) map[bool]Rates {
	rates := map[bool]Rates{}
	for _, rehearsal := range []bool{false, true} {
		read := n.RateMeters.Of(rehearsal).read(now)
		if before, known := n.before[rehearsal]; known {
			rates[rehearsal] = read.since(before)
		}
		n.before[rehearsal] = read
	}
	return rates
}

func isOn(phase sale.Status) bool { return phase == sale.Live || phase == sale.Paused }

// recorded returns the topics of the sales that are on, and of others: those that are watched, and the newest up to topicsMax. It drops the
// rest. Sale ids grow with time.
func (n *Page) recorded(on []*sale.Sale) []*topic {
	n.mu.Lock()
	defer n.mu.Unlock()
	isKept := map[id.Sale]bool{}
	for _, sl := range on {
		isKept[n.topicOf(sl.ID, sl.Rehearsal).sale] = true
	}
	all := slices.SortedFunc(maps.Values(n.topics), func(a, b *topic) int { return cmp.Compare(b.sale, a.sale) })
	kept := all[:0]
	for _, t := range all {
		if len(kept) >= topicsMax && !isKept[t.sale] && !t.watched() {
			delete(n.topics, t.sale)
			continue
		}
		kept = append(kept, t)
	}
	return kept
}

// forget drops the topic of a sale that is gone, unless it is watched.
func (n *Page) forget(t *topic) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !t.watched() {
		delete(n.topics, t.sale)
	}
}

// event is the state of a sale in one second, as the page's script reads it.
type event struct {
	At     int64       `json:"at"` // Unix milliseconds
	Phase  sale.Status `json:"phase"`
	Starts int64       `json:"starts"`
	Ends   int64       `json:"ends"`
	Limit  int64       `json:"limit"`

	Allocated int64  `json:"allocated"`
	Sold      int64  `json:"sold"`
	Reserved  int64  `json:"reserved"`
	Left      int64  `json:"left"` // in the database
	Gate      *int64 `json:"gate"` // in the gate; null: unknown

	Pending int64 `json:"pending"` // orders that await payment
	Due     int64 `json:"due"`     // of those, the ones that expire within a minute

	Rates Rates        `json:"rates"`
	Items []eventItem  `json:"items"`
	Last  []eventOrder `json:"last"`
}

type eventItem struct {
	Name     string `json:"name"`
	Code     string `json:"code"`
	Left     int64  `json:"left"`
	Reserved int64  `json:"reserved"`
	Sold     int64  `json:"sold"`
}

type eventOrder struct {
	ID       string       `json:"id"`
	At       int64        `json:"at"`
	Units    int64        `json:"units"`
	Total    string       `json:"total"`
	Currency string       `json:"currency"`
	Status   order.Status `json:"status"`
}

// read returns the state of a sale now, without its rates; without detail also without its items and orders.
func (n *Page) read(ctx context.Context, s id.Sale, now time.Time, detail bool) (event, error) {
	sl, err := n.Sales.Published(ctx, s)
	if err != nil {
		return event{}, err
	}
	out := event{
		At: now.UnixMilli(), Phase: sl.Phase(now), Starts: sl.StartsAt.UnixMilli(), Ends: sl.EndsAt.UnixMilli(), Limit: sl.Limit,
		Items: []eventItem{}, Last: []eventOrder{},
	}
	pools, err := n.Totals.SaleStock(ctx, s)
	if err != nil {
		return out, err
	}
	gate, known := int64(0), true
	for i, p := range pools {
		out.Sold, out.Reserved, out.Left = out.Sold+p.Sold, out.Reserved+p.Reserved, out.Left+p.Available()
		level, ok := n.Levels.Available(inventory.Pool{Sale: s, SKU: p.SKU})
		gate, known = gate+max(level, 0), known && ok
		if detail && i < shownItems {
			name, err := skuname.Find(ctx, n.Products, productOf(sl, p.SKU), p.SKU)
			if err != nil {
				return out, err
			}
			out.Items = append(out.Items, eventItem{Name: name.String(), Code: name.Code, Left: p.Available(), Reserved: p.Reserved, Sold: p.Sold})
		}
	}
	if known {
		out.Gate = &gate
	}
	for _, it := range sl.Items {
		out.Allocated += it.Allocation
	}
	if !detail {
		return out, nil
	}
	if out.Pending, out.Due, err = n.Totals.SaleDue(ctx, s, now.Add(dueWithin)); err != nil {
		return out, err
	}
	last, err := n.Orders.Search(ctx, order.Filter{Sale: s, Limit: newestOrders})
	if err != nil {
		return out, err
	}
	for i := range last {
		o := &last[i]
		out.Last = append(out.Last, eventOrder{ID: o.ID.String(), At: o.CreatedAt.UnixMilli(), Units: o.Units, Total: o.Total.Decimal(), Currency: string(o.Total.Currency), Status: o.Status})
	}
	return out, nil
}

// productOf returns the product of an item, or zero if the sale has no such item any more.
func productOf(sl *sale.Sale, sku id.SKU) id.Product {
	i := slices.IndexFunc(sl.Items, func(it sale.Item) bool { return it.SKU == sku })
	if i < 0 {
		return 0
	}
	return sl.Items[i].Product
}
