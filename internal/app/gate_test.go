package app

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// A rebuild of the gate beside a crowd loses neither a unit nor a key: whoever was answered is known to the gate afterwards.
func TestGateIsRebuiltBesideOrders(t *testing.T) {
	a, err := New(t.Context(), testConfig(t), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}()
	const units, shoppers, each = 2000, 8, 100
	drop, sku := stocked(t, a, units)
	_, stop := running(t, a)
	rebuilds, ended := 0, make(chan struct{})
	var rebuilding, crowd sync.WaitGroup
	rebuilding.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
			}
			switch err := (gateCheck{a.follower, a, a.orders}).Load(context.Background()); {
			case err == nil:
				rebuilds++
			case !errors.Is(err, fault.Overloaded):
				t.Error(err)
			}
		}
	})
	line := []inventory.Line{{SKU: sku, Units: 1}}
	for c := range shoppers {
		crowd.Go(func() {
			for i := range each {
				if _, err := a.orders.Place(t.Context(), order.Request{Customer: id.Customer(c + 1), Sale: drop, Key: fmt.Sprint(i), Lines: line}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	crowd.Wait()
	close(ended)
	rebuilding.Wait()
	if err := stop(); err != nil {
		t.Error(err)
	}
	level, _ := a.gate.Available(inventory.Pool{Sale: drop, SKU: sku})
	if want := int64(units - shoppers*each); level != want {
		t.Errorf("after %d rebuilds %d units are available at the gate, want %d", rebuilds, level, want)
	}
	for c := range shoppers {
		for i := range each {
			known, err := a.gate.Find(t.Context(), &inventory.Claim{Sale: drop, Customer: id.Customer(c + 1), Key: fmt.Sprint(i), Lines: line})
			if err != nil || known.Order == 0 {
				t.Fatalf("after %d rebuilds the gate does not know key %d of customer %d: %v", rebuilds, i, c+1, err)
			}
		}
	}
	if rebuilds == 0 {
		t.Error("the gate was never rebuilt")
	}
}
