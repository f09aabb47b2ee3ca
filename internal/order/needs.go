package order

import (
	"context"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
)

// Store is what orders need of the database. Safe for concurrent use.
type Store interface {
	// CommitOrders commits a batch in one transaction and returns an outcome for each draft, in their order: one bad order
	// never fails its neighbours. mint names the rows of the ledger. Where it returns an error nothing was committed, unless
	// the error is fault.OutcomeUnknown: then Order tells, by the id.
	CommitOrders(ctx context.Context, batch []*Draft, mint *id.Mint) ([]Outcome, error)
	// Order reads an order. It returns fault.NotFound.
	Order(ctx context.Context, o id.Order) (Order, error)
	// OrderByKey reads the order that a key was used for, and the digest of its request. It returns fault.NotFound.
	OrderByKey(ctx context.Context, s id.Sale, c id.Customer, key string) (Order, inventory.Digest, error)
	// OrdersOf lists a customer's orders, newest first, older than before where that is not zero.
	OrdersOf(ctx context.Context, c id.Customer, before id.Order, limit int) ([]Order, error)
	// Orders lists orders, newest first.
	Orders(ctx context.Context, f Filter) ([]Order, error)
	// Refusal reads why a queued order was refused. It returns fault.NotFound.
	Refusal(ctx context.Context, o id.Order) (Refusal, error)
	// FulfilOrder moves a paid order to fulfilled. It returns fault.NotFound or fault.BadTransition.
	FulfilOrder(ctx context.Context, o id.Order, at time.Time) (Order, error)
}

// Filter selects orders; a zero field selects all.
type Filter struct {
	Sale     id.Sale
	Customer id.Customer
	Status   Status
	// From and To bound when the order was placed: at or after From, before To; zero is no bound.
	From, To time.Time
	Before   id.Order // older than this one
	Limit    int
}

// Sales tells the terms of a sale from memory. It returns fault.NotFound.
type Sales interface {
	Sale(ctx context.Context, s id.Sale) (*sale.Sale, error)
}

// Prices tells today's list price of a SKU. It returns fault.NotInSale where the SKU is not on sale, and must be current:
// a price that was changed is not told any more.
type Prices interface {
	Price(ctx context.Context, sku id.SKU) (money.Amount, error)
}

// Signer signs tickets with the shop's keys. Safe for concurrent use.
type Signer interface {
	Sign(text []byte) [32]byte
	// Signed reports whether one of the keys has signed the text.
	Signed(text, signature []byte) bool
}

// Draft is an order that holds a reservation and waits to be committed.
type Draft struct {
	Order       Order
	Claim       inventory.Claim
	SaleVersion int64      // the terms it was priced by
	Refusal     fault.Code // of a queued draft that the shop no longer takes: only its refusal is written
	SettledAt   time.Time  // of a queued draft: when it was its turn
	Late        bool       // of a queued draft: its reservation was unknown to the gate, and was made again to settle it
	LinesJSON   []byte     // as AppendLinesJSON, encoded by the waiting goroutine rather than the writer
	Fingerprint uint64     // as Fingerprint with the claim's key, likewise

	// Room for the one line that most orders have.
	line [1]Line
	json [lineJSONBytes]byte
}

// Result is what became of a draft.
type Result uint8

// The results. Only Accepted wrote anything.
const (
	Accepted     Result = iota
	Replayed            // the key has an order: Outcome.Existing
	OtherBody           // the key has an order with another content
	SoldOut             // the guard refused: not enough stock
	LimitReached        // the guard refused: the customer's allowance
	SaleClosed          // the guard refused: paused, ended, or never scheduled
	SaleChanged         // the terms changed since it was priced
	Collision           // the order's id exists: mint another
	Enqueued            // it is kept, and will be committed or refused without its shopper
	Declined            // a queued draft that was refused for good, now or before: its Refusal is written
	Lapsed              // its reservation's deadline is over: reserve again
)

// String returns the result's name.
func (r Result) String() string {
	return [...]string{"accepted", "replayed", "other_body", "sold_out", "limit_reached", "sale_closed", "sale_changed", "collision", "enqueued", "declined", "lapsed"}[r]
}

// Outcome is what became of a draft, and the order that its key had before. A queued draft that was committed before is
// Accepted again; one that was refused is Declined.
type Outcome struct {
	Result   Result
	Existing *Order // of Replayed
	SKU      id.SKU // of SoldOut
	Again    bool   // of Accepted: a queued draft that had been committed before
	Err      error  // why the batch as a whole was not committed; Result says nothing then
}

// Intake takes drafts between their reservation and their commit. Safe for concurrent use.
type Intake interface {
	// Submit hands a draft over and waits for its outcome. Where ctx ends first it returns ErrUndecided, and the draft goes on:
	// its outcome settles the reservation without the caller.
	Submit(ctx context.Context, d *Draft) (Outcome, error)
	// Wait waits for the outcome of the customer's draft that was submitted in this process; false where there is none under
	// way. It returns ErrUndecided where ctx ends first.
	Wait(ctx context.Context, o id.Order, c id.Customer) (Outcome, bool, error)
	// Queues reports whether a draft that is reserved now will be queued: its claim says so to the gate.
	Queues() bool
	// Queued reports whether the customer's draft was queued in this process and is not decided yet, as far as it knows.
	Queued(o id.Order, c id.Customer) bool
	// Decided returns when an order, of whichever process, may have been decided, or when ctx ends.
	Decided(ctx context.Context, o id.Order)
}
