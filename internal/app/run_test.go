package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// testConfig is a shop in a folder of its own, on free ports.
func testConfig(t testing.TB) Config {
	t.Helper()
	c := DefaultConfig()
	c.Data = t.TempDir()
	shoptest.Migrated(t, filepath.Join(c.Data, c.Store.Path))
	c.HTTP.Address, c.Ops.Address = "127.0.0.1:0", "127.0.0.1:0"
	c.Payments.Provider = "sandbox"
	// As long as can be: no test means to meet the end of these that does not say so.
	c.Orders.AnswerWithin, c.Process.ShutdownGrace = 30*time.Second, 10*time.Minute
	return c
}

// opened starts a shop whose configuration was changed, with both lanes, and returns it while it runs. It ends with the test.
func opened(t testing.TB, o Options, change ...func(*Config)) (*App, Addresses) {
	t.Helper()
	c := testConfig(t)
	c.Express.Address = "127.0.0.1:0"
	for _, f := range change {
		f(&c)
	}
	a, err := New(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	at, stop := running(t, a)
	t.Cleanup(func() {
		if err := errors.Join(stop(), a.Close()); err != nil {
			t.Error(err)
		}
	})
	return a, at
}

// stocked puts one product with units on sale, live at once, and returns the sale and the SKU.
func stocked(t *testing.T, a *App, units int64) (id.Sale, id.SKU) {
	t.Helper()
	ctx := t.Context()
	price := money.Of(1000, "GBP")
	made, err := a.catalog.Create(ctx, catalog.Input{Product: catalog.Product{
		Handle: "mug", Title: "Mug", Status: catalog.Published, Variants: []catalog.Variant{{Code: "MUG", Price: price}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	sku := made.Variants[0].SKU
	if _, err := a.stock.Adjust(ctx, inventory.Adjustment{SKU: sku, Kind: inventory.Receive, Units: units, Reason: "test", Actor: "test", Key: "k"}); err != nil {
		t.Fatal(err)
	}
	now := a.clock.Now()
	draft, err := a.sales.Create(ctx, sale.Sale{
		Title: "Drop", StartsAt: now.Add(-time.Second), EndsAt: now.Add(time.Hour), PaymentWindow: time.Minute,
		Items: []sale.Item{{SKU: sku, Price: price, Allocation: units}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.sales.Move(ctx, draft.ID, sale.Scheduled, "test"); err != nil {
		t.Fatal(err)
	}
	return draft.ID, sku
}

// running starts Run and returns its addresses, and a function that stops it and returns what Run returned.
func running(t testing.TB, a *App) (Addresses, func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	select {
	case <-a.Ready():
	case err := <-ended:
		cancel()
		t.Fatalf("Run: %v", err)
	}
	return a.Addresses(), func() error {
		cancel()
		select {
		case err := <-ended:
			return err
		case <-time.After(await.Max):
			return fmt.Errorf("Run did not return")
		}
	}
}

// buyer places orders for one customer each.
type buyer struct {
	client *http.Client
	public string
	sale   id.Sale
	sku    id.SKU
}

// buy places one order and returns the status and the order's id; zero where nobody answered.
func (b buyer) buy(token, key string) (int, string) {
	body := fmt.Sprintf(`{"lines":[{"sku_id":"%s","quantity":1}]}`, b.sku)
	r, err := http.NewRequest(http.MethodPost, b.public+"/v1/sales/"+b.sale.String()+"/orders", bytes.NewBufferString(body))
	if err != nil {
		return 0, err.Error()
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Idempotency-Key", key)
	r.Header.Set("Content-Type", "application/json")
	answer, err := b.client.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	var o struct {
		ID string `json:"id"`
	}
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	if err := json.Unmarshal(text, &o); err != nil {
		return 0, string(text)
	}
	return answer.StatusCode, o.ID
}

func tokensFor(t testing.TB, c Config, n int) []string {
	t.Helper()
	var tokens []string
	err := TestTokens(c, "5000", n, time.Hour, func(token TestToken) error {
		tokens = append(tokens, token.Token)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

// TestAStopFinishesWhatWasAccepted stops the shop while a crowd is buying. Whoever was answered has their order after a
// restart, nobody was answered with a failure of ours, and no goroutine is left.
func TestAStopFinishesWhatWasAccepted(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	const shoppers, units = 100, 100_000
	c := testConfig(t)
	a, err := New(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	sl, sku := stocked(t, a, units)
	at, stop := running(t, a)
	b := buyer{client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: shoppers}}, public: at.Public, sale: sl, sku: sku}

	var mu sync.Mutex
	accepted := map[string]bool{}
	var crowd sync.WaitGroup
	enough := make(chan struct{})
	var once sync.Once
	for i, token := range tokensFor(t, c, shoppers) {
		crowd.Go(func() {
			for n := 0; ; n++ {
				status, order := b.buy(token, fmt.Sprintf("%d-%d", i, n))
				switch status {
				case http.StatusCreated:
					mu.Lock()
					accepted[order] = true
					if len(accepted) == 5*shoppers {
						once.Do(func() { close(enough) })
					}
					mu.Unlock()
				case 0, http.StatusServiceUnavailable:
					return // the doors are closed
				default:
					t.Errorf("answered %d %s", status, order)
					return
				}
			}
		})
	}
	<-enough
	if err := stop(); err != nil {
		t.Errorf("Run: %v", err)
	}
	crowd.Wait()
	b.client.CloseIdleConnections()
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}

	again, err := New(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	for order := range accepted {
		number, err := id.Parse[id.Order](order)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.orders.Find(t.Context(), number); err != nil {
			t.Fatalf("an accepted order is lost: %v", err)
		}
	}
	pools, err := again.store.Pools(t.Context(), sku)
	if err != nil {
		t.Fatal(err)
	}
	if pools[1].Reserved < int64(len(accepted)) {
		t.Errorf("%d units are reserved for %d accepted orders", pools[1].Reserved, len(accepted))
	}
	t.Logf("%d orders accepted, %d units reserved", len(accepted), pools[1].Reserved)
}

func TestRunSaysWhatCannotListen(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	first, err := New(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = first.Close() }()
	at, stop := running(t, first)
	taken := at.Public[len("http://"):]

	c = testConfig(t)
	c.HTTP.Address = taken
	second, err := New(t.Context(), c, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = second.Close() }()
	if err := second.Run(t.Context()); err == nil || !bytes.Contains([]byte(err.Error()), []byte(taken+" (http.address)")) {
		t.Errorf("Run on a taken address: %v", err)
	}
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestAListenerOnEveryInterfaceIsReachedOnTheLoopback(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"0.0.0.0:80": "http://127.0.0.1:80", "[::]:80": "http://127.0.0.1:80",
		"127.0.0.1:80": "http://127.0.0.1:80", "[::1]:80": "http://[::1]:80", "10.1.2.3:80": "http://10.1.2.3:80",
	} {
		at, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		if got := baseAddress(at); got != want {
			t.Errorf("%s: %s, want %s", address, got, want)
		}
	}
}
