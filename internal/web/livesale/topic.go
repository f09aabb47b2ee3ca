package livesale

import (
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

const (
	// refreshInterval is the time between two events.
	refreshInterval = time.Second
	// historySeconds is how many earlier events a new viewer receives.
	historySeconds = 300
	// newestOrders is how many orders an event lists.
	newestOrders = 100
	// shownItems is how many items an event lists. The totals count all items.
	shownItems = 24
	// dueWithin is how far ahead an event counts expiring orders.
	dueWithin = time.Minute
	// readTimeout bounds the reads of one event.
	readTimeout = 5 * time.Second
)

// topic polls one sale once a second for all its viewers.
type topic struct {
	page      *Page
	sale      id.Sale
	rehearsal bool

	mu      sync.Mutex
	viewers int
	polling bool
	history []second
	changed chan struct{} // closed when history grows
}

// join adds a viewer. The first viewer of a sale starts its goroutine, which ends after the last has left.
func (n *Page) join(s id.Sale, rehearsal bool) *topic {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.topics[s]
	if t == nil {
		t = &topic{page: n, sale: s, rehearsal: rehearsal, changed: make(chan struct{})}
		n.topics[s] = t
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers++
	if !t.polling {
		t.polling = true
		go t.poll()
	}
	return t
}

func (t *topic) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers--
}

// after returns the events after a number, and a channel that closes when there are more.
func (t *topic) after(number int64) ([]second, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.history, func(s second) bool { return s.number > number })
	if i < 0 {
		return nil, t.changed
	}
	return slices.Clone(t.history[i:]), t.changed
}

// poll reads the sale once a second while it has viewers.
func (t *topic) poll() {
	ticker := time.NewTicker(refreshInterval)
	defer ticker.Stop()
	n := t.page
	meter := n.RateMeters.Of(t.rehearsal)
	before := meter.read(n.Clock.Now())
	for range ticker.C {
		now := meter.read(n.Clock.Now())
		ctx, cancel := context.WithTimeout(context.Background(), readTimeout)
		event, err := n.read(ctx, t.sale, now.at)
		cancel()
		if err != nil && !gone(err) {
			n.Errors.WarnContext(ctx, "cannot read the live sale; its page skips a second", "sale", t.sale.String(), "error", err)
		}
		event.Rates = now.since(before)
		before = now
		if t.append(encode(event), err == nil) {
			return
		}
	}
}

// append adds an event if ok, and reports whether the last viewer has left.
func (t *topic) append(message []byte, ok bool) (done bool) {
	t.page.mu.Lock()
	defer t.page.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if ok {
		number := int64(1)
		if len(t.history) > 0 {
			number = t.history[len(t.history)-1].number + 1
		}
		if t.history = append(t.history, second{number, message}); len(t.history) > historySeconds {
			t.history = slices.Clone(t.history[len(t.history)-historySeconds:])
		}
		close(t.changed)
		t.changed = make(chan struct{})
	}
	if t.viewers > 0 {
		return false
	}
	t.polling = false
	maps.DeleteFunc(t.page.topics, func(_ id.Sale, other *topic) bool { return other == t })
	return true
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

// read returns the state of a sale now, without its rates.
func (n *Page) read(ctx context.Context, s id.Sale, now time.Time) (event, error) {
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
		if i < shownItems {
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
