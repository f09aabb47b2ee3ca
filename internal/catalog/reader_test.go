package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

func TestOneLoadServesAllWhoWait(t *testing.T) {
	rt := newReaderTest(t, numbered(1))
	rt.open()
	rt.store.loads.Store(0)
	release := make(chan struct{})
	hold := func() { <-release }
	rt.store.onLoad.Store(&hold)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if page, err := rt.reader.Product(context.Background(), 1); err != nil || len(page.Body) == 0 {
				t.Errorf("%v, %v", page, err)
			}
		})
	}
	time.Sleep(10 * time.Millisecond) // most readers wait by now; later ones are answered from memory
	close(release)
	wg.Wait()
	if n := rt.store.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
}

func TestTheReaderWhoLeavesDoesNotEndTheLoad(t *testing.T) {
	rt := newReaderTest(t, numbered(1))
	ctx, cancel := context.WithCancel(t.Context())
	hold := func() { cancel() }
	rt.store.onLoad.Store(&hold)
	_, _ = rt.reader.Product(ctx, 1)
	rt.store.fail.Store(true) // what is answered now was kept by the load whose reader left
	if _, err := rt.reader.Product(t.Context(), 1); err != nil {
		t.Error(err)
	}
}

// The load has read the old row when the write commits. The old row must not replace the new one in memory.
func TestALoadFromBeforeTheWriteIsNotKept(t *testing.T) {
	for name, read := range map[string]func(*readerTest) string{
		"product":   func(rt *readerTest) string { return rt.title(1) },
		"by handle": func(rt *readerTest) string { return readTitle(rt, rt.reader.ProductByHandle, "h1") },
		"by code":   func(rt *readerTest) string { return readTitle(rt, rt.reader.ProductByCode, "C1") },
		"list": func(rt *readerTest) string {
			page, err := rt.reader.List(context.Background(), ListQuery{Limit: 10})
			if err != nil {
				rt.Fatal(err)
			}
			return string(page.Body)
		},
		"price": func(rt *readerTest) string {
			price, err := rt.reader.Price(context.Background(), 1001)
			if err != nil {
				rt.Fatal(err)
			}
			return fmt.Sprint(price.Minor)
		},
	} {
		t.Run(name, func(t *testing.T) {
			rt := newReaderTest(t, numbered(1))
			inLoad, goOn := make(chan struct{}), make(chan struct{})
			var once sync.Once
			hold := func() {
				once.Do(func() {
					close(inLoad)
					<-goOn
				})
			}
			rt.store.onLoad.Store(&hold)
			done := make(chan struct{})
			go func() {
				defer close(done)
				read(rt)
			}()
			<-inLoad
			p := numbered(1)
			p.Title, p.Variants[0].Price.Minor = "New", 777
			if _, err := rt.service.Replace(t.Context(), 1, 1, Input{Product: p}); err != nil {
				t.Fatal(err)
			}
			close(goOn)
			<-done
			if got := read(rt); !strings.Contains(got, "New") && got != "777" {
				t.Errorf("after the write: %s", got)
			}
		})
	}
}

func readTitle(rt *readerTest, by func(context.Context, string) (*Page, error), key string) string {
	rt.Helper()
	page, err := by(context.Background(), key)
	if err != nil {
		rt.Fatal(err)
	}
	return titleOf(rt.T, page)
}

// Readers and a writer race. Each read after a write's answer sees that write or a later one.
func TestReadersNeverGoBack(t *testing.T) {
	rt := newReaderTest(t, numbered(1))
	rt.open()
	var written atomic.Int64
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				floor := written.Load()
				price, err := rt.reader.Price(context.Background(), 1001)
				if err != nil || price.Minor < floor && floor > 0 {
					t.Errorf("price %v after %d was written: %v", price, floor, err)
					return
				}
			}
		})
	}
	for n := int64(1); n <= 2000; n++ {
		p := numbered(1)
		p.Variants[0].Price.Minor = 1000 + n
		if _, err := rt.service.Replace(t.Context(), 1, 0, Input{Product: p}); err != nil {
			t.Fatal(err)
		}
		written.Store(1000 + n)
	}
	close(stop)
	wg.Wait()
}

