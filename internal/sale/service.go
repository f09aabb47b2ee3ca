package sale

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Service makes and steers sales. Safe for concurrent use.
type Service struct {
	store    Store
	book     *Book
	products Catalogue
	clock    clock.Clock
	mint     *id.Mint
	currency money.Currency
}

// NewService returns a service over its parts; currency is the shop's.
func NewService(s Store, b *Book, products Catalogue, c clock.Clock, m *id.Mint, currency money.Currency) *Service {
	return &Service{s, b, products, c, m, currency}
}

// Create makes a draft from the terms and returns it. It returns fault.Invalid or fault.NotInSale.
func (s *Service) Create(ctx context.Context, terms Sale) (*Sale, error) {
	now := s.clock.Now()
	if err := s.complete(ctx, &terms, now); err != nil {
		return nil, err
	}
	terms.ID, terms.Status, terms.Version = id.New[id.Sale](s.mint), Draft, 1
	terms.CreatedAt, terms.UpdatedAt = now, now
	if err := s.store.CreateSale(ctx, &terms); err != nil {
		return nil, err
	}
	return s.book.Refresh(ctx, terms.ID)
}

// Replace replaces the terms of a draft whose version the caller has seen. It returns fault.Invalid, fault.NotInSale,
// fault.NotFound, fault.VersionMismatch or fault.SaleLocked.
func (s *Service) Replace(ctx context.Context, terms Sale, version int64) (*Sale, error) {
	now := s.clock.Now()
	if err := s.complete(ctx, &terms, now); err != nil {
		return nil, err
	}
	terms.UpdatedAt = now
	if err := s.store.ReplaceSale(ctx, &terms, version); err != nil {
		return nil, err
	}
	return s.book.Refresh(ctx, terms.ID)
}

// complete checks the terms, in the order in which they were sent, fills in what the catalogue knows of the items, and sorts
// them.
func (s *Service) complete(ctx context.Context, terms *Sale, now time.Time) error {
	terms.Items = slices.Clone(terms.Items)
	terms.ShowsLeft = cmp.Or(terms.ShowsLeft, Exact)
	terms.StartsAt, terms.EndsAt = terms.StartsAt.UTC().Truncate(time.Millisecond), terms.EndsAt.UTC().Truncate(time.Millisecond)
	if err := terms.Check(now, s.currency); err != nil {
		return err
	}
	for i := range terms.Items {
		it := &terms.Items[i]
		product, list, err := s.products.Offer(ctx, it.SKU)
		if err != nil {
			return named(err, itemField(i, "sku_id"))
		}
		it.Product, it.ListPrice = product, list
	}
	slices.SortFunc(terms.Items, func(a, b Item) int { return cmp.Compare(a.SKU, b.SKU) })
	return nil
}

// named gives a fault the field at fault.
func named(err error, field string) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Field == "" && f.Code == fault.NotInSale {
		copied := *f
		copied.Field = field
		return &copied
	}
	return err
}

// Change changes limit and end of a sale that may be live; it takes effect within a second in every process. It returns
// fault.Invalid, fault.NotFound or fault.SaleEnded.
func (s *Service) Change(ctx context.Context, c Change) (*Sale, error) {
	c.At = s.clock.Now()
	current, err := s.store.Sale(ctx, c.Sale)
	if err != nil {
		return nil, err
	}
	switch {
	case c.Limit != nil && (*c.Limit < 0 || *c.Limit > LimitMax):
		return nil, fault.Bad("limit_per_customer", "must be 0 (no limit) to %d", LimitMax)
	case c.EndsAt != nil && !c.EndsAt.After(c.At):
		return nil, fault.Bad("ends_at", "must be in the future; to end the sale now, end it")
	case c.EndsAt != nil && (!c.EndsAt.After(current.StartsAt) || c.EndsAt.Sub(current.StartsAt) > DurationMax):
		return nil, fault.Bad("ends_at", "must be after starts_at, by at most 366 days")
	}
	if _, err := s.store.ChangeSale(ctx, c); err != nil {
		return nil, err
	}
	return s.book.Refresh(ctx, c.Sale)
}

