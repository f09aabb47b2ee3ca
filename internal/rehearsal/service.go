package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
)

// Parts is what a Service is made of.
type Parts struct {
	Store     Store
	Catalogue Catalogue
	Stock     Stock
	Sales     Sales
	Tokens    Tokens
	Clock     clock.Clock
	Currency  money.Currency // the shop's
	// TokenLifetimeMax bounds the tokens of shoppers.
	TokenLifetimeMax time.Duration
}

// Service creates rehearsals and reports their results. It is safe for concurrent use.
type Service struct{ Parts }

// NewService returns a service over its parts.
func NewService(p Parts) *Service { return &Service{p} }

// Create makes a rehearsal, scheduled, on behalf of the actor. It returns fault.Invalid, and fault.Conflict for a title
// that another one has; then nothing has been made.
func (s *Service) Create(ctx context.Context, in Input, actor string) (Created, error) {
	now := s.Clock.Now().UTC().Truncate(time.Millisecond)
	in.complete(now)
	if err := in.check(); err != nil {
		return Created{}, err
	}
	m := Created{Rehearsal: Rehearsal{
		Title: in.Title, SKUs: in.SKUs, Units: in.Units, Price: money.Of(in.PriceMinor, s.Currency), Limit: in.Limit, Payment: in.Payment,
		StartsAt: in.StartsAt.UTC().Truncate(time.Millisecond), Shoppers: in.Shoppers, CreatedAt: now,
	}}
	m.EndsAt = m.StartsAt.Add(time.Duration(in.Minutes) * time.Minute)
	if err := s.checkTerms(&m, now); err != nil {
		return Created{}, err
	}
	var err error
	if m.First, err = s.Store.ReserveRehearsal(auditlog.About(ctx, "rehearsal"), m.Rehearsal); err != nil {
		return Created{}, err
	}
	if m.Title == "" {
		m.Title = DefaultTitle(m.First)
	}
	if err := s.make(ctx, &m, actor); err != nil {
		return Created{}, errors.Join(err, s.Store.DropRehearsal(context.WithoutCancel(ctx), m.First))
	}
	return m, nil
}

// DefaultTitle is the title of a rehearsal that was given none.
func DefaultTitle(first id.Customer) string { return "Rehearsal " + first.String() }

// checkTerms checks the sale's terms before anything is made.
func (s *Service) checkTerms(m *Created, now time.Time) error {
	terms := s.terms(m)
	if terms.Title == "" {
		terms.Title = DefaultTitle(0)
	}
	for i := range m.SKUs {
		terms.Items = append(terms.Items, sale.Item{SKU: id.SKU(i + 1), Price: m.Price, Allocation: m.Units})
	}
	err := terms.Check(now, s.Currency)
	// The end of a rehearsal is said in minutes.
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Field == "ends_at" {
		f.Field = "duration_minutes"
	}
	return err
}

func (s *Service) terms(m *Created) sale.Sale {
	return sale.Sale{Title: m.Title, StartsAt: m.StartsAt, EndsAt: m.EndsAt, Limit: m.Limit, PaymentWindow: m.Payment, Rehearsal: true}
}

func (s *Service) make(ctx context.Context, m *Created, actor string) error {
	for len(m.Items) < m.SKUs {
		if err := s.makeProduct(ctx, m); err != nil {
			return fmt.Errorf("make the products of a rehearsal: %w", err)
		}
	}
	if err := s.receive(ctx, m, actor); err != nil {
		return fmt.Errorf("receive the stock of a rehearsal: %w", err)
	}
	terms := s.terms(m)
	for _, sku := range m.Items {
		terms.Items = append(terms.Items, sale.Item{SKU: sku, Price: m.Price, Allocation: m.Units})
	}
	made, err := s.Sales.Create(ctx, terms)
	if err != nil {
		return err
	}
	m.Sale = made.ID
	if err := s.Store.OpenRehearsal(ctx, m.First, m.Sale); err != nil {
		return err
	}
	_, err = s.Sales.Move(ctx, m.Sale, sale.Scheduled, actor)
	return err
}