func TestWhatDoesNotExist(t *testing.T) {
	rt := newReaderTest(t, numbered(1))
	hidden := numbered(2)
	hidden.Status = Draft
	rt.store.products[2] = hidden
	rt.open()
	rt.store.loads.Store(0)
	ctx := t.Context()
	for range 3 {
		for what, err := range map[string]error{
			"id":     second(rt.reader.Product(ctx, 99)),
			"handle": second(rt.reader.ProductByHandle(ctx, "nope")),
			"code":   second(rt.reader.ProductByCode(ctx, "c1")),
			"draft":  second(rt.reader.Product(ctx, 2)),
		} {
			if !errors.Is(err, fault.NotFound) {
				t.Errorf("%s: %v, want not found", what, err)
			}
		}
	}
	if n := rt.store.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1: the draft's; the filter stops the others", n)
	}
	product, price, err := rt.reader.Offer(ctx, 1001)
	if err != nil || product != 1 || price != money.Of(100, "GBP") {
		t.Errorf("offer: %v, %v, %v", product, price, err)
	}
	for sku, known := range map[id.SKU]bool{5: false, 1002: true} {
		if _, _, err := rt.reader.Offer(ctx, sku); !errors.Is(err, fault.NotInSale) {
			t.Errorf("offer of %d: %v, want not in sale", sku, err)
		}
		if err := rt.reader.KnowsSKU(ctx, sku); known != (err == nil) || !known && !errors.Is(err, fault.NotFound) {
			t.Errorf("knows %d: %v", sku, err)
		}
	}
	// A product that a write makes visible is visible immediately, although its absence was cached.
	rt.rename(2, "Shown")
	if got := rt.title(2); got != "Shown" {
		t.Errorf("title %q", got)
	}
	p := numbered(99)
	p.ID = 0
	v, err := rt.service.Create(ctx, Input{Product: p})
	if err != nil {
		t.Fatal(err)
	}
	for what, err := range map[string]error{
		"id":     second(rt.reader.Product(ctx, v.ID)),
		"handle": second(rt.reader.ProductByHandle(ctx, "h99")),
		"code":   second(rt.reader.ProductByCode(ctx, "C99")),
	} {
		if err != nil {
			t.Errorf("new %s: %v", what, err)
		}
	}
}

func second[A any](_ A, err error) error { return err }

func TestTheAnswerThatSomethingIsMissingIsShort(t *testing.T) {
	rt := newReaderTest(t)
	// The filter is not filled yet, so the store is queried, once.
	for range 3 {
		if err := second(rt.reader.Product(t.Context(), 7)); !errors.Is(err, fault.NotFound) {
			t.Fatal(err)
		}
	}
	if n := rt.store.loads.Load(); n != 1 {
		t.Errorf("%d loads, want 1", n)
	}
	rt.clock.Advance(DefaultConfig().Cache.MissingLifetime + time.Millisecond)
	_ = second(rt.reader.Product(t.Context(), 7))
	if n := rt.store.loads.Load(); n != 2 {
		t.Errorf("%d loads after its end, want 2", n)
	}
}

func TestAFailedLoadIsNotKept(t *testing.T) {
	rt := newReaderTest(t, numbered(1))
	rt.store.fail.Store(true)
	if err := second(rt.reader.Product(t.Context(), 1)); !errors.Is(err, fault.StoreUnavailable) {
		t.Fatal(err)
	}
	rt.store.fail.Store(false)
	if got := rt.title(1); got != "Product 1" {
		t.Error(got)
	}
}

func TestWhatIsHotIsRefreshedBeforeItsEnd(t *testing.T) {
	rt := newReaderTest(t, numbered(1), numbered(2))
	rt.title(1)
	rt.title(2)
	lifetime := DefaultConfig().Cache.Lifetime
	rt.clock.Advance(lifetime * 83 / 100) // past every jittered refresh time, before every expiry
	rt.store.retitle(1, "Refreshed")
	await.Equal(t, "the refresh has run behind an answer from memory", "Refreshed", func() string { return rt.title(1) })
	rt.clock.Advance(lifetime * 30 / 100) // past the first expiries
	rt.store.fail.Store(true)
	if got := rt.title(1); got != "Refreshed" {
		t.Error(got)
	}
	if err := second(rt.reader.Product(t.Context(), 2)); err == nil {
		t.Error("what nobody read was kept beyond its end")
	}
}

func TestEachChangeHasAnETagOfItsOwn(t *testing.T) {
	rt := newReaderTest(t, numbered(1))
	first, _ := rt.reader.Product(t.Context(), 1)
	again, _ := rt.reader.ProductByCode(t.Context(), "C1")
	rt.rename(1, "New")
	changed, _ := rt.reader.Product(t.Context(), 1)
	if first != again || first.ETag == changed.ETag || !strings.HasPrefix(first.ETag, `"`) {
		t.Errorf("%s, %s, %s", first.ETag, again.ETag, changed.ETag)
	}
}

