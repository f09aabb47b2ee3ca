package rehearsal

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/sale"
)

// Store is what rehearsals need of the database. Safe for concurrent use.
type Store interface {
	// ReserveRehearsal takes the title and a block of customers that no other rehearsal has, and returns the block's first.
	// It returns fault.Conflict where the title is taken and fault.Invalid where there are no customers left.
	ReserveRehearsal(ctx context.Context, r Rehearsal) (id.Customer, error)
	// OpenRehearsal records the sale of a rehearsal. Rehearsals lists it from then on.
	OpenRehearsal(ctx context.Context, first id.Customer, sl id.Sale) error
	// DropRehearsal frees the title of a rehearsal without a sale.
	DropRehearsal(ctx context.Context, first id.Customer) error
	// Rehearsal reads one. It returns fault.NotFound.
	Rehearsal(ctx context.Context, sl id.Sale) (Rehearsal, error)
	// Rehearsals lists them, newest first, older than before where that is not zero.
	Rehearsals(ctx context.Context, before id.Sale, limit int) ([]Rehearsal, error)
	// RehearsalOrders reads a sale's orders by customer and key, those after the given ones, at most limit.
	RehearsalOrders(ctx context.Context, sl id.Sale, after id.Customer, key string, limit int) ([]KeyedOrder, error)
}

// Catalogue makes products: see catalog.Service.
type Catalogue interface {
	Create(ctx context.Context, in catalog.Input) (catalog.View, error)
}

// Stock receives units: see inventory.Service.
type Stock interface {
	AdjustAll(ctx context.Context, all []inventory.Adjustment) error
}

// Sales makes and schedules sales: see sale.Service.
type Sales interface {
	Create(ctx context.Context, terms sale.Sale) (*sale.Sale, error)
	Move(ctx context.Context, s id.Sale, to sale.Status, actor string) (*sale.Sale, error)
}

// Tokens signs access tokens without a session: see account.Tokens.
type Tokens interface {
	SignTest(customer id.Customer, lifetime time.Duration) (string, time.Time, error)
}
