package sale

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Store is what sales need of the database. Safe for concurrent use. Every change writes its movements and events in the
// transaction that makes it.
type Store interface {
	// CreateSale inserts a draft.
	CreateSale(ctx context.Context, s *Sale) error
	// ReplaceSale replaces a draft's terms where its version is still version. It returns fault.NotFound,
	// fault.VersionMismatch, or fault.SaleLocked where it is no draft any more.
	ReplaceSale(ctx context.Context, s *Sale, version int64) error
	// ChangeSale changes limit and end of a sale that has not ended. It returns fault.NotFound or fault.SaleEnded.
	ChangeSale(ctx context.Context, c Change) (*Sale, error)
	// MoveSale changes a sale's status: to scheduled takes its allocation out of general stock, all or nothing; to ended returns
	// what is available. A sale that has the status already is returned as it is. It returns fault.NotFound,
	// fault.BadTransition, or fault.OutOfStock.
	MoveSale(ctx context.Context, m Move) (*Sale, error)
	// AllocateSale moves units between general stock and a running sale. It returns fault.NotFound, fault.NotInSale,
	// fault.OutOfStock, or fault.SaleEnded.
	AllocateSale(ctx context.Context, a Allocation) (*Sale, error)
	// Sale reads a sale. It returns fault.NotFound.
	Sale(ctx context.Context, s id.Sale) (*Sale, error)
	// SalesOpen reads every sale that is scheduled, live or paused.
	SalesOpen(ctx context.Context) ([]*Sale, error)
	// Sales lists sales, newest first, older than before where that is not zero.
	Sales(ctx context.Context, before id.Sale, limit int) ([]*Sale, error)
}

// Catalogue tells what a SKU is. It returns fault.NotInSale where the SKU is not published.
type Catalogue interface {
	Offer(ctx context.Context, sku id.SKU) (id.Product, money.Amount, error)
}

// Change is an edit of a sale that may be under way. A nil field stays as it is.
type Change struct {
	Sale   id.Sale
	Limit  *int64
	EndsAt *time.Time
	At     time.Time
}

// Move is a change of status.
type Move struct {
	Sale  id.Sale
	To    Status
	Actor string
	At    time.Time
	Mint  *id.Mint
}

// Allocation moves units into a sale's pool, or out of it where Units is negative.
type Allocation struct {
	Sale   id.Sale
	SKU    id.SKU
	Units  int64
	Actor  string
	Reason string
	At     time.Time
	Mint   *id.Mint
}

// Check returns a fault.Invalid that names the field, or nil.
func (a Allocation) Check() error { return inventory.CheckMove(a.Units, a.Reason) }
