package night

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
	"github.com/tidegate/tidegate/internal/web/entry"
)

const (
	// tellEvery is how often an operator is told.
	tellEvery = time.Second
	// keptSeconds is how much of the night a screen that is opened late is shown.
	keptSeconds = 300
	// passing is how many of the last orders are shown.
	passing = 100
	// shownItems bounds the items that are told one by one; the sums are of all.
	shownItems = 24
	// dueWithin is how far ahead expiries are told.
	dueWithin = time.Minute
	// readWithin bounds the reads of one second.
	readWithin = 5 * time.Second
)

// topic is a sale that somebody watches: looked at once a second, however many screens show it.
type topic struct {
	night *Night
	sale  id.Sale

	mu      sync.Mutex
	viewers int
	telling bool
	kept    []second
	changed chan struct{} // closed when there is a new second
}

// join counts a viewer of a sale. The first sets a goroutine to look; it ends with the last.
func (n *Night) join(s id.Sale) *topic {
	n.mu.Lock()
	defer n.mu.Unlock()
	t := n.topics[s]
	if t == nil {
		t = &topic{night: n, sale: s, changed: make(chan struct{})}
		n.topics[s] = t
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers++
	if !t.telling {
		t.telling = true
		go t.tell()
	}
	return t
}

func (t *topic) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers--
}

// after returns the seconds that came after a number, and a channel that is closed at the next.
func (t *topic) after(number int64) ([]second, <-chan struct{}) {
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.kept, func(s second) bool { return s.number > number })
	if i < 0 {
		return nil, t.changed
	}
	return slices.Clone(t.kept[i:]), t.changed
}

// tell looks at the sale once a second while somebody watches.
func (t *topic) tell() {
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	n := t.night
	before := n.Meter.read(n.Clock.Now())
	for range ticker.C {
		now := n.Meter.read(n.Clock.Now())
		ctx, cancel := context.WithTimeout(context.Background(), readWithin)
		told, err := n.look(ctx, t.sale, now.at)
		cancel()
		if err != nil && !gone(err) {
			n.Errors.WarnContext(ctx, "a second of the night could not be read", "sale", t.sale.String(), "error", err)
		}
		told.Rates = now.since(before)
		before = now
		if t.keep(encode(told), err == nil) {
			return
		}
	}
}

// keep adds a second, and reports whether nobody watches any more.
func (t *topic) keep(message []byte, good bool) (over bool) {
	t.night.mu.Lock()
	defer t.night.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	if good {
		number := int64(1)
		if len(t.kept) > 0 {
			number = t.kept[len(t.kept)-1].number + 1
		}
		if t.kept = append(t.kept, second{number, message}); len(t.kept) > keptSeconds {
			t.kept = slices.Clone(t.kept[len(t.kept)-keptSeconds:])
		}
		close(t.changed)
		t.changed = make(chan struct{})
	}
	if t.viewers > 0 {
		return false
	}
	t.telling = false
	maps.DeleteFunc(t.night.topics, func(_ id.Sale, other *topic) bool { return other == t })
	return true
}

// told is a second of the night.
type told struct {
	At     int64       `json:"at"` // Unix milliseconds
	Phase  sale.Status `json:"phase"`
	Starts int64       `json:"starts"`
	Ends   int64       `json:"ends"`
	Limit  int64       `json:"limit"`

	Allocated int64 `json:"allocated"`
	Sold      int64 `json:"sold"`
	Reserved  int64 `json:"reserved"`
	Left      int64 `json:"left"` // by the database
	Gate      int64 `json:"gate"` // by the gate

	Pending int64 `json:"pending"` // orders that wait for payment
	Due     int64 `json:"due"`     // of which expire within a minute

	Rates Rates       `json:"rates"`
	Items []toldItem  `json:"items"`
	Last  []toldOrder `json:"last"`
}

type toldItem struct {
	Name     string `json:"name"`
	Code     string `json:"code"`
	Left     int64  `json:"left"`
	Reserved int64  `json:"reserved"`
	Sold     int64  `json:"sold"`
}

type toldOrder struct {
	ID       string       `json:"id"`
	At       int64        `json:"at"`
	Units    int64        `json:"units"`
	Total    string       `json:"total"`
	Currency string       `json:"currency"`
	Status   order.Status `json:"status"`
}

// look reads what a second shows.
func (n *Night) look(ctx context.Context, s id.Sale, now time.Time) (told, error) {
	sl, err := n.Sales.Published(ctx, s)
	if err != nil {
		return told{}, err
	}
	out := told{
		At: now.UnixMilli(), Phase: sl.Phase(now), Starts: sl.StartsAt.UnixMilli(), Ends: sl.EndsAt.UnixMilli(), Limit: sl.Limit,
		Items: []toldItem{}, Last: []toldOrder{},
	}
	pools, err := n.Books.SaleStock(ctx, s)
	if err != nil {
		return out, err
	}
	for i, p := range pools {
		out.Sold, out.Reserved, out.Left = out.Sold+p.Sold, out.Reserved+p.Reserved, out.Left+p.Available()
		if level, ok := n.Levels.Level(inventory.Pool{Sale: s, SKU: p.SKU}); ok {
			out.Gate += max(level, 0)
		}
		if i < shownItems {
			name, err := entry.NameOf(ctx, n.Products, productOf(sl, p.SKU), p.SKU)
			if err != nil {
				return out, err
			}
			out.Items = append(out.Items, toldItem{Name: name.String(), Code: name.Code, Left: p.Available(), Reserved: p.Reserved, Sold: p.Sold})
		}
	}
	for _, it := range sl.Items {
		out.Allocated += it.Allocation
	}
	if out.Pending, out.Due, err = n.Books.SaleDue(ctx, s, now.Add(dueWithin)); err != nil {
		return out, err
	}
	last, err := n.Orders.Search(ctx, order.Filter{Sale: s, Limit: passing})
	if err != nil {
		return out, err
	}
	for i := range last {
		o := &last[i]
		out.Last = append(out.Last, toldOrder{ID: o.ID.String(), At: o.CreatedAt.UnixMilli(), Units: o.Units, Total: o.Total.Decimal(), Currency: string(o.Total.Currency), Status: o.Status})
	}
	return out, nil
}

// productOf returns the product of an item; zero for what is no item any more.
func productOf(sl *sale.Sale, sku id.SKU) id.Product {
	i := slices.IndexFunc(sl.Items, func(it sale.Item) bool { return it.SKU == sku })
	if i < 0 {
		return 0
	}
	return sl.Items[i].Product
}
