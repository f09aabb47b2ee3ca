package catalog

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

func isInvalid(err error, field string) bool {
	return errors.Is(err, fault.Invalid) && fault.As(err).Field == field
}

// shelfStub is a Store in memory that counts its reads and lets a test delay them. It implements only what the Reader
// and single edits need; package store and the API tests test the real engine.
type shelfStub struct {
	Store
	mu       sync.Mutex
	products map[id.Product]Product
	mostRead []id.Product
	loads    atomic.Int64
	fail     atomic.Bool
	// onLoad, if set, is called by a load after its read and before it returns.
	onLoad atomic.Pointer[func()]
}

func newShelfStub(products ...Product) *shelfStub {
	s := &shelfStub{products: map[id.Product]Product{}}
	for _, p := range products {
		s.products[p.ID] = p
	}
	return s
}

func (s *shelfStub) read(fn func()) error {
	s.loads.Add(1)
	if s.fail.Load() {
		return fault.New(fault.StoreUnavailable, "down")
	}
	s.mu.Lock()
	fn()
	s.mu.Unlock()
	if hook := s.onLoad.Load(); hook != nil {
		(*hook)()
	}
	return nil
}

func (s *shelfStub) Product(_ context.Context, product id.Product) (p Product, err error) {
	ok := false
	if err = s.read(func() { p, ok = s.products[product] }); err == nil && !ok {
		err = fault.New(fault.NotFound, "none")
	}
	return p, err
}

func (s *shelfStub) find(match func(*Product) bool) (found id.Product, err error) {
	err = s.read(func() {
		for _, p := range s.products {
			if match(&p) {
				found = p.ID
			}
		}
	})
	if err == nil && found.IsZero() {
		err = fault.New(fault.NotFound, "none")
	}
	return found, err
}

func (s *shelfStub) ProductByHandle(_ context.Context, handle string) (id.Product, error) {
	return s.find(func(p *Product) bool { return p.Handle == handle })
}

func (s *shelfStub) ProductByCode(_ context.Context, code string) (id.Product, error) {
	return s.find(func(p *Product) bool { return slices.Contains(p.Keys().Codes, code) })
}

func (s *shelfStub) Products(_ context.Context, q Query) (page []Product, err error) {
	return page, s.read(func() {
		for _, p := range s.products {
			if p.Status == q.Status && (q.After.IsZero() || p.ID < q.After) {
				page = append(page, p)
			}
		}
		slices.SortFunc(page, func(a, b Product) int { return int(b.ID - a.ID) })
		page = page[:min(len(page), q.Limit)]
	})
}

func (s *shelfStub) Sellables(_ context.Context, skus []id.SKU) (found []Sellable, err error) {
	return found, s.read(func() {
		for _, p := range s.products {
			for _, v := range p.Variants {
				if slices.Contains(skus, v.ID) {
					found = append(found, Sellable{v.ID, p.ID, v.Price.Minor, p.Status == Published, p.Rehearsal})
				}
			}
		}
	})
}

func (s *shelfStub) Categories(context.Context) ([]Category, error) { return nil, nil }
func (s *shelfStub) Brands(context.Context) ([]Brand, error)        { return nil, nil }
func (s *shelfStub) MostRead(context.Context) ([]id.Product, error) { return s.mostRead, nil }
func (s *shelfStub) OtherCurrency(context.Context, money.Currency) (money.Currency, error) {
	return "", nil
}

func (s *shelfStub) SetMostRead(_ context.Context, p []id.Product) error {
	s.mostRead = p
	return nil
}

func (s *shelfStub) CatalogKeys(_ context.Context, fn func(Keys)) error {
	for _, p := range s.products {
		fn(p.Keys())
	}
	return nil
}

// PutProducts adds or replaces products under the put's ids.
func (s *shelfStub) PutProducts(_ context.Context, b Batch) (changes []Change, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, put := range b.Puts {
		before, p := s.products[put.Product.ID], put.Product
		p.Version = before.Version + 1
		for i := range before.Variants {
			p.Variants[i].ID = before.Variants[i].ID
		}
		s.products[p.ID] = p
		action := Updated
		if before.ID.IsZero() {
			action = Created
		}
		changes = append(changes, Change{Action: action, Before: before, After: p})
	}
	return changes, nil
}

// retitle changes a product behind the service's back: memory keeps the old one.
func (s *shelfStub) retitle(product id.Product, title string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.products[product]
	p.Title = title
	s.products[product] = p
}

// numbered returns a published product whose id, handle and code are derived from n.
func numbered(n int64) Product {
	return Product{ID: id.Product(n), Handle: fmt.Sprint("h", n), Title: fmt.Sprint("Product ", n), Status: Published, Version: 1,
		Variants: []Variant{{ID: id.SKU(1000 + n), Code: fmt.Sprint("C", n), Price: money.Of(100*n, "GBP")}}}
}

type readerTest struct {
	*testing.T
	store   *shelfStub
	clock   *clock.Manual
	reader  *Reader
	service *Service
}

func newReaderTest(t *testing.T, products ...Product) *readerTest {
	store, clk := newShelfStub(products...), clock.NewManual(time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC))
	mint, err := id.NewMint(clk, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := NewReader(DefaultConfig(), store, nil, clk, slog.New(slog.DiscardHandler))
	return &readerTest{T: t, store: store, clock: clk, reader: r, service: New(DefaultConfig(), store, r, mint, clk)}
}

func (t *readerTest) open() {
	t.Helper()
	if err := t.reader.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (t *readerTest) title(product id.Product) string {
	t.Helper()
	page, err := t.reader.Product(t.Context(), product)
	if err != nil {
		t.Fatal(err)
	}
	return titleOf(t.T, page)
}

func titleOf(t *testing.T, page *Page) string {
	t.Helper()
	var v View
	if err := json.Unmarshal(page.Body, &v); err != nil {
		t.Fatal(err)
	}
	return v.Title
}

// rename changes a product's title through the service.
func (t *readerTest) rename(n int64, title string) {
	t.Helper()
	p := numbered(n)
	p.Title = title
	if _, err := t.service.Replace(t.Context(), p.ID, 1, Input{Product: p}); err != nil {
		t.Error(err)
	}
}
