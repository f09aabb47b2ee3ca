package sale

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Service creates and controls sales. It is safe for concurrent use.
type Service struct {
	store    Store
	cache    *Cache
	products Catalogue
	clock    clock.Clock
	mint     *id.Mint
	currency money.Currency
}

// NewService returns a Service with these dependencies; currency is the shop's.
func NewService(s Store, b *Cache, products Catalogue, c clock.Clock, m *id.Mint, currency money.Currency) *Service {
	return &Service{s, b, products, c, m, currency}
}

// Create creates a draft from the terms. It returns fault.Invalid or fault.NotInSale.
func (s *Service) Create(ctx context.Context, terms Sale) (*Sale, error) {
	now := s.clock.Now()
	if err := s.complete(ctx, &terms, now); err != nil {
		return nil, err
	}
	terms.ID, terms.Status, terms.Version = id.New[id.Sale](s.mint), Draft, 1
	terms.CreatedAt, terms.UpdatedAt = now, now
	if err := s.store.CreateSale(auditlog.About(ctx, terms.ID.String()), &terms); err != nil {
		return nil, err
	}
	return s.cache.Refresh(ctx, terms.ID)
}

// Replace replaces the terms of a draft that still has the version the caller has read. It returns fault.Invalid,
// fault.NotInSale, fault.NotFound, fault.VersionMismatch or fault.SaleLocked.
func (s *Service) Replace(ctx context.Context, terms Sale, version int64) (*Sale, error) {
	now := s.clock.Now()
	if err := s.complete(ctx, &terms, now); err != nil {
		return nil, err
	}
	terms.UpdatedAt = now
	if err := s.store.ReplaceSale(ctx, &terms, version); err != nil {
		return nil, err
	}
	return s.cache.Refresh(ctx, terms.ID)
}

// complete validates the terms in the order in which they were sent, adds the catalogue's data to the items, and sorts
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
		if err == nil {
			err = s.checkKind(ctx, terms, it.SKU)
		}
		if err != nil {
			return named(err, itemField(i, "sku_id"))
		}
		it.Product, it.ListPrice = product, list
	}
	slices.SortFunc(terms.Items, func(a, b Item) int { return cmp.Compare(a.SKU, b.SKU) })
	return nil
}

// checkKind returns fault.NotInSale for a rehearsal's SKU in a normal sale, and for a normal SKU in a rehearsal.
func (s *Service) checkKind(ctx context.Context, terms *Sale, sku id.SKU) error {
	rehearsal, err := s.products.OfRehearsal(ctx, sku)
	switch {
	case err != nil || rehearsal == terms.Rehearsal:
		return err
	case rehearsal:
		return fault.New(fault.NotInSale, "SKU %s was made for a rehearsal: it cannot be sold.", sku)
	}
	return fault.New(fault.NotInSale, "SKU %s was not made for the rehearsal.", sku)
}

// named adds the name of the field to a fault.
func named(err error, field string) error {
	if f, ok := errors.AsType[*fault.Error](err); ok && f.Field == "" && f.Code == fault.NotInSale {
		copied := *f
		copied.Field = field
		return &copied
	}
	return err
}

// Change changes the limit and end of a sale that may be live. Every process applies it within a second. It returns
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
	return s.cache.Refresh(ctx, c.Sale)
}

// Move changes a sale's status for an administrator: Scheduled, Paused, Live (to resume) or Ended. It returns
// fault.NotFound, fault.BadTransition and fault.OutOfStock. For Scheduled it also returns fault.Invalid if the end has
// passed, and fault.NotInSale if the catalogue does not sell an item.
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
		// The sale is live by the clock, but its row is not updated yet.
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
	return s.cache.Refresh(ctx, sl)
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
	return s.cache.Refresh(ctx, a.Sale)
}

// StopItem stops one item of a sale that has not ended. It returns fault.Invalid, fault.NotFound, fault.NotInSale,
// fault.SaleEnded, or fault.BadTransition for a draft.
func (s *Service) StopItem(ctx context.Context, stop Stop) (after *Sale, err error) {
	if stop.Reason, err = auditlog.RequiredReason("reason", stop.Reason); err != nil {
		return nil, err
	}
	stop.At, stop.Mint = s.clock.Now(), s.mint
	if err := crashpoint.Fail(crashpoint.SaleBefore); err != nil {
		return nil, err
	}
	if _, err := s.store.StopItem(ctx, stop); err != nil {
		return nil, named(err, "sku_id")
	}
	crashpoint.Pass(crashpoint.SaleAfter)
	return s.cache.Refresh(ctx, stop.Sale)
}

// Sale returns a sale. It returns fault.NotFound.
func (s *Service) Sale(ctx context.Context, sl id.Sale) (*Sale, error) { return s.cache.Sale(ctx, sl) }

// Published returns a sale that shoppers may see: any except a draft. It returns fault.NotFound.
func (s *Service) Published(ctx context.Context, sl id.Sale) (*Sale, error) {
	found, err := s.cache.Sale(ctx, sl)
	if err == nil && found.Status == Draft {
		return nil, missing(sl)
	}
	return found, err
}

// Open lists the sales that shoppers may see now: scheduled, live and paused ones, by opening time, without rehearsals.
func (s *Service) Open() []*Sale {
	open := slices.DeleteFunc(s.cache.Open(), func(sl *Sale) bool { return sl.Rehearsal })
	slices.SortFunc(open, func(a, b *Sale) int {
		if c := a.StartsAt.Compare(b.StartsAt); c != 0 {
			return c
		}
		return cmp.Compare(a.ID, b.ID)
	})
	return open
}

// Rehearsals lists the scheduled, live and paused rehearsals, newest first.
func (s *Service) Rehearsals() []*Sale {
	open := slices.DeleteFunc(s.cache.Open(), func(sl *Sale) bool { return !sl.Rehearsal })
	slices.SortFunc(open, func(a, b *Sale) int { return cmp.Compare(b.ID, a.ID) })
	return open
}

// listMax is one page of the API, plus one entry that shows whether another page follows.
const listMax = 201

// List lists all sales for an administrator, newest first.
func (s *Service) List(ctx context.Context, before id.Sale, limit int) ([]*Sale, error) {
	return s.store.Sales(ctx, before, min(max(limit, 1), listMax))
}

// Step updates rows of sales that the clock has opened or ended, and returns their number. Orders do not wait for it
// (see Phase); the return of unsold stock does.
func (s *Service) Step(ctx context.Context) (int, error) {
	now := s.clock.Now()
	moved := 0
	var errs []error
	for _, sl := range s.cache.Open() {
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
