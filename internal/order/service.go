package order

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Service places and reads orders. Safe for concurrent use.
type Service struct {
	store  Store
	gate   inventory.Gate
	intake Intake
	sales  Sales
	prices Prices
	signer Signer
	clock  clock.Clock
	mint   *id.Mint
	config Config
	// reserving is read-held from a reservation until its answer: see WhileQuiet.
	reserving *sync.RWMutex
	bounds    *bounds
	doubted   chan struct{} // a place for each refusal in doubt that is looked into
}

// doubtedMax is how many refusals in doubt are looked into at once: a crowd at a sale that is sold out leaves the database's
// readers to those who end the doubt.
const doubtedMax = 8

// doubtedWait is how long a refusal in doubt waits for its place: thousands have had theirs by then, where the database answers.
const doubtedWait = time.Second

// Parts is what a Service is made of.
type Parts struct {
	Store  Store
	Gate   inventory.Gate
	Intake Intake
	Sales  Sales
	Prices Prices
	Signer Signer // of tickets; nil where no intake queues
	Clock  clock.Clock
	Mint   *id.Mint
	Config Config
}

// NewService returns a service over its parts.
func NewService(p Parts) *Service {
	return &Service{p.Store, p.Gate, p.Intake, p.Sales, p.Prices, p.Signer, p.Clock, p.Mint, p.Config, new(sync.RWMutex), new(bounds), make(chan struct{}, doubtedMax)}
}

// WhileQuiet runs fn while no order is between its reservation and its answer, and none can begin; it returns what fn
// returns. It runs nothing and returns false where one is. Orders whose shoppers no longer wait are for fn to rule out: they are
// the intake's alone.
func (s *Service) WhileQuiet(fn func() bool) bool {
	if !s.reserving.TryLock() {
		return false
	}
	defer s.reserving.Unlock()
	return fn()
}

// Placed is the answer to a request: an order, whether its key had made it before, or only its id and status where the
// outcome is not known yet, and then, where it is queued, the ticket to follow it by.
type Placed struct {
	Order     Order
	Replayed  bool
	Undecided bool // queued, or not known: Order.Status says which
	Ticket    string
}

// attemptsMax bounds how often one request is priced anew because its sale's terms changed under it, or its id collided.
// Before it is priced anew it waits, each time longer, until the book has heard of the change: the database says it first.
const (
	attemptsMax  = 4
	repricePause = 5 * time.Millisecond
)

// Place takes a request the way of an order: price, reserve, commit, answer. It returns when the order is on disk.
//
// Faults: MissingKey, BadRequest, Invalid, NotFound, NotInSale, SaleNotOpen, SaleEnded, SalePaused, SoldOut, LimitReached,
// KeyReused, Overloaded, StoreUnavailable, StoreFull. A refusal binds no key. Where the outcome is not known in time the
// answer is Undecided and no error.
func (s *Service) Place(ctx context.Context, r Request) (Placed, error) {
	if err := r.Check(); err != nil {
		return Placed{}, err
	}
	r.asked, r.Lines = r.Lines, merge(r.Lines)
	for _, l := range r.Lines {
		if l.Units > UnitsMax {
			return Placed{}, fault.Bad("lines", "must be at most %d units of one SKU, not %d", UnitsMax, l.Units)
		}
	}
	if r.Asked.IsZero() {
		r.Asked = time.Now()
	}
	until := r.Asked.Add(s.config.AnswerWithin)
	body := bodyDigest(r.Sale, r.Lines)
	for attempt := range attemptsMax {
		if attempt > 0 {
			rest(ctx, repricePause<<(2*attempt-2))
		}
		d, refusal := s.price(ctx, &r, body)
		var placed Placed
		var again bool
		var err error
		if refusal != nil {
			placed, again, err = s.unlessKnown(ctx, until, &d.Claim, refusal)
		} else {
			placed, again, err = s.try(ctx, until, d)
		}
		if !again {
			return placed, err
		}
	}
	return Placed{}, fault.New(fault.Overloaded, "The sale's terms keep changing; try again.").After(time.Second)
}

