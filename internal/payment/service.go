package payment

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// Service handles payments. It is safe for concurrent use. It holds no lock and no transaction during a call to a
// provider: the database holds the intent before the call and the result after it.
type Service struct {
	store     Store
	providers map[string]Provider
	cancels   CancelLimiter
	clock     clock.Clock
	mint      *id.Mint
	log       *slog.Logger
	config    Config
	pace      RetrySchedule
}

// Parts holds the dependencies of a Service.
type Parts struct {
	Store     Store
	Providers []Provider    // the configured provider, and any with attempts in the database
	Cancels   CancelLimiter // nil: no limit on cancellations
	Clock     clock.Clock
	Mint      *id.Mint
	Log       *slog.Logger
	Config    Config
}

// NewService returns a Service with these dependencies.
func NewService(p Parts) *Service {
	s := &Service{store: p.Store, providers: map[string]Provider{}, cancels: p.Cancels, clock: p.Clock, mint: p.Mint, log: p.Log, config: p.Config, pace: p.Config.RetrySchedule()}
	for _, one := range p.Providers {
		s.providers[one.Name()] = one
	}
	return s
}

// now returns the current time in milliseconds, the precision of the rows.
func (s *Service) now() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

// call makes one call to a provider with a time limit. It continues if the shopper leaves, so that the answer is
// recorded.
func call[T any](ctx context.Context, limit time.Duration, fn func(context.Context) (T, error)) (T, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := crashpoint.Fail(crashpoint.ProviderBefore); err != nil {
		return *new(T), err
	}
	out, err := fn(ctx)
	if lost := crashpoint.Fail(crashpoint.ProviderAfter); lost != nil {
		return *new(T), lost
	}
	return out, err
}

// ownedBy returns a customer's order. It returns fault.NotFound for another customer's.
func (s *Service) ownedBy(ctx context.Context, who id.Customer, o id.Order) (order.Order, error) {
	found, err := s.store.Order(ctx, o)
	if err == nil && found.Customer != who {
		return order.Order{}, fault.New(fault.NotFound, "There is no order %s.", o)
	}
	return found, err
}

// Start starts a payment of the customer's order, or returns the live attempt. An empty provider selects the configured
// one.
//
// An order whose total is zero is paid without a provider; a second call returns that payment.
//
// The attempt is recorded before the provider is called. If the provider's answer is lost, Start returns
// fault.TimedOut, and the next Start queries the outcome. Other faults: NotFound, Invalid (provider), OrderClosed,
// PaymentRefused, AmountMismatch.
func (s *Service) Start(ctx context.Context, who id.Customer, o id.Order, provider string) (Attempt, error) {
	if provider != "" && s.providers[provider] == nil {
		return Attempt{}, fault.Bad("provider", "There is no payment provider %q; omit provider to use the shop's default.", provider)
	}
	found, err := s.ownedBy(ctx, who, o)
	if err == nil && found.Total.Minor == 0 {
		return s.payFree(ctx, &found)
	}
	if err == nil {
		provider, err = s.chooseProvider(&found, provider)
	}
	if err != nil {
		return Attempt{}, err
	}
	if err := crashpoint.Fail(crashpoint.AttemptBefore); err != nil {
		return Attempt{}, err
	}
	now := s.now()
	a, created, err := s.store.BeginAttempt(ctx, Attempt{
		ID: id.New[id.Attempt](s.mint), Order: o, Provider: provider, Status: Starting, Amount: found.Total,
		CreatedAt: now, ExpiresAt: found.ExpiresAt, LookAt: s.pace.FirstPoll(now, found.ExpiresAt),
	})
	if err != nil || a.Status != Starting {
		return a, err
	}
	if err := crashpoint.Fail(crashpoint.AttemptAfter); err != nil {
		return Attempt{}, err
	}
	return s.startAtProvider(ctx, a, created)
}

// payFree pays an order whose total is zero.
func (s *Service) payFree(ctx context.Context, o *order.Order) (Attempt, error) {
	if err := crashpoint.Fail(crashpoint.SettleBefore); err != nil {
		return Attempt{}, err
	}
	now := s.now()
	paid, err := s.store.PayFree(context.WithoutCancel(ctx), Attempt{
		ID: id.New[id.Attempt](s.mint), Order: o.ID, Provider: NoProvider, Status: Succeeded, Amount: o.Total, Pays: true,
		CreatedAt: now, ExpiresAt: o.ExpiresAt, LookAt: now, SettledAt: now,
	}, s.mint)
	crashpoint.Pass(crashpoint.SettleAfter)
	return paid, err
}

