package queue

import (
	"reflect"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// FuzzIntents: a message that is read holds orders that could be, and says the same when it is written again.
func FuzzIntents(f *testing.F) {
	d := &order.Draft{SaleVersion: 3}
	d.Order = order.Order{ID: 7, Sale: 5, Customer: 9, CreatedAt: time.UnixMilli(1_764_000_000_000).UTC(), ExpiresAt: time.UnixMilli(1_764_000_600_000).UTC(), Status: order.Pending}
	d.Order.Total.Minor, d.Order.Total.Currency = 1998, "GBP"
	d.Order.Lines = []order.Line{{SKU: 11, Units: 2, UnitPrice: 999}}
	d.Claim = inventory.Claim{Order: 7, Sale: 5, Customer: 9, Key: "k", Queued: true, Lines: []inventory.Line{{SKU: id.SKU(11), Units: 2}}}
	one := appendIntent(nil, d)
	f.Add(one)
	d.Claim.Fence = 9
	f.Add(appendIntent(nil, d))
	f.Add(appendIntent(one, d))
	d.Claim.Epoch = 4
	f.Add(appendIntent(nil, d))
	f.Add(one[:len(one)-1])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, message []byte) {
		drafts, err := decodeIntents(message)
		if err != nil {
			return
		}
		var again []byte
		for _, d := range drafts {
			if d.Order.ID <= 0 || d.Order.Customer <= 0 || d.Claim.Key == "" || len(d.Order.Lines) == 0 || d.Order.Units < 1 || d.Order.Total.Minor < 0 {
				t.Fatalf("no order is %+v", d.Order)
			}
			again = appendIntent(again, d)
		}
		same, err := decodeIntents(again)
		if err != nil || !reflect.DeepEqual(drafts, same) {
			t.Fatalf("%+v was written as something else: %+v, %v", drafts, same, err)
		}
	})
}
