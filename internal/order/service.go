package order

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
)

// Service places and reads orders. Safe for concurrent use.
type Service struct {
	store  Store
	gate   inventory.Gate
	intake Intake
	sales  Sales
	prices Prices
	signer Signer
	probes ProbeLimiter
	levels sale.Availability
	clock  clock.Clock
	mint   *id.Mint
	config Limits
	// Requests hold a read lock on reserving from their reservation to their answer: see WithPlacementPaused.
	reserving *sync.RWMutex
	deadlines *sharedDeadlines
	refusals  *refusalWriter
	fence     atomic.Int64 // number of the newest refusal of a key that this process knows
}

// Parts holds the dependencies of a Service.
type Parts struct {
	Store  Store
	Gate   inventory.Gate
	Intake Intake
	Sales  Sales
	Prices Prices
	Signer Signer // signs tickets
	// Probes limits a customer's orders of several units in a sale that hides its exact stock; nil: no limit.
	Probes ProbeLimiter
	// Levels is what shoppers are shown to be left, for refusals of several units; nil: they do not say it.
	Levels sale.Availability
	Clock  clock.Clock
	Mint   *id.Mint
	Config Config
}

// NewService returns a Service with these dependencies.
func NewService(p Parts) *Service {
	s := &Service{
		store: p.Store, gate: p.Gate, intake: p.Intake, sales: p.Sales, prices: p.Prices, signer: p.Signer, probes: p.Probes, levels: p.Levels, clock: p.Clock,
		mint: p.Mint, reserving: new(sync.RWMutex), deadlines: new(sharedDeadlines),
	}
	s.config.Set(p.Config)
	s.refusals = &refusalWriter{store: p.Store, saw: s.saw}
	return s
}

// SetLimits has orders from now on go by the live settings of c: see Limits.
func (s *Service) SetLimits(c Config) { s.config.Set(c) }

// Limits returns what orders go by at the moment.
func (s *Service) Limits() Config { return *s.config.Now() }

// PaymentWindow is how long an order is held unpaid where its sale says nothing of it.
func (s *Service) PaymentWindow() time.Duration { return s.config.Now().PaymentWindow }

// WithPlacementPaused runs fn while no order is between its reservation and its answer, and new ones wait. It returns
// fn's result. If such an order exists, it returns false and does not run fn. fn must check the intake itself for
// drafts whose shoppers no longer wait.
func (s *Service) WithPlacementPaused(fn func() bool) bool {
	if !s.reserving.TryLock() {
		return false
	}
	defer s.reserving.Unlock()
	return fn()
}

// Placed is the answer to an order request: an order, new or replayed. While the outcome is unknown it holds only an
// id, a status and a ticket to poll with.
type Placed struct {
	Order     Order
	Replayed  bool
	Undecided bool // queued or unknown: Order.Status says which
	Ticket    string
}

// attemptsMax bounds how often one request is priced again because its sale's terms changed or its id collided. Before
// each retry it pauses, longer each time, until the cache of sales has seen the change: the database sees it first.
const (
	attemptsMax  = 4
	repricePause = 5 * time.Millisecond
)

// Place prices, reserves and commits an order, and returns when the order is on disk.
//
// Faults: MissingKey, BadRequest, Invalid, NotFound, NotInSale, SaleNotOpen, SaleEnded, SalePaused, SoldOut, FewerLeft,
// LimitReached, TooManyOrders, TooManyUnpaid, KeyReused, Overloaded, StoreUnavailable, StoreFull. A refusal leaves the
// idempotency key free. If the outcome is not known in time, the answer is Undecided without an error.
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
	until := r.Asked.Add(s.config.Now().AnswerWithin)
	r.fence = s.fence.Load() // read once: pricing again does not make the request newer
	body := bodyDigest(r.Sale, r.Lines)
	if r.Refusal != nil {
		return s.replayOnly(ctx, until, &r, body)
	}
	for attempt := range attemptsMax {
		if attempt > 0 {
			sleep(ctx, repricePause<<(2*attempt-2))
		}
		d, refusal := s.price(ctx, &r, body)
		var placed Placed
		var again bool
		var err error
		switch {
		case refusal != nil:
			placed, again, err = s.replayOrRefuse(ctx, until, &d.Claim, refusal)
		case r.probes && s.probes != nil:
			placed, again, err = s.reserveProbe(ctx, until, d)
		default:
			placed, again, err = s.reserveAndCommit(ctx, until, d)
		}
		if !again {
			return placed, s.sayLeft(ctx, &r, err)
		}
	}
	return Placed{}, fault.New(fault.Overloaded, "The sale's terms keep changing; try again.").After(time.Second)
}