// chooseProvider returns the provider for an order: the sandbox for a rehearsal, otherwise the configured one. It
// returns fault.PaymentRefused if the requested provider may not be used.
func (s *Service) chooseProvider(o *order.Order, asked string) (string, error) {
	chosen := s.config.Provider
	if o.OfRehearsal() {
		chosen = Sandbox
	}
	switch {
	case chosen == "":
		return "", fault.New(fault.PaymentRefused, "This shop takes no payments: no provider is chosen. Its operator sets payments.provider.")
	case asked == "" || asked == chosen:
		return chosen, nil
	case o.OfRehearsal():
		return "", fault.New(fault.PaymentRefused, "A rehearsal's order is paid at the sandbox, not at %s.", asked)
	case asked == Sandbox:
		return "", fault.New(fault.PaymentRefused, "Orders are paid at the sandbox only where payments.provider names it.")
	}
	return asked, nil
}

// startAtProvider starts a recorded attempt at the provider. An older attempt may already exist there, so it is queried
// first.
func (s *Service) startAtProvider(ctx context.Context, a Attempt, fresh bool) (Attempt, error) {
	p, err := s.provider(a.Provider)
	if err != nil {
		return Attempt{}, err
	}
	r := Report{State: Missing}
	if !fresh {
		r, err = call(ctx, s.config.CallTimeout, func(ctx context.Context) (Report, error) { return p.Query(ctx, a) })
	}
	if err == nil && r.State == Missing {
		r, err = call(ctx, s.config.CallTimeout, func(ctx context.Context) (Report, error) { return p.Start(ctx, a) })
	}
	if errors.Is(err, fault.PaymentRefused) {
		// The provider refused: record the attempt as failed; the shopper may start another.
		_, recordErr := s.record(ctx, a, Report{Attempt: a.ID, Order: a.Order, State: Declined, Amount: a.Amount, Reference: a.Reference})
		return Attempt{}, errors.Join(err, recordErr)
	}
	if err != nil {
		return Attempt{}, unanswered(err)
	}
	after, err := s.record(ctx, a, r)
	if err == nil && !after.Status.Live() && after.Status != Succeeded {
		return Attempt{}, fault.New(fault.PaymentRefused, "The provider has closed this payment attempt.")
	}
	return after, err
}

// provider returns the provider of that name. It returns fault.NotFound.
func (s *Service) provider(name string) (Provider, error) {
	p := s.providers[name]
	if p == nil {
		return nil, fault.New(fault.NotFound, "There is no payment provider %q.", name)
	}
	return p, nil
}

// unanswered returns the fault of a call with an unknown outcome.
func unanswered(err error) error {
	return fault.Wrap(fault.TimedOut, err, "The payment provider did not answer; ask again.").After(2 * time.Second)
}

// record checks a report against its attempt and records it. It returns the updated attempt. If the report does not
// match, it returns fault.AmountMismatch and changes nothing.
func (s *Service) record(ctx context.Context, a Attempt, r Report) (Attempt, error) {
	if err := a.Check(r); err != nil {
		return a, err
	}
	if r.State == Missing {
		return a, nil
	}
	settled, err := s.recordBatch(ctx, []ReportEntry{s.reportEntry(r)})
	if err != nil {
		return a, err
	}
	return settled[0].Attempt, settled[0].Err
}

// recordBatch records reports, even after their caller has left.
func (s *Service) recordBatch(ctx context.Context, batch []ReportEntry) ([]RecordedReport, error) {
	if err := crashpoint.Fail(crashpoint.SettleBefore); err != nil {
		return nil, err
	}
	settled, err := s.store.RecordReports(context.WithoutCancel(ctx), batch)
	crashpoint.Pass(crashpoint.SettleAfter)
	return settled, err
}

func (s *Service) reportEntry(r Report) ReportEntry {
	return ReportEntry{Report: r, Refund: id.New[id.Refund](s.mint), At: s.now(), Mint: s.mint}
}

// Notify records a provider's notification. Repeated and outdated notifications change nothing.
//
// Faults: NotFound (provider or attempt), BadSignature, BadRequest, AmountMismatch, and the store's, after which the
// provider should send it again.
func (s *Service) Notify(ctx context.Context, provider string, header http.Header, body []byte) error {
	p, err := s.provider(provider)
	if err != nil {
		return err
	}
	r, err := p.VerifyNotification(header, body, s.clock.Now())
	if err != nil {
		return err
	}
	a, err := s.store.Attempt(ctx, r.Attempt)
	if err != nil {
		return err
	}
	if a.Provider != provider {
		return fault.New(fault.NotFound, "There is no payment attempt %s of %s.", r.Attempt, provider)
	}
	if err := crashpoint.Fail(crashpoint.NotificationBefore); err != nil {
		return err
	}
	if _, err = s.record(ctx, a, r); err != nil {
		return err
	}
	return crashpoint.Fail(crashpoint.NotificationAfter)
}

// Attempts lists the attempts of the customer's order, newest first. It returns fault.NotFound.
func (s *Service) Attempts(ctx context.Context, who id.Customer, o id.Order) ([]Attempt, error) {
	if _, err := s.ownedBy(ctx, who, o); err != nil {
		return nil, err
	}
	return s.store.Attempts(ctx, o)
}

