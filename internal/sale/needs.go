package sale

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Store is the database as sales need it. It is safe for concurrent use. The transaction of a change also writes its
// movements and events.
type Store interface {
	// CreateSale inserts a draft.
	CreateSale(ctx context.Context, s *Sale) error
	// ReplaceSale replaces a draft's terms if its version equals version. It returns fault.NotFound,
	// fault.VersionMismatch, or fault.SaleLocked if it is no longer a draft.
	ReplaceSale(ctx context.Context, s *Sale, version int64) error
	// ChangeSale changes the limit and end of a sale that has not ended. It returns fault.NotFound or fault.SaleEnded.
	ChangeSale(ctx context.Context, c Change) (*Sale, error)
	// MoveSale changes a sale's status. A move to scheduled takes its allocation from general stock, all or nothing; a
	// move to ended returns the available units. A sale that already has the status is returned unchanged. It returns
	// fault.NotFound, fault.BadTransition, fault.OutOfStock, or, for scheduled, fault.NotInSale if the catalogue does
	// not sell an item.
	MoveSale(ctx context.Context, m Move) (*Sale, error)
	// AllocateSale moves units between general stock and an open sale. Adding units to a stopped item resumes it. It
	// returns fault.NotFound, fault.NotInSale, fault.OutOfStock, or fault.SaleEnded.
	AllocateSale(ctx context.Context, a Allocation) (*Sale, error)
	// StopItem stops an item. Its available units return to general stock, and so do units that are released later. It
	// returns fault.NotFound, fault.NotInSale, fault.SaleEnded, or fault.BadTransition for a draft.
	StopItem(ctx context.Context, s Stop) (*Sale, error)
	// Sale reads a sale. It returns fault.NotFound.
	Sale(ctx context.Context, s id.Sale) (*Sale, error)
	// SalesOpen returns every sale that is scheduled, live or paused.
	SalesOpen(ctx context.Context) ([]*Sale, error)
	// Sales lists sales, newest first. If before is not zero, it lists only older ones.
	Sales(ctx context.Context, before id.Sale, limit int) ([]*Sale, error)
}

// Catalogue looks up SKUs.
type Catalogue interface {
	// Offer returns the product and list price of a SKU. It returns fault.NotInSale if the SKU is not published.
	Offer(ctx context.Context, sku id.SKU) (id.Product, money.Amount, error)
	// OfRehearsal reports whether the SKU was made for a rehearsal.
	OfRehearsal(ctx context.Context, sku id.SKU) (bool, error)
}

// Change is an edit of a sale that may be live. A nil field leaves the value unchanged.
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

// Allocation moves units into a sale's pool; negative Units move them out.
type Allocation struct {
	Sale   id.Sale
	SKU    id.SKU
	Units  int64
	Actor  string
	Reason string
	At     time.Time
	Mint   *id.Mint
}

// Stop stops one item of a sale.
type Stop struct {
	Sale   id.Sale
	SKU    id.SKU
	Actor  string
	Reason string
	At     time.Time
	Mint   *id.Mint
}

// Check normalises the reason and validates every field. It returns fault.Invalid with the field.
func (a *Allocation) Check() error { return inventory.CheckMove(a.Units, &a.Reason) }
