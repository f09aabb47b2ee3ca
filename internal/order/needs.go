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

// Store is the database as the order service needs it. It is safe for concurrent use.
type Store interface {
	// CommitOrders commits a batch in one transaction and returns one outcome for each draft, in the same order. A
	// refused draft does not fail the others. mint makes the ids of ledger rows. After an error nothing is committed,
	// except after fault.OutcomeUnknown: then read the orders by id.
	CommitOrders(ctx context.Context, batch []*Draft, mint *id.Mint) ([]Outcome, error)
	// Order reads an order. It returns fault.NotFound.
	Order(ctx context.Context, o id.Order) (Order, error)
	// OrderByKey returns the order of an idempotency key and the digest of its request. It returns fault.NotFound.
	OrderByKey(ctx context.Context, s id.Sale, c id.Customer, key string) (Order, inventory.Digest, error)
	// OrdersOf lists a customer's orders, newest first. If before is not zero, it lists only orders older than that
	// one.
	OrdersOf(ctx context.Context, c id.Customer, before id.Order, limit int) ([]Order, error)
	// Orders lists orders, newest first.
	Orders(ctx context.Context, f Filter) ([]Order, error)
	// Refusal reads why a queued order was refused. It returns fault.NotFound.
	Refusal(ctx context.Context, o id.Order) (Refusal, error)
	// Refuse writes refusals of orders that will not be committed. It returns the ids that are refused, now or earlier,
	// and omits orders that were committed.
	Refuse(ctx context.Context, refusals []Refusal) ([]id.Order, error)
	// RefuseKeys records refusals of keys: afterwards no process commits a request made earlier under one of these
	// keys. For each claim it returns Declined, or Replayed or KeyReused if the key already has an order. fence is the
	// number of these refusals.
	RefuseKeys(ctx context.Context, claims []*inventory.Claim) (fence int64, outcomes []Outcome, err error)
	// RefusalFence returns the number of the newest refusal of a key.
	RefusalFence(ctx context.Context) (int64, error)
	// Probe returns the outcome for a claim's key as RefuseKeys does, but refuses nothing. It waits for a commit that
	// is running.
	Probe(ctx context.Context, c *inventory.Claim) (Outcome, error)
	// Now returns the database's time.
	Now(ctx context.Context) (time.Time, error)
	// FulfilOrder moves a paid order to fulfilled. It returns fault.NotFound or fault.BadTransition.
	FulfilOrder(ctx context.Context, o id.Order, at time.Time) (Order, error)
}

// Filter selects orders; a zero field selects all.
type Filter struct {
	Sale     id.Sale
	Customer id.Customer
	Status   Status
	// From and To select orders placed at or after From and before To; zero is no bound.
	From, To time.Time
	Before   id.Order // lists only orders older than this one
	Limit    int
}

// Sales returns the terms of a sale from memory. It returns fault.NotFound.
type Sales interface {
	Sale(ctx context.Context, s id.Sale) (*sale.Sale, error)
}

// ProbeLimiter limits the attempts of a customer in a sale. It is safe for concurrent use.
type ProbeLimiter interface {
	// Take uses one attempt and returns a function that gives it back. It returns fault.TooManyRequests when none is
	// left.
	Take(ctx context.Context, customer id.Customer, s id.Sale) (giveBack func(), err error)
}

// Prices returns the list price of a SKU. The price must be current: a cached price that has changed must not be
// returned. It returns fault.NotInSale when the SKU is not on sale.
type Prices interface {
	Price(ctx context.Context, sku id.SKU) (money.Amount, error)
}

// Signer signs tickets with the shop's keys. It is safe for concurrent use.
type Signer interface {
	Sign(text []byte) [32]byte
	// Signed reports whether one of the keys made the signature.
	Signed(text, signature []byte) bool
}

