package queue

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// Events go through a broker that is killed meanwhile: each paid order earns its points, and earns them once.
func TestEventsOverABroker(t *testing.T) {
	t.Parallel()
	eachBroker(t, eventsOver)
}

func eventsOver(t *testing.T, b broker, address string) {
	const paid = 12
	shop := blackbox.New(t, "TIDEGATE_BUS_ADDRESS="+address, "TIDEGATE_POINTS_ENABLED=true")
	shop.Start()
	sku := shop.Stocked("MUG", 100)
	tokens := shop.Tokens(firstCustomer, paid)
	book := blackbox.NewBook(nil)
	for c, token := range tokens {
		p := blackbox.Buying("", 1, firstCustomer+int64(c), token, fmt.Sprint("k-", c), sku)
		book.Note(p, shop.Buy(p))
	}
	for i, r := range book.Accepted() {
		if i == paid/2 {
			b.Kill()
		}
		attempt, a := shop.StartPayment(r)
		if a.Status != 201 {
			t.Fatal(a)
		}
		shop.Pay(attempt.PayURL)
	}
	b.Start()
	var points struct {
		Balance int64
		Orders  []json.RawMessage
	}
	first := int64(0)
	for _, token := range tokens {
		await.Until(t, "the order has earned its points", func() bool {
			a := shop.Ask("GET", "/v1/points", token, "")
			return a.Status == 200 && json.Unmarshal(a.Body, &points) == nil && points.Balance > 0
		})
		if first == 0 {
			first = points.Balance
		}
		if points.Balance != first || len(points.Orders) != 1 {
			t.Errorf("%+v, want %d points of one order", points, first)
		}
	}
	shop.Stop()
}