// rest waits, and no longer than ctx.
func rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// price makes the draft of a request by the shop's own prices and the clock.
func (s *Service) price(ctx context.Context, r *Request, body inventory.Digest) (*Draft, error) {
	d := &Draft{Claim: inventory.Claim{Sale: r.Sale, Customer: r.Customer, Key: r.Key, Body: body, Lines: r.Lines}}
	now := s.clock.Now().Truncate(time.Millisecond)
	o := &d.Order
	*o = Order{Sale: r.Sale, Customer: r.Customer, Status: Pending, CreatedAt: now}
	if o.Lines = d.line[:]; len(r.Lines) != 1 {
		o.Lines = make([]Line, len(r.Lines))
	}
	var err error
	if r.Sale == 0 {
		err = s.priceList(ctx, r, o)
	} else {
		d.SaleVersion, err = s.priceSale(ctx, r, o)
	}
	if err != nil {
		return d, err
	}
	if err := s.mint.Check(); err != nil {
		return d, err
	}
	o.ID = id.New[id.Order](s.mint)
	d.Claim.Order = o.ID
	return d, nil
}

func (s *Service) priceSale(ctx context.Context, r *Request, o *Order) (version int64, err error) {
	sl, err := s.sales.Sale(ctx, r.Sale)
	if err != nil {
		return 0, err
	}
	if refusal := sl.Refusal(o.CreatedAt); refusal != nil {
		return 0, refusal
	}
	for i, l := range r.Lines {
		item := sl.Item(l.SKU)
		if item == nil {
			e := fault.New(fault.NotInSale, "SKU %s is not in this sale.", l.SKU)
			e.Field = r.field(l.SKU, "sku_id")
			return 0, e
		}
		if err := o.add(i, l, item.Price, r); err != nil {
			return 0, err
		}
	}
	o.ExpiresAt = o.CreatedAt.Add(sl.PaymentWindow)
	return sl.Version, nil
}

func (s *Service) priceList(ctx context.Context, r *Request, o *Order) error {
	for i, l := range r.Lines {
		price, err := s.prices.Price(ctx, l.SKU)
		if f, ok := errors.AsType[*fault.Error](err); ok && f.Code == fault.NotInSale {
			named := *f
			named.Field = r.field(l.SKU, "sku_id")
			return &named
		}
		if err != nil {
			return err
		}
		if err := o.add(i, l, price, r); err != nil {
			return err
		}
	}
	o.ExpiresAt = o.CreatedAt.Add(s.config.PaymentWindow)
	return nil
}

// add sets line i of the request and adds it to the totals.
func (o *Order) add(i int, l inventory.Line, price money.Amount, r *Request) error {
	if o.Total.Currency == "" {
		o.Total.Currency = price.Currency
	}
	sum, err := price.Times(l.Units)
	if err == nil {
		o.Total, err = o.Total.Plus(sum)
	}
	if err != nil {
		e := fault.Wrap(fault.Invalid, err, "The total is too large: at most %d minor units.", int64(money.MinorMax))
		e.Field = r.field(l.SKU, "units")
		return e
	}
	o.Lines[i] = Line{SKU: l.SKU, Units: l.Units, UnitPrice: price.Minor}
	o.Units += l.Units
	return nil
}

// try reserves and commits one draft. again asks for another draft. What waits, waits until then; a plain refusal, of which
// a sold-out sale answers tens of thousands a second, is spared the timer.
func (s *Service) try(ctx context.Context, until time.Time, d *Draft) (placed Placed, again bool, err error) {
	s.reserving.RLock()
	defer s.reserving.RUnlock()
	d.Claim.Queued = s.intake.Queues()
	crashpoint.Pass(crashpoint.ReserveBefore)
	a, err := s.gate.Reserve(ctx, &d.Claim)
	if err != nil {
		return Placed{}, false, err
	}
	switch a.Verdict {
	case inventory.Reserved, inventory.Unguarded:
		if a.Verdict == inventory.Reserved {
			crashpoint.Pass(crashpoint.ReserveAfter)
		}
		if d.Claim.Queued && d.Claim.Sale == 0 {
			if placed, known, err := s.ordered(ctx, d); known {
				return placed, false, err
			}
		}
		return s.commit(ctx, until, d)
	case inventory.Same:
		return s.replay(ctx, until, &d.Claim, a.Order)
	case inventory.OtherBody:
		return Placed{}, false, keyReused()
	}
	return s.refused(ctx, until, d, a)
}