// makeProduct makes the next product, with as many variants as one takes.
func (s *Service) makeProduct(ctx context.Context, m *Created) error {
	number := strconv.Itoa(len(m.Products) + 1)
	p := catalog.Product{
		Handle:      "rehearsal-" + m.First.String() + "-" + number,
		Title:       m.Title + " " + number,
		Description: "Made for a rehearsal. It is in no list, and nobody is sent one.",
		Status:      catalog.Published,
		Rehearsal:   true,
		Options:     []string{"Number"},
	}
	for i := len(m.Items); i < m.SKUs && len(p.Variants) < catalog.VariantsMax; i++ {
		n := strconv.Itoa(i + 1)
		p.Variants = append(p.Variants, catalog.Variant{Code: "REHEARSAL-" + m.First.String() + "-" + n, Options: []string{n}, Price: m.Price})
	}
	made, err := s.Catalogue.Create(ctx, catalog.Input{Product: p})
	if err != nil {
		return err
	}
	m.Products = append(m.Products, made.ID)
	for _, v := range made.Variants {
		m.Items = append(m.Items, v.SKU)
	}
	return nil
}

func (s *Service) receive(ctx context.Context, m *Created, actor string) error {
	for rest := m.Items; len(rest) > 0; {
		some := rest[:min(len(rest), inventory.AdjustmentsMax)]
		rest = rest[len(some):]
		all := make([]inventory.Adjustment, len(some))
		for i, sku := range some {
			all[i] = inventory.Adjustment{SKU: sku, Kind: inventory.Receive, Units: m.Units, Reason: "rehearsal", Actor: actor, Key: "rehearsal-" + sku.String()}
		}
		if err := s.Stock.AdjustAll(ctx, all); err != nil {
			return err
		}
	}
	return nil
}

// List lists rehearsals, newest first, older than before where that is not zero.
func (s *Service) List(ctx context.Context, before id.Sale, limit int) ([]Rehearsal, error) {
	return s.Store.Rehearsals(ctx, before, limit)
}

// MintTokens returns tokens of count shoppers from the first on, counted from 0, and when they expire. It returns
// fault.NotFound for a sale that is no rehearsal and fault.Invalid for shoppers that it does not have.
func (s *Service) MintTokens(ctx context.Context, sl id.Sale, first, count int) ([]string, time.Time, error) {
	r, err := s.Store.Rehearsal(ctx, sl)
	switch {
	case err != nil:
		return nil, time.Time{}, err
	case count < 1 || count > TokensMax:
		return nil, time.Time{}, fault.Bad("count", "It must be from 1 to %d.", TokensMax)
	case first < 0 || first > r.Shoppers-count:
		return nil, time.Time{}, fault.Bad("first", "The rehearsal has %d shoppers, counted from 0.", r.Shoppers)
	}
	lifetime := r.lifetime(s.Clock.Now(), s.TokenLifetimeMax)
	tokens := make([]string, count)
	var expires time.Time
	for i := range tokens {
		if tokens[i], expires, err = s.Tokens.SignTest(r.First+id.Customer(first+i), lifetime); err != nil {
			return nil, time.Time{}, err
		}
	}
	return tokens, expires, nil
}

// Orders hands every order of a rehearsal to yield, by customer and key, a page in memory at a time. It returns
// fault.NotFound for a sale that is no rehearsal, and what yield returns.
func (s *Service) Orders(ctx context.Context, sl id.Sale, yield func([]KeyedOrder) error) error {
	if _, err := s.Store.Rehearsal(ctx, sl); err != nil {
		return err
	}
	var after KeyedOrder
	for {
		found, err := s.Store.RehearsalOrders(ctx, sl, after.Order.Customer, after.Key, OrdersPageMax)
		if err != nil {
			return err
		}
		if len(found) == 0 {
			return nil
		}
		if err := yield(found); err != nil {
			return err
		}
		after = found[len(found)-1]
	}
}
