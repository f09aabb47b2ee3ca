// Package live tells what a sale looks like at this moment, to pages and to whoever watches it: looked at a few times a second
// however many ask, and encoded once however many are told.
package live

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

// Sales finds sales that shoppers may see, from memory. It returns fault.NotFound. See sale.Service.
type Sales interface {
	Published(ctx context.Context, s id.Sale) (*sale.Sale, error)
}

// Encode makes the message that a moment is told with, in one language (its Language.Index).
type Encode func(m *Moment, lang int) []byte

// Moment is a sale as it was found. It is shared, and never changed.
type Moment struct {
	Sale  *sale.Sale
	Phase sale.Status
	// Left is what is left of each item of the sale, in their order, or Unknown; zero unless the sale is scheduled, live or paused.
	Left []int64
	// Revision grows with every change, and differs between processes.
	Revision uint64

	until    time.Time // the clock changes the phase then
	messages [][]byte
}

// Unknown stands for a number of units that the shop does not know at this moment.
const Unknown = -1

// SoldOut reports whether the sale is on, and known to have nothing left of any of its items.
func (m *Moment) SoldOut() bool {
	return m.Phase == sale.Live && !slices.ContainsFunc(m.Left, func(n int64) bool { return n != 0 })
}

// Message returns the moment's message in a language.
func (m *Moment) Message(lang int) []byte { return m.messages[lang] }

const (
	// lookEvery is how old a moment may be: what a shopper sees of a sale is that late at most, beside the way to them.
	lookEvery = 200 * time.Millisecond
	// tellEvery is how often those who watch are told, at most: more often than a person can read.
	tellEvery = 500 * time.Millisecond
	// topicsMax bounds the sales that are remembered.
	topicsMax = 512
)

// Board knows the present moment of every sale that somebody looks at. Safe for concurrent use.
type Board struct {
	sales  Sales
	levels sale.Availability
	clock  clock.Clock
	encode Encode
	langs  int

	revision atomic.Uint64
	viewers  atomic.Int64
	mu       sync.RWMutex
	topics   map[id.Sale]*topic
}

// topic is one sale.
type topic struct {
	board *Board
	sale  id.Sale

	looking sync.Mutex
	moment  atomic.Pointer[Moment]
	lookAt  atomic.Int64 // Unix nanoseconds: when the moment is to be looked at again

	mu      sync.Mutex
	viewers int
	telling bool          // tell runs
	changed chan struct{} // closed when there is a new moment
}

// NewBoard returns a board; encode makes messages in so many languages.
func NewBoard(s Sales, l sale.Availability, c clock.Clock, langs int, encode Encode) *Board {
	b := &Board{sales: s, levels: l, clock: c, langs: langs, encode: encode, topics: map[id.Sale]*topic{}}
	b.revision.Store(uint64(c.Now().UnixMilli()) << 20)
	return b
}

// Viewers returns how many watch.
func (b *Board) Viewers() int64 { return b.viewers.Load() }

// Look returns the sale as it is now, by the board's clock, give or take 200 ms; a change of its terms, and of its phase by the clock, is
// seen at once. It returns fault.NotFound, and the store's errors.
func (b *Board) Look(ctx context.Context, s id.Sale, now time.Time) (*Moment, error) {
	sl, err := b.sales.Published(ctx, s)
	if err != nil {
		return nil, err
	}
	return b.topic(s).look(sl, now), nil
}