// Cancel cancels the customer's unpaid order; see CancelAny. It also returns fault.TooManyRequests if the customer has
// cancelled too many orders of the sale.
func (s *Service) Cancel(ctx context.Context, who id.Customer, o id.Order) (order.Order, error) {
	found, err := s.ownedBy(ctx, who, o)
	if err != nil {
		return found, err
	}
	if found.Status == order.Pending && s.cancels != nil {
		if err := s.cancels.MayCancel(ctx, who, found.Sale); err != nil {
			return found, err
		}
	}
	return s.cancel(ctx, found, "customer "+who.String())
}

// CancelAny cancels any unpaid order. It first closes a live payment attempt; if the provider reports that it was paid,
// the order becomes paid and is not cancelled. Cancelling twice gives the same answer.
//
// Faults: NotFound; BadTransition for a paid order; OrderClosed for an expired one; TimedOut if the provider does not
// answer.
func (s *Service) CancelAny(ctx context.Context, o id.Order, actor string) (order.Order, error) {
	found, err := s.store.Order(ctx, o)
	if err != nil {
		return found, err
	}
	return s.cancel(ctx, found, actor)
}

func (s *Service) cancel(ctx context.Context, o order.Order, actor string) (order.Order, error) {
	// Each round closes one attempt. A shopper who starts another meanwhile causes one more round.
	for range AttemptsMax + 1 {
		if o.Status != order.Pending {
			return cancelled(o)
		}
		live, err := s.store.LiveAttempt(ctx, o.ID)
		if err == nil {
			_, err = s.close(ctx, live)
		}
		if err != nil && !errors.Is(err, fault.NotFound) {
			return o, err
		}
		if err := crashpoint.Fail(crashpoint.CancelBefore); err != nil {
			return o, err
		}
		after, prevented, err := s.store.CancelOrder(context.WithoutCancel(ctx), o.ID, actor, s.now(), s.mint)
		if err != nil {
			return o, err
		}
		crashpoint.Pass(crashpoint.CancelAfter)
		o = after
		if !prevented {
			return cancelled(o)
		}
	}
	return o, fault.New(fault.Overloaded, "New payments of the order keep starting; try again.").After(time.Second)
}

// cancelled returns a cancelled order, or the fault for any other.
func cancelled(o order.Order) (order.Order, error) {
	switch o.Status {
	case order.Cancelled:
		return o, nil
	case order.Paid, order.Fulfilled, order.Refunded:
		return o, fault.New(fault.BadTransition, "The order is %s; it cannot be cancelled any more, only refunded.", o.Status)
	}
	return o, fault.New(fault.OrderClosed, "The order is %s.", o.Status)
}

// close closes an attempt at its provider, or learns that it was paid, and records the result. It returns
// fault.TimedOut if the outcome is unknown, and fault.AmountMismatch.
func (s *Service) close(ctx context.Context, a Attempt) (Attempt, error) {
	r, err := s.closeAttempt(ctx, a)
	if err != nil {
		return a, err
	}
	return s.record(ctx, a, r)
}

// closeAttempt asks the provider to close the attempt. The report it returns is final.
func (s *Service) closeAttempt(ctx context.Context, a Attempt) (Report, error) {
	p := s.providers[a.Provider]
	if p == nil {
		return Report{}, fault.New(fault.TimedOut, "The payment provider %q is not configured; its attempts stay open.", a.Provider)
	}
	r, err := call(ctx, s.config.CallTimeout, func(ctx context.Context) (Report, error) { return p.Close(ctx, a) })
	switch {
	case err != nil:
		return r, unanswered(err)
	case r.State == Waiting:
		return r, unanswered(errors.New("the provider did not close the attempt: it is still open"))
	case r.State == Missing:
		// The provider does not know the attempt. If a delayed Start still arrives, it carries the order's deadline,
		// and a late payment is honoured or refunded.
		return Report{Attempt: a.ID, Order: a.Order, State: Ended, Amount: a.Amount, Reference: a.Reference}, nil
	}
	return r, nil
}

// Refund requests a full refund of an order. Repeated requests return the same refund. The order is refunded once the
// provider confirms (see RefundStep); a free order is refunded immediately. It returns fault.Invalid, fault.NotFound,
// or fault.BadTransition if there is nothing to refund.
func (s *Service) Refund(ctx context.Context, r RefundRequest) (Refund, error) {
	if err := r.Check(); err != nil {
		return Refund{}, err
	}
	r.Refund, r.At, r.Mint = id.New[id.Refund](s.mint), s.now(), s.mint
	return s.store.RequestRefund(ctx, r)
}

// RefundsMax bounds the result of Refunds.
const RefundsMax = 200

// Refunds lists refunds, newest first. It returns fault.Invalid for an unknown status.
func (s *Service) Refunds(ctx context.Context, f RefundFilter) ([]Refund, error) {
	if f.Status != "" && !slices.Contains(RefundStatuses(), f.Status) {
		return nil, fault.Bad("status", "must be one of %v", RefundStatuses())
	}
	f.Limit = min(max(f.Limit, 1), RefundsMax)
	return s.store.Refunds(ctx, f)
}
