package catalogue

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/store"
)

// TestChangesOfAnotherProcess: what one process changes in the catalogue, another one that has it in memory drops.
func TestChangesOfAnotherProcess(t *testing.T) {
	t.Parallel()
	config := store.DefaultConfig()
	config.Path = filepath.Join(t.TempDir(), config.Path)
	s, err := store.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	put := func(price int64, code string) {
		t.Helper()
		p := catalog.Product{ID: 7, Handle: "mug", Title: "Mug", Status: catalog.Published, Variants: []catalog.Variant{{ID: id.SKU(100 + price), Code: code, Price: money.Of(price, "GBP")}}}
		changes, err := s.PutProducts(t.Context(), catalog.Batch{Puts: []catalog.Put{{Mode: catalog.PutByHandle, Product: p}}, Now: time.Now(), NewID: func() int64 { return 1 }})
		if err != nil || changes[0].Err != nil {
			t.Fatal(err, changes)
		}
	}
	put(100, "MUG")
	reader := catalog.NewReader(catalog.DefaultConfig(), s, nil, clock.System{}, slog.New(slog.DiscardHandler))
	follow := NewChanges(s, reader)
	if err := follow.Begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := reader.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	page := func() string {
		t.Helper()
		p, err := reader.Product(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		return string(p.Body)
	}
	first := page()
	put(250, "CUP") // by another process: this reader is not told
	if page() != first {
		t.Fatal("the reader has nothing in memory, so the test shows nothing")
	}
	if did, err := follow.Step(t.Context()); did != 1 || err != nil {
		t.Fatalf("%d products were heard of, %v", did, err)
	}
	if now := page(); !strings.Contains(now, "250") || strings.Contains(now, "MUG\"") {
		t.Errorf("after the change the page is still %s", now)
	}
	if _, err := reader.ProductByCode(t.Context(), "CUP"); err != nil {
		t.Errorf("a code that has come to exist: %v", err)
	}
	if did, err := follow.Step(t.Context()); did != 0 || err != nil {
		t.Errorf("%d products were heard of twice, %v", did, err)
	}
}