// Draft is an order with a reservation that waits for its commit.
type Draft struct {
	Order         Order
	Claim         inventory.Claim
	SaleVersion   int64      // version of the terms that set its price
	UnpaidMax     Unpaid     // general stock: the most its customer may hold unpaid, this order included; zero, for a sale, is no bound
	Refusal       fault.Code // queued draft that the shop no longer accepts: only this refusal is written
	SettledAt     time.Time  // queued draft: when its settlement began
	ReservedAgain bool       // queued draft: the gate had lost its reservation, and settlement made it again
	LinesJSON     []byte     // from AppendLinesJSON; encoded by the request's goroutine, not by the writer
	Fingerprint   uint64     // from Fingerprint with the claim's key; computed by the request's goroutine

	uncertain bool // the gate may not have known every key when it reserved

	// Storage for the single line that most orders have.
	line [1]Line
	json [lineJSONBytes]byte
}

// Unpaid counts pending orders of general stock and the units in them, held or allowed.
type Unpaid struct{ Orders, Units int64 }

// Takes reports whether a customer with held unpaid orders may place one more of so many units.
func (most Unpaid) Takes(held Unpaid, units int64) bool {
	return most == Unpaid{} || held.Orders < most.Orders && held.Units+units <= most.Units
}

// Result is the outcome of a draft.
type Result uint8

// The results. Only Accepted writes an order.
const (
	Accepted           Result = iota
	Replayed                  // the key already has this order: Outcome.Existing
	KeyReused                 // the key already has an order with other content
	SoldOut                   // refused by the database's guard: not enough stock
	LimitReached              // refused by the database's guard: the customer's limit
	SaleClosed                // refused by the database's guard: paused, ended or never scheduled
	SaleChanged               // the sale's terms changed after the order was priced
	Collision                 // another row has the order's id: mint a new one
	Enqueued                  // durable in the queue; a worker commits or refuses it later
	Declined                  // queued draft that was refused for good, now or earlier; its Refusal is written
	ReservationExpired        // the reservation's deadline has passed: reserve again
	Fenced                    // after the request, its key was refused or the shared gate was opened anew, by any process
	NotSold                   // refused by the database's guard: the SKU is no longer for sale
	TooManyUnpaid             // refused by the database's guard: the customer would exceed Draft.UnpaidMax
)

// String returns the result's name.
func (r Result) String() string {
	return [...]string{"accepted", "replayed", "key_reused", "sold_out", "limit_reached", "sale_closed", "sale_changed", "collision", "enqueued", "declined", "reservation_expired", "fenced", "not_sold", "too_many_unpaid"}[r]
}

// insufficient reports whether stock or the customer's limit was too small for the draft.
func (r Result) insufficient() bool { return r == SoldOut || r == LimitReached || r == TooManyUnpaid }

// Outcome is the result of a draft and, for a used key, its existing order. A queued draft that was committed earlier
// is Accepted with Again; one that was refused earlier is Declined.
type Outcome struct {
	Result   Result
	Existing *Order  // for Replayed
	Unpaid   *Unpaid // for TooManyUnpaid: what the customer holds
	SKU      id.SKU  // for SoldOut and NotSold
	Again    bool    // for Accepted: a queued draft was already committed
	Fence    int64   // for Fenced: the newest refusal
	Err      error   // the whole batch failed with this error; Result is then meaningless
}

// Intake takes drafts from reservation to commit. It is safe for concurrent use.
type Intake interface {
	// Submit takes a draft and waits for its outcome. It returns ErrUndecided if ctx ends first. The draft is then
	// still committed or refused, and its outcome settles the reservation.
	Submit(ctx context.Context, d *Draft) (Outcome, error)
	// Wait waits for the outcome of a draft that the customer submitted in this process. It returns false if no such
	// draft is pending, and ErrUndecided if ctx ends first.
	Wait(ctx context.Context, o id.Order, c id.Customer) (Outcome, bool, error)
	// Claim returns the claim of the customer's draft that this process is committing. It returns nil if there is none
	// or the draft is in the queue.
	Claim(o id.Order, c id.Customer) *inventory.Claim
	// Queues reports whether new drafts go through the queue. Their claims tell the gate.
	Queues() bool
	// Queued reports whether this process queued the customer's draft and has not seen its outcome.
	Queued(o id.Order, c id.Customer) bool
	// AwaitDecision returns when the order, of any process, may have an outcome, or when ctx ends.
	AwaitDecision(ctx context.Context, o id.Order)
}