// commit encodes what the writer will insert, here in the shopper's own goroutine, and waits for the batch.
func (s *Service) commit(ctx context.Context, until time.Time, d *Draft) (placed Placed, again bool, err error) {
	if !d.Claim.Queued {
		d.Encode() // a queued one is encoded by whoever settles it
	}
	ctx, release := s.bounds.before(ctx, until)
	defer release()
	out, err := s.intake.Submit(ctx, d)
	if errors.Is(err, ErrUndecided) {
		return s.undecided(&d.Claim, d.Order.ID), false, nil
	}
	if err != nil {
		return Placed{}, false, err
	}
	return s.decided(&d.Claim, d, out)
}

// undecided answers with an order's id alone, and a ticket where it went through the queue.
func (s *Service) undecided(c *inventory.Claim, o id.Order) Placed {
	p := Placed{Order: Order{ID: o, Status: Undecided}, Undecided: true}
	if s.intake.Queued(o, c.Customer) {
		p.Order.Status = Queued
	}
	if c.Queued {
		p.Ticket = s.sign(Ticket{Order: o, Customer: c.Customer, Queued: p.Order.Status == Queued, Expires: s.clock.Now().Add(ticketLifetime)})
	}
	return p
}

// decided turns a batch's outcome into an answer.
func (s *Service) decided(c *inventory.Claim, d *Draft, out Outcome) (placed Placed, again bool, err error) {
	switch out.Result {
	case Enqueued:
		return s.undecided(c, d.Order.ID), false, nil
	case Accepted:
		return Placed{Order: d.Order}, false, nil
	case Replayed:
		return Placed{Order: out.Existing.AsCreated(), Replayed: true}, false, nil
	case OtherBody:
		return Placed{}, false, keyReused()
	case SoldOut:
		return Placed{}, false, soldOut(out.SKU)
	case LimitReached:
		return Placed{}, false, limitReached()
	}
	// The sale closed or changed, the id collided, or the reservation lapsed: price it anew, which says why.
	return Placed{}, true, nil
}

// pollMin and pollMax are the waits between questions after an order that another request, or another process, has under way.
const (
	pollMin = time.Millisecond
	pollMax = 50 * time.Millisecond
)

// replay answers with the order that the key has: it waits while that is under way. again says that the order was refused
// after all, so that the key is free.
func (s *Service) replay(ctx context.Context, until time.Time, c *inventory.Claim, o id.Order) (placed Placed, again bool, err error) {
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	for pause := pollMin; ; pause = min(2*pause, pollMax) {
		if s.intake.Queued(o, c.Customer) {
			placed := s.undecided(c, o) // it is kept: there is nothing to wait for here
			placed.Replayed = true
			return placed, false, nil
		}
		out, here, err := s.intake.Wait(ctx, o, c.Customer)
		switch {
		case errors.Is(err, ErrUndecided):
			return s.undecided(c, o), false, nil
		case err != nil:
			return Placed{}, false, err
		case here && out.Result == Declined:
			return Placed{}, true, nil // its key is free
		case here && out.Result != Accepted && out.Result != Enqueued:
			placed, again, err = s.decided(c, nil, out)
			return placed, again, err
		}
		found, err := s.store.Order(ctx, o)
		if err == nil {
			return Placed{Order: found.AsCreated(), Replayed: true}, false, nil
		}
		if ctx.Err() != nil {
			return s.undecided(c, o), false, nil // the time was over while the database was asked
		}
		if !errors.Is(err, fault.NotFound) {
			return Placed{}, false, err
		}
		// Reserved, and not yet submitted or committed: the first request is between two lines.
		a, err := s.gate.Find(ctx, c)
		if err != nil || a.Verdict != inventory.Same {
			return Placed{}, true, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return s.undecided(c, o), false, nil
		}
	}
}