// sayLeft replaces SoldOut by FewerLeft if some units are left, but fewer than a line asks for. It tells what the sale shows everybody: the
// number, or the upper bound of the band.
func (s *Service) sayLeft(ctx context.Context, r *Request, err error) error {
	if s.levels == nil || fault.CodeOf(err) != fault.SoldOut || !slices.ContainsFunc(r.Lines, func(l inventory.Line) bool { return l.Units > 1 }) {
		return err
	}
	var sl *sale.Sale
	if r.Sale != 0 {
		var unknown error
		if sl, unknown = s.sales.Sale(ctx, r.Sale); unknown != nil {
			return err
		}
	}
	var fewer *fault.Error
	for _, l := range r.Lines {
		left, known := s.left(sl, l.SKU)
		coarse := sl != nil && sl.ShowsLeft == sale.Coarse
		switch {
		case !known:
		case left < 1:
			return err
		case left < l.Units && coarse:
			fewer = fault.New(fault.FewerLeft, "At most %d of SKU %s are left; you asked for %d.", left, l.SKU, l.Units)
			fewer.Available = left
		case left < l.Units:
			fewer = fault.New(fault.FewerLeft, "Of SKU %s %d are left; you asked for %d.", l.SKU, left, l.Units)
			fewer.Available = left
		case coarse && len(r.Lines) == 1:
			fewer = fault.New(fault.FewerLeft, "Fewer of SKU %s are left than the %d you asked for.", l.SKU, l.Units)
		}
	}
	if fewer == nil {
		return err // the units have come back since
	}
	return fewer
}

// left returns the units of a SKU that shoppers are shown, in a sale or, without one, in general stock.
func (s *Service) left(sl *sale.Sale, sku id.SKU) (int64, bool) {
	if sl == nil {
		return s.levels.Available(inventory.Pool{SKU: sku})
	}
	if it := sl.Item(sku); it != nil {
		return sl.Left(it, s.levels)
	}
	return 0, false
}

// replayOnly handles a request that admission has rejected: it answers with the order of the key, otherwise with the
// rejection.
func (s *Service) replayOnly(ctx context.Context, until time.Time, r *Request, body inventory.Digest) (Placed, error) {
	c := inventory.Claim{Sale: r.Sale, Customer: r.Customer, Key: r.Key, Body: body, Lines: r.Lines, Fence: r.fence}
	placed, again, err := s.replayOrRefuse(ctx, until, &c, r.Refusal)
	if again {
		err = r.Refusal
	}
	return placed, err
}

// sleep waits for pause or until ctx ends.
func sleep(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// price makes a draft with the shop's current prices.
func (s *Service) price(ctx context.Context, r *Request, body inventory.Digest) (*Draft, error) {
	d := &Draft{Claim: inventory.Claim{Sale: r.Sale, Customer: r.Customer, Key: r.Key, Body: body, Lines: r.Lines, Fence: r.fence}}
	now := s.clock.Now().Truncate(time.Millisecond)
	o := &d.Order
	*o = Order{Sale: r.Sale, Customer: r.Customer, Status: Pending, CreatedAt: now}
	if o.Lines = d.line[:]; len(r.Lines) != 1 {
		o.Lines = make([]Line, len(r.Lines))
	}
	var err error
	if r.Sale == 0 {
		d.UnpaidMax = s.config.Now().UnpaidMax()
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
	if err := checkRehearsal(r, sl.Rehearsal); err != nil {
		return 0, err
	}
	if refusal := sl.Refusal(o.CreatedAt); refusal != nil {
		return 0, refusal
	}
	for i, l := range r.Lines {
		item := sl.Item(l.SKU)
		if item == nil {
			return 0, fault.New(fault.NotInSale, "SKU %s is not in this sale.", l.SKU).In(r.field(l.SKU, "sku_id"))
		}
		if item.Stopped {
			return 0, fault.New(fault.NotInSale, "SKU %s is not sold in this sale any more.", l.SKU).In(r.field(l.SKU, "sku_id"))
		}
		if err := o.add(i, l, item.Price, r); err != nil {
			return 0, err
		}
	}
	r.probes = sl.ShowsLeft == sale.Coarse && o.Units > 1
	o.ExpiresAt = o.CreatedAt.Add(sl.PaymentWindow)
	return sl.Version, nil
}

// checkRehearsal returns fault.NotInSale if a rehearsal's customer orders outside rehearsals, or another customer in
// one.
func checkRehearsal(r *Request, rehearsal bool) error {
	switch {
	case id.OfRehearsal(r.Customer) == rehearsal:
		return nil
	case rehearsal:
		return fault.New(fault.NotInSale, "This sale is a rehearsal: only the shoppers that were made for it can order in it.")
	}
	return fault.New(fault.NotInSale, "A rehearsal's shopper can order in the sales of rehearsals only.")
}

func (s *Service) priceList(ctx context.Context, r *Request, o *Order) error {
	if err := checkRehearsal(r, false); err != nil {
		return err
	}
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
	o.ExpiresAt = o.CreatedAt.Add(s.config.Now().PaymentWindow)
	return nil
}

// add sets line i of the order and adds it to the totals.
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
		e.Field = r.field(l.SKU, "quantity")
		return e
	}
	o.Lines[i] = Line{SKU: l.SKU, Units: l.Units, UnitPrice: price.Minor}
	o.Units += l.Units
	return nil
}