func (b *Board) topic(s id.Sale) *topic {
	b.mu.RLock()
	t := b.topics[s]
	b.mu.RUnlock()
	if t != nil {
		return t
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if t := b.topics[s]; t != nil {
		return t
	}
	if len(b.topics) >= topicsMax {
		b.forget()
	}
	t = &topic{board: b, sale: s}
	b.topics[s] = t
	return t
}

// forget drops the sales that nobody watches; the caller holds b.mu.
func (b *Board) forget() {
	for s, t := range b.topics {
		t.mu.Lock()
		if t.viewers == 0 {
			delete(b.topics, s)
		}
		t.mu.Unlock()
	}
}

func (t *topic) look(sl *sale.Sale, now time.Time) *Moment {
	m := t.moment.Load()
	if m != nil && m.Sale == sl && now.Before(m.until) && now.UnixNano() < t.lookAt.Load() {
		return m
	}
	t.looking.Lock()
	defer t.looking.Unlock()
	if again := t.moment.Load(); again != m {
		return again // somebody else has looked meanwhile
	}
	next := t.board.find(sl, now)
	t.lookAt.Store(now.Add(lookEvery).UnixNano())
	if m != nil && m.same(next) {
		return m
	}
	next.Revision = t.board.revision.Add(1)
	for lang := range t.board.langs {
		next.messages = append(next.messages, t.board.encode(next, lang))
	}
	t.moment.Store(next)
	return next
}

func (m *Moment) same(next *Moment) bool {
	return m.Sale == next.Sale && m.Phase == next.Phase && m.until.Equal(next.until) && slices.Equal(m.Left, next.Left)
}

// never is beyond any sale's end.
var never = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func (b *Board) find(sl *sale.Sale, now time.Time) *Moment {
	m := &Moment{Sale: sl, Phase: sl.Phase(now), Left: make([]int64, len(sl.Items)), until: never}
	switch m.Phase {
	case sale.Scheduled:
		m.until = sl.StartsAt
	case sale.Live, sale.Paused:
		m.until = sl.EndsAt
	default:
		return m
	}
	for i := range sl.Items {
		left, known := sl.Left(&sl.Items[i], b.levels)
		if m.Left[i] = left; !known {
			m.Left[i] = Unknown
		}
	}
	return m
}

// Watch tells a viewer of every change, until the context ends, stop is closed, or tell fails, whose error it returns. What
// comes faster than the viewer takes it is left out: they get the newest. tell gets a nil moment where nothing has
// changed for the time quiet. It returns fault.NotFound where there is no such sale.
func (b *Board) Watch(ctx context.Context, stop <-chan struct{}, s id.Sale, quiet time.Duration, tell func(*Moment) error) error {
	if _, err := b.Look(ctx, s, b.clock.Now()); err != nil {
		return err
	}
	t := b.topic(s)
	b.viewers.Add(1)
	defer b.viewers.Add(-1)
	t.join()
	defer t.leave()
	timer := time.NewTimer(quiet)
	defer timer.Stop()
	told := uint64(0)
	for {
		changed := t.next()
		if m := t.moment.Load(); m != nil && m.Revision != told {
			told = m.Revision
			if err := tell(m); err != nil {
				return err
			}
			timer.Reset(quiet)
		}
		select {
		case <-changed:
		case <-timer.C:
			timer.Reset(quiet)
			if err := tell(nil); err != nil {
				return err
			}
		case <-stop:
			return nil
		case <-ctx.Done():
			return nil
		}
	}
}

// join counts a viewer. The first sets a goroutine to look; it ends with the last.
func (t *topic) join() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers++
	if !t.telling {
		t.telling, t.changed = true, make(chan struct{})
		go t.tell()
	}
}

func (t *topic) leave() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.viewers--
}

// next is closed at the next change.
func (t *topic) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}

// tell looks at the sale while somebody watches, and wakes them when it has changed.
func (t *topic) tell() {
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	told := uint64(0)
	for range ticker.C {
		// A sale that cannot be read now is looked at again at the next tick.
		if sl, err := t.board.sales.Published(context.Background(), t.sale); err == nil {
			t.look(sl, t.board.clock.Now())
		}
		m := t.moment.Load()
		t.mu.Lock()
		if m != nil && m.Revision != told {
			told = m.Revision
			close(t.changed)
			t.changed = make(chan struct{})
		}
		if t.viewers == 0 {
			t.telling = false
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
	}
}
