package shoptest

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
)

// Missing is the SKU that no shop here has.
const Missing id.SKU = 404

// What a unit costs, and what it costs in a sale.
var (
	ListPrice = money.Of(1250, "GBP")
	SalePrice = money.Of(999, "GBP")
)

// How long the sales are, and how long their orders wait to be paid.
const (
	SaleLasts     = time.Hour
	PaymentWindow = 10 * time.Minute
)

// Products is a catalogue in which every SKU but Missing costs ListPrice.
type Products struct{}

// KnowsSKU returns a fault.NotFound for the SKU that is missing.
func (Products) KnowsSKU(_ context.Context, sku id.SKU) error {
	if sku == Missing {
		return fault.New(fault.NotFound, "There is no SKU %s.", sku)
	}
	return nil
}

// OfRehearsal says of every SKU that it is real.
func (Products) OfRehearsal(context.Context, id.SKU) (bool, error) { return false, nil }

// Offer returns the product and the price of a SKU, or a fault.NotInSale for the one that is missing.
func (Products) Offer(_ context.Context, sku id.SKU) (id.Product, money.Amount, error) {
	if sku == Missing {
		return 0, money.Amount{}, fault.New(fault.NotInSale, "SKU %s is not for sale.", sku)
	}
	return 1, ListPrice, nil
}

// Price is the price of Offer.
func (p Products) Price(ctx context.Context, sku id.SKU) (money.Amount, error) {
	_, price, err := p.Offer(ctx, sku)
	return price, err
}

// Selling is a process that sells: stock, sales, and a gate in memory that follows the database when told.
type Selling struct {
	*Shop
	Gate     *inventory.MemoryGate
	Follower *inventory.Follower
	Book     *sale.Cache
	Sales    *sale.Service
	Stock    *inventory.Service
}

// Sell opens a process that sells on the shop, with the gate as the database has it. Called again it is another process, or the next
// life of the one before.
func (s *Shop) Sell() *Selling {
	s.T.Helper()
	p := &Selling{Shop: s, Gate: inventory.NewMemoryGate(), Book: sale.NewCache(s.Store, s.Clock)}
	Check(s.T, p.Book.Load(s.T.Context()))
	p.Sales = sale.NewService(s.Store, p.Book, Products{}, s.Clock, s.Mint, "GBP")
	p.Stock = inventory.NewService(s.Store, Products{}, s.Clock, s.Mint)
	p.Follower = inventory.NewFollower(s.Store, p.Gate, func(ctx context.Context, sl id.Sale) error {
		_, err := p.Book.Refresh(ctx, sl)
		return err
	})
	Check(s.T, p.Follower.Load(s.T.Context()))
	return p
}

// Signer signs the tickets of every shop here, as every process of one shop does.
var Signer = account.NewSigner(account.NewKeyring(), "ticket")

// Committer returns a committer over the process's gate. The store may be one that a test has wrapped.
func (p *Selling) Committer(st order.Store, config order.Config) *order.Committer {
	return order.NewCommitter(st, p.Gate, p.Mint, config, func(int, time.Duration, error) {})
}

// Orders returns the order path of the process over an intake.
func (p *Selling) Orders(st order.Store, intake order.Intake, config order.Config) *order.Service {
	return order.NewService(order.Parts{
		Store: st, Gate: p.Gate, Intake: intake, Sales: p.Book, Prices: Products{}, Signer: Signer, Clock: p.Clock, Mint: p.Mint, Config: config,
	})
}

// Receive puts units into general stock.
func (p *Selling) Receive(sku id.SKU, units int64) {
	p.T.Helper()
	_, err := p.Stock.Adjust(p.T.Context(), inventory.Adjustment{
		SKU: sku, Kind: inventory.Receive, Units: units, Reason: "delivery", Actor: "test", Key: fmt.Sprint("r", p.Mint.Next()),
	})
	Check(p.T, err)
}

// Open receives units of each SKU and opens a sale of all of them at SalePrice.
func (p *Selling) Open(units, limit int64, skus ...id.SKU) id.Sale {
	p.T.Helper()
	now := p.Clock.Now()
	terms := sale.Sale{Title: "Drop", StartsAt: now, EndsAt: now.Add(SaleLasts), Limit: limit, PaymentWindow: PaymentWindow}
	for _, sku := range skus {
		p.Receive(sku, units)
		terms.Items = append(terms.Items, sale.Item{SKU: sku, Price: SalePrice, Allocation: units})
	}
	made := Must(p.Sales.Create(p.T.Context(), terms))(p.T)
	_, err := p.Sales.Move(p.T.Context(), made.ID, sale.Scheduled, "test")
	Check(p.T, err)
	Must(p.Sales.Step(p.T.Context()))(p.T)
	p.Follow()
	return made.ID
}

// Follow lets the gate catch up with the database.
func (p *Selling) Follow() {
	p.T.Helper()
	for n := 1; n > 0; {
		n = Must(p.Follower.Step(p.T.Context()))(p.T)
	}
}

// Level holds the gate to what it has of a SKU in a sale.
func (p *Selling) Level(t testing.TB, sl id.Sale, sku id.SKU, want int64) {
	t.Helper()
	if got, _ := p.Gate.Available(inventory.Pool{Sale: sl, SKU: sku}); got != want {
		t.Errorf("%d units of SKU %s at the gate, want %d", got, sku, want)
	}
}