// refused answers a gate's refusal. Of the general pools the gate forgets the keys of committed orders, and what is not
// loaded it cannot refuse: there, and where it doubts, the database says whether the key has an order.
func (s *Service) refused(ctx context.Context, until time.Time, d *Draft, a inventory.Answer) (placed Placed, again bool, err error) {
	var refusal *fault.Error
	switch a.Verdict {
	case inventory.SoldOut:
		refusal = soldOut(a.SKU)
	case inventory.LimitReached:
		refusal = limitReached()
	case inventory.Closed:
		refusal = fault.New(fault.SalePaused, "The sale takes no orders at the moment; try again soon.").After(time.Second)
	}
	switch {
	case refusal != nil && d.Claim.Sale != 0 && !a.Doubted:
		return Placed{}, false, refusal
	case refusal != nil && d.Claim.Sale != 0:
		patience := time.NewTimer(doubtedWait)
		defer patience.Stop()
		select {
		case s.doubted <- struct{}{}:
			defer func() { <-s.doubted }()
		case <-patience.C:
			return Placed{}, false, fault.New(fault.Overloaded, "Too many orders are under way; try again.").After(time.Second)
		}
		return s.unlessKnown(ctx, until, &d.Claim, refusal)
	case refusal != nil:
		return s.unlessKnown(ctx, until, &d.Claim, refusal)
	}
	if d.Claim.Sale == 0 {
		return s.unlessKnown(ctx, until, &d.Claim, soldOut(a.SKU)) // a SKU that never had stock has no pool
	}
	return s.unlessKnown(ctx, until, &d.Claim, fault.New(fault.Overloaded, "The sale is being loaded; try again.").After(time.Second))
}

// unlessKnown answers with the refusal, unless the key has an order: the key comes before every refusal.
func (s *Service) unlessKnown(ctx context.Context, until time.Time, c *inventory.Claim, refusal error) (placed Placed, again bool, err error) {
	a, err := s.gate.Find(ctx, c)
	if err != nil {
		return Placed{}, false, err
	}
	switch a.Verdict {
	case inventory.Same:
		return s.replay(ctx, until, c, a.Order)
	case inventory.OtherBody:
		return Placed{}, false, keyReused()
	case inventory.Free:
		return Placed{}, false, refusal
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	placed, known, err := s.known(ctx, c)
	if err == nil && !known {
		err = refusal
	}
	return placed, false, err
}

// known answers with the order that the database has for a key. known is false where there is none, and where err is the
// database's.
func (s *Service) known(ctx context.Context, c *inventory.Claim) (placed Placed, known bool, err error) {
	found, digest, err := s.store.OrderByKey(ctx, c.Sale, c.Customer, c.Key)
	switch {
	case errors.Is(err, fault.NotFound):
		return Placed{}, false, nil
	case err != nil:
		return Placed{}, false, err
	case digest != c.Body:
		return Placed{}, true, keyReused()
	}
	return Placed{Order: found.AsCreated(), Replayed: true}, true, nil
}

// orderedMax bounds the question whether a key of general stock has an order: a database that stands still holds no shopper
// up who is to be queued.
const orderedMax = 500 * time.Millisecond

// ordered answers with the order that the key of a reserved draft has, before it is queued once more, and gives the
// reservation back. The gate forgets the keys of general stock with their commit, and a queue would take the same key for ever:
// each time another ticket for the one order. Where the database does not answer, whoever settles the intent finds out.
func (s *Service) ordered(ctx context.Context, d *Draft) (placed Placed, known bool, err error) {
	bounded, cancel := context.WithTimeout(ctx, orderedMax)
	defer cancel()
	placed, known, err = s.known(bounded, &d.Claim)
	if !known {
		return Placed{}, false, nil
	}
	return placed, true, errors.Join(err, s.gate.Settle(ctx, &d.Claim, false))
}

func soldOut(sku id.SKU) *fault.Error {
	// Joined by hand, and not as fault.New does it: it is what a crowd is told.
	return fault.New(fault.SoldOut, "There is not enough left of SKU "+sku.String()+".")
}

func limitReached() *fault.Error {
	return fault.New(fault.LimitReached, "You have had as many units, or placed as many orders, as this sale allows a customer.")
}

func keyReused() *fault.Error {
	e := fault.New(fault.KeyReused, "This key has made another order; use a new key for a new order.")
	e.Field = "Idempotency-Key"
	return e
}