// reserveAndCommit reserves and commits one draft. again asks the caller for another draft. It sets a timer only when
// it has to wait: a sold-out sale refuses tens of thousands of requests a second without one.
func (s *Service) reserveAndCommit(ctx context.Context, until time.Time, d *Draft) (placed Placed, again bool, err error) {
	s.reserving.RLock()
	defer s.reserving.RUnlock()
	d.Claim.Queued = s.intake.Queues()
	crashpoint.Pass(crashpoint.ReserveBefore)
	a, err := s.gate.Reserve(ctx, &d.Claim)
	if err != nil {
		return Placed{}, false, err
	}
	switch a.Verdict {
	case inventory.Reserved, inventory.GateBypassed:
		if a.Verdict == inventory.Reserved {
			crashpoint.Pass(crashpoint.ReserveAfter)
		}
		if d.Claim.Queued && d.Claim.Sale == 0 {
			if placed, known, err := s.replayCommitted(ctx, d); known {
				return placed, false, err
			}
		}
		d.uncertain = a.Uncertain
		return s.commit(ctx, until, d)
	case inventory.Replay:
		return s.replay(ctx, until, &d.Claim, a)
	case inventory.KeyReused:
		return Placed{}, false, keyReused()
	}
	return s.answerRefusal(ctx, until, d, a)
}

// reserveProbe reserves an order of several units in a sale that hides its exact stock. A refusal reveals that fewer
// units are left, so refusals are counted, and after a few the gate is not asked.
func (s *Service) reserveProbe(ctx context.Context, until time.Time, d *Draft) (placed Placed, again bool, err error) {
	giveBack, err := s.probes.Take(ctx, d.Claim.Customer, d.Claim.Sale)
	if err != nil {
		return s.replayOrRefuse(ctx, until, &d.Claim, err)
	}
	placed, again, err = s.reserveAndCommit(ctx, until, d)
	if fault.CodeOf(err) != fault.SoldOut {
		giveBack()
	}
	return placed, again, err
}

// commit encodes the draft in the request's goroutine and waits for the batch.
func (s *Service) commit(ctx context.Context, until time.Time, d *Draft) (placed Placed, again bool, err error) {
	if !d.Claim.Queued {
		d.Encode() // the worker encodes a queued draft
	}
	ctx, release := s.deadlines.with(ctx, until)
	defer release()
	out, err := s.intake.Submit(ctx, d)
	if errors.Is(err, ErrUndecided) {
		return s.answerLate(ctx, &d.Claim, d.Order.ID)
	}
	if err != nil {
		return Placed{}, false, err
	}
	if d.uncertain && out.Result.insufficient() {
		_, _, refusal := s.answer(&d.Claim, d, out)
		return s.recordRefusal(ctx, until, &d.Claim, refusal)
	}
	return s.answer(&d.Claim, d, out)
}

// undecided answers with an order's id, status and ticket.
func (s *Service) undecided(c *inventory.Claim, o id.Order) Placed {
	t := Ticket{
		Order: o, Customer: c.Customer, Sale: c.Sale, Key: c.Key, Through: c.Queued, Queued: s.intake.Queued(o, c.Customer),
		Deadline: c.Deadline, Expires: s.clock.Now().Add(ticketLifetime),
	}
	return s.undecidedTicket(t)
}