// Move changes a sale's status on an operator's word: Scheduled, Paused, Live (to resume) or Ended. It returns
// fault.NotFound, fault.BadTransition, fault.OutOfStock, or fault.Invalid for a sale to schedule whose end has passed.
func (s *Service) Move(ctx context.Context, sl id.Sale, to Status, actor string) (*Sale, error) {
	now := s.clock.Now()
	current, err := s.store.Sale(ctx, sl)
	if err != nil {
		return nil, err
	}
	if to == Scheduled && !current.EndsAt.After(now) {
		return nil, fault.Bad("ends_at", "has passed: change it before you schedule the sale")
	}
	if to == Live && current.Status != Paused && current.Status != Live {
		return nil, fault.New(fault.BadTransition, "A sale that is %s cannot be resumed; it opens by the clock.", current.Status)
	}
	if due, ok := current.Due(now); ok && to == Paused && due == Live {
		// Live by the clock, and the row does not say so yet.
		if _, err := s.move(ctx, sl, Live, "clock", now); err != nil {
			return nil, err
		}
	}
	return s.move(ctx, sl, to, actor, now)
}

func (s *Service) move(ctx context.Context, sl id.Sale, to Status, actor string, now time.Time) (*Sale, error) {
	if err := crashpoint.Fail(crashpoint.SaleBefore); err != nil {
		return nil, err
	}
	if _, err := s.store.MoveSale(ctx, Move{Sale: sl, To: to, Actor: actor, At: now, Mint: s.mint}); err != nil {
		return nil, err
	}
	crashpoint.Pass(crashpoint.SaleAfter)
	return s.book.Refresh(ctx, sl)
}

// Allocate moves units between general stock and a sale that has not ended. It returns fault.Invalid, fault.NotFound,
// fault.NotInSale, fault.OutOfStock or fault.SaleEnded.
func (s *Service) Allocate(ctx context.Context, a Allocation) (*Sale, error) {
	if err := a.Check(); err != nil {
		return nil, err
	}
	a.At, a.Mint = s.clock.Now(), s.mint
	if _, err := s.store.AllocateSale(ctx, a); err != nil {
		return nil, named(err, "sku_id")
	}
	return s.book.Refresh(ctx, a.Sale)
}

// Sale returns a sale. It returns fault.NotFound.
func (s *Service) Sale(ctx context.Context, sl id.Sale) (*Sale, error) { return s.book.Sale(ctx, sl) }

// Published returns a sale that shoppers may see: any but a draft. It returns fault.NotFound.
func (s *Service) Published(ctx context.Context, sl id.Sale) (*Sale, error) {
	found, err := s.book.Sale(ctx, sl)
	if err == nil && found.Status == Draft {
		return nil, missing(sl)
	}
	return found, err
}

// Open lists what shoppers may see now: scheduled, live and paused sales, by opening time. Rehearsals are not among them.
func (s *Service) Open() []*Sale {
	open := slices.DeleteFunc(s.book.Open(), func(sl *Sale) bool { return sl.Rehearsal })
	slices.SortFunc(open, func(a, b *Sale) int {
		if c := a.StartsAt.Compare(b.StartsAt); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return open
}

// Rehearsals lists the sales of rehearsals that are scheduled, live or paused, the newest first: for an operator who watches one.
func (s *Service) Rehearsals() []*Sale {
	open := slices.DeleteFunc(s.book.Open(), func(sl *Sale) bool { return !sl.Rehearsal })
	slices.SortFunc(open, func(a, b *Sale) int { return cmp.Compare(b.ID, a.ID) })
	return open
}

// listMax is a page of the contract, and one more to tell whether there is a next page.
const listMax = 201

// List lists all sales for an operator, newest first.
func (s *Service) List(ctx context.Context, before id.Sale, limit int) ([]*Sale, error) {
	return s.store.Sales(ctx, before, min(max(limit, 1), listMax))
}

// Step writes what the clock has decided: scheduled sales that are live, sales whose end has come. It returns how many it
// moved. Orders do not wait for it (see Phase); the return of unsold stock does.
func (s *Service) Step(ctx context.Context) (int, error) {
	now := s.clock.Now()
	moved := 0
	var errs []error
	for _, sl := range s.book.Open() {
		to, due := sl.Due(now)
		if !due {
			continue
		}
		if _, err := s.move(ctx, sl.ID, to, "clock", now); err != nil {
			errs = append(errs, err)
			continue
		}
		moved++
	}
	return moved, errors.Join(errs...)
}