func TestTheMostReadAreWarmAfterARestart(t *testing.T) {
	var all []Product
	for n := range int64(100) {
		all = append(all, numbered(n+1))
	}
	rt := newReaderTest(t, all...)
	rt.open()
	for range 2000 {
		rt.title(7)
		rt.title(8)
	}
	if did, err := rt.reader.SaveMostRead(t.Context()); err != nil || did < 2 {
		t.Fatalf("%d, %v", did, err)
	}
	rt.reader = NewReader(DefaultConfig(), rt.store, nil, rt.clock, slog.New(slog.DiscardHandler))
	rt.open()
	loads := rt.store.loads.Load()
	rt.title(7)
	rt.title(8)
	if _, err := rt.reader.Price(t.Context(), 1007); err != nil {
		t.Fatal(err)
	}
	if _, err := rt.reader.List(t.Context(), ListQuery{Limit: PageDefault}); err != nil {
		t.Fatal(err)
	}
	if n := rt.store.loads.Load() - loads; n != 0 {
		t.Errorf("%d loads, want none", n)
	}
}

func TestMostReadIsBounded(t *testing.T) {
	m := newMostRead(5)
	for n := range 10_000 {
		m.count(id.Product(n + 100))
		m.count(1)
		if n%2 == 0 {
			m.count(2)
		}
	}
	if len(m.counts) > 20 {
		t.Errorf("%d counted, want at most 20", len(m.counts))
	}
	if top := m.top(5); len(top) != 5 || top[0] != 1 || top[1] != 2 {
		t.Errorf("top: %v", top)
	}
}

func TestListPages(t *testing.T) {
	var all []Product
	for n := range int64(5) {
		all = append(all, numbered(n+1))
	}
	rt := newReaderTest(t, all...)
	var got []id.Product
	var next string
	for range 4 {
		page, err := rt.reader.List(t.Context(), ListQuery{Cursor: next, Limit: 2})
		if err != nil {
			t.Fatal(err)
		}
		var v listView[View]
		if err := json.Unmarshal(page.Body, &v); err != nil {
			t.Fatal(err)
		}
		for _, p := range v.Items {
			got = append(got, p.ID)
		}
		if v.Next == "" {
			break
		}
		next = v.Next
	}
	if !slices.Equal(got, []id.Product{5, 4, 3, 2, 1}) {
		t.Error(got)
	}
	for field, q := range map[string]ListQuery{"limit": {Limit: PageMax + 1}, "category": {Limit: 1, Category: "x"}, "brand": {Limit: 1, Brand: "x"}} {
		if _, err := rt.reader.List(t.Context(), q); !isInvalid(err, field) {
			t.Errorf("%s: %v", field, err)
		}
	}
	for _, name := range []string{"mug", "!"} {
		if _, err := rt.reader.List(t.Context(), ListQuery{Name: name, Cursor: next, Limit: 2}); !errors.Is(err, fault.BadRequest) {
			t.Errorf("a search for %q takes the cursor of the list of all: %v", name, err)
		}
	}
}

func TestFilterGrows(t *testing.T) {
	f := newFilter()
	f.next = 64
	f.ready.Store(true)
	for n := range 5000 {
		f.add(productKey(id.Product(n)))
	}
	wrong := 0
	for n := range 5000 {
		if !f.may(productKey(id.Product(n))) {
			t.Fatalf("%d was added and is denied", n)
		}
		if f.may(productKey(id.Product(n + 1_000_000))) {
			wrong++
		}
	}
	if wrong > 100 || len(f.layers) < 3 {
		t.Errorf("%d of 5000 taken for known, %d layers", wrong, len(f.layers))
	}
}

func BenchmarkProductFromMemory(b *testing.B) {
	store := newShelfStub(numbered(1))
	r := NewReader(DefaultConfig(), store, nil, clock.System{}, slog.New(slog.DiscardHandler))
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Product(ctx, 1); err != nil {
				b.Error(err)
			}
		}
	})
}

func BenchmarkPriceFromMemory(b *testing.B) {
	r := NewReader(DefaultConfig(), newShelfStub(numbered(1)), nil, clock.System{}, slog.New(slog.DiscardHandler))
	ctx := context.Background()
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := r.Price(ctx, 1001); err != nil {
				b.Error(err)
			}
		}
	})
}