func (s *Service) undecidedTicket(t Ticket) Placed {
	p := Placed{Order: Order{ID: t.Order, Status: Undecided}, Undecided: true, Ticket: s.sign(t)}
	if t.Queued {
		p.Order.Status = Queued
	}
	return p
}

// answer converts a batch's outcome into an answer.
func (s *Service) answer(c *inventory.Claim, d *Draft, out Outcome) (placed Placed, again bool, err error) {
	switch out.Result {
	case Enqueued:
		return s.undecided(c, d.Order.ID), false, nil
	case Accepted:
		return Placed{Order: d.Order}, false, nil
	case Replayed:
		return Placed{Order: out.Existing.AsCreated(), Replayed: true}, false, nil
	case KeyReused:
		return Placed{}, false, keyReused()
	case SoldOut:
		return Placed{}, false, soldOut(out.SKU)
	case NotSold:
		return Placed{}, false, notSold(out.SKU)
	case LimitReached:
		return Placed{}, false, limitReached()
	case TooManyUnpaid:
		return Placed{}, false, tooManyUnpaid(s.config.Now().UnpaidMax(), out.Unpaid)
	case Fenced:
		s.saw(out.Fence)
		return Placed{}, false, fault.New(fault.Overloaded, "The order was overtaken by what another process did meanwhile; try again with the same key.").After(time.Second)
	}
	// The sale closed or changed, the id collided, or the reservation expired. Price again: that returns the reason.
	return Placed{}, true, nil
}

// answerRefusal answers a refusal by the gate. In three cases the database is first asked whether the key has an order:
// the gate is uncertain, the order is from general stock (the gate forgets those keys after their commit), or the pool
// is not loaded.
func (s *Service) answerRefusal(ctx context.Context, until time.Time, d *Draft, a inventory.Answer) (placed Placed, again bool, err error) {
	var refusal *fault.Error
	switch a.Verdict {
	case inventory.SoldOut:
		refusal = soldOut(a.SKU)
	case inventory.LimitReached:
		refusal = limitReached()
	case inventory.TooManyOrders:
		refusal = tooManyOrders()
	case inventory.Closed:
		refusal = fault.New(fault.SalePaused, "The sale takes no orders at the moment; try again soon.").After(time.Second)
	}
	switch {
	case refusal != nil && d.Claim.Sale != 0 && !a.Uncertain:
		return Placed{}, false, refusal
	case refusal != nil && a.Uncertain:
		return s.recordRefusal(ctx, until, &d.Claim, refusal)
	case refusal != nil:
		return s.replayOrRefuse(ctx, until, &d.Claim, refusal)
	}
	if d.Claim.Sale == 0 {
		return s.replayOrRefuse(ctx, until, &d.Claim, soldOut(a.SKU)) // a SKU that was never stocked has no pool
	}
	return s.replayOrRefuse(ctx, until, &d.Claim, fault.New(fault.Overloaded, "The sale is being loaded; try again.").After(time.Second))
}

func soldOut(sku id.SKU) *fault.Error {
	// The text is concatenated here, without formatting, because a sold-out sale returns it tens of thousands of times
	// a second.
	return fault.New(fault.SoldOut, "There is not enough left of SKU "+sku.String()+".")
}

func notSold(sku id.SKU) *fault.Error {
	return fault.New(fault.NotInSale, "SKU %s is not sold any more.", sku)
}

func limitReached() *fault.Error {
	return fault.New(fault.LimitReached, "You have had as many units as this sale allows a customer.")
}

func tooManyOrders() *fault.Error {
	return fault.New(fault.TooManyOrders, "You have placed %d orders in this sale, cancelled and expired ones included: no customer may place more.", inventory.OrdersMax)
}

func tooManyUnpaid(most Unpaid, held *Unpaid) *fault.Error {
	return fault.New(fault.TooManyUnpaid, "One customer may hold %d orders of %d units from general stock unpaid; you hold %d of %d units. Pay or cancel one first, or order fewer units.",
		most.Orders, most.Units, held.Orders, held.Units)
}

func keyReused() *fault.Error {
	e := fault.New(fault.KeyReused, "This key has made another order; use a new key for a new order.")
	e.Field = "Idempotency-Key"
	return e
}
