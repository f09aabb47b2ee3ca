package inventory

import (
	"context"
	"slices"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Service adjusts and reads stock. It is safe for concurrent use.
type Service struct {
	store    Store
	products Catalogue
	clock    clock.Clock
	mint     *id.Mint
}

// NewService returns a Service with these dependencies.
func NewService(s Store, products Catalogue, c clock.Clock, m *id.Mint) *Service {
	return &Service{s, products, c, m}
}

// Adjust applies an adjustment to a general pool and returns the changed pool. Repeating the same key and content
// changes nothing. It returns fault.Invalid, fault.MissingKey, fault.NotFound, fault.OutOfStock or fault.KeyReused.
func (s *Service) Adjust(ctx context.Context, a Adjustment) (Stock, error) {
	if err := a.Check(); err != nil {
		return Stock{}, err
	}
	if err := s.products.KnowsSKU(ctx, a.SKU); err != nil {
		return Stock{}, err
	}
	return s.store.AdjustStock(ctx, a, id.New[id.Movement](s.mint), s.clock.Now())
}

// AdjustmentsMax bounds the adjustments of one AdjustAll, which delays orders by some milliseconds.
const AdjustmentsMax = 200

// AdjustAll applies up to AdjustmentsMax adjustments, all or nothing. Repeated keys with the same content change
// nothing. It returns the same errors as Adjust.
func (s *Service) AdjustAll(ctx context.Context, all []Adjustment) error {
	if len(all) > AdjustmentsMax {
		return fault.Bad("adjustments", "at most %d at once, not %d", AdjustmentsMax, len(all))
	}
	movements := make([]id.Movement, len(all))
	all = slices.Clone(all)
	for i := range all {
		a := &all[i]
		if err := a.Check(); err != nil {
			return err
		}
		if err := s.products.KnowsSKU(ctx, a.SKU); err != nil {
			return err
		}
		movements[i] = id.New[id.Movement](s.mint)
	}
	return s.store.AdjustStocks(ctx, all, movements, s.clock.Now())
}

// Pools returns every pool of a SKU, the general one first. It returns fault.NotFound for a SKU that does not exist.
func (s *Service) Pools(ctx context.Context, sku id.SKU) ([]Stock, error) {
	if err := s.products.KnowsSKU(ctx, sku); err != nil {
		return nil, err
	}
	return s.store.Pools(ctx, sku)
}

// listMax is one page of the API, plus one entry that shows whether another page follows.
const listMax = 201

// Movements lists a SKU's movements that no order caused, newest first. If before is not zero, it lists only older
// ones.
func (s *Service) Movements(ctx context.Context, sku id.SKU, before id.Movement, limit int) ([]Movement, error) {
	if err := s.products.KnowsSKU(ctx, sku); err != nil {
		return nil, err
	}
	return s.store.Movements(ctx, sku, before, min(max(limit, 1), listMax))
}
