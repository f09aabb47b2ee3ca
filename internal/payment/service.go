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

// Service takes payments. Safe for concurrent use. It holds no lock and no transaction while it calls a provider: what it
// means to do is in the database before the call, and what came of it after.
type Service struct {
	store     Store
	providers map[string]Provider
	clock     clock.Clock
	mint      *id.Mint
	log       *slog.Logger
	config    Config
	pace      Pace
}

// Parts is what a Service is made of.
type Parts struct {
	Store     Store
	Providers []Provider // the configured one, and any whose attempts are still in the books
	Clock     clock.Clock
	Mint      *id.Mint
	Log       *slog.Logger
	Config    Config
}

// NewService returns a service over its parts.
func NewService(p Parts) *Service {
	s := &Service{store: p.Store, providers: map[string]Provider{}, clock: p.Clock, mint: p.Mint, log: p.Log, config: p.Config, pace: p.Config.Pace()}
	for _, one := range p.Providers {
		s.providers[one.Name()] = one
	}
	return s
}

// now is the present time as the rows hold it, to the millisecond.
func (s *Service) now() time.Time { return s.clock.Now().Truncate(time.Millisecond) }

// call bounds one call to a provider. It goes on when the shopper goes away: an answer that nobody waits for is recorded.
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

// own reads an order of the customer's. Another's is as if it did not exist.
func (s *Service) own(ctx context.Context, who id.Customer, o id.Order) (order.Order, error) {
	found, err := s.store.Order(ctx, o)
	if err == nil && found.Customer != who {
		return order.Order{}, fault.New(fault.NotFound, "There is no order %s.", o)
	}
	return found, err
}

// Start starts paying the customer's order, or returns the attempt that is live. An empty provider is the shop's own choice.
//
// The attempt is recorded before the provider is called. Where the provider's answer is lost, fault.TimedOut says so, and
// the next Start asks what became of it. Other faults: NotFound, Invalid (provider), OrderClosed, PaymentRefused,
// AmountMismatch.
func (s *Service) Start(ctx context.Context, who id.Customer, o id.Order, provider string) (Attempt, error) {
	if provider == "" {
		provider = s.config.Provider
	}
	if s.providers[provider] == nil {
		return Attempt{}, fault.Bad("provider", "must be %s", s.config.Provider)
	}
	found, err := s.own(ctx, who, o)
	if err != nil {
		return Attempt{}, err
	}
	if err := crashpoint.Fail(crashpoint.AttemptBefore); err != nil {
		return Attempt{}, err
	}
	now := s.now()
	a, created, err := s.store.BeginAttempt(ctx, Attempt{
		ID: id.New[id.Attempt](s.mint), Order: o, Provider: provider, Status: Starting, Amount: found.Total,
		CreatedAt: now, ExpiresAt: found.ExpiresAt, LookAt: s.pace.FirstLook(now, found.ExpiresAt),
	})
	if err != nil || a.Status != Starting {
		return a, err
	}
	if err := crashpoint.Fail(crashpoint.AttemptAfter); err != nil {
		return Attempt{}, err
	}
	return s.open(ctx, a, created)
}

// open brings an attempt that is recorded to the provider. An attempt that was not begun just now may be there already:
// the provider is asked before it is told.
func (s *Service) open(ctx context.Context, a Attempt, fresh bool) (Attempt, error) {
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
		// The provider's own no: the attempt has failed, and another may be started.
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

// unanswered is the fault of a call whose outcome is not known.
func unanswered(err error) error {
	return fault.Wrap(fault.TimedOut, err, "The payment provider did not answer; ask again.").After(2 * time.Second)
}

// record checks a report against its attempt and settles it. It returns the attempt as it is afterwards, and
// fault.AmountMismatch where the report does not fit: then nothing was changed.
func (s *Service) record(ctx context.Context, a Attempt, r Report) (Attempt, error) {
	if err := a.Check(r); err != nil {
		return a, err
	}
	if r.State == Missing {
		return a, nil
	}
	settled, err := s.settleBatch(ctx, []Settlement{s.settlement(r)})
	if err != nil {
		return a, err
	}
	return settled[0].Attempt, settled[0].Err
}

// settleBatch records reports, also where whoever brought them has gone away.
func (s *Service) settleBatch(ctx context.Context, batch []Settlement) ([]Settled, error) {
	if err := crashpoint.Fail(crashpoint.SettleBefore); err != nil {
		return nil, err
	}
	settled, err := s.store.Settle(context.WithoutCancel(ctx), batch)
	crashpoint.Pass(crashpoint.SettleAfter)
	return settled, err
}

func (s *Service) settlement(r Report) Settlement {
	return Settlement{Report: r, Refund: id.New[id.Refund](s.mint), At: s.now(), Mint: s.mint}
}

// Notify takes a provider's notification: the same one again, and an older one after a newer, change nothing.
//
// Faults: NotFound (provider or attempt), BadSignature, BadRequest, AmountMismatch, and the store's, after which the
// provider sends it again.
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
	if _, err := s.own(ctx, who, o); err != nil {
		return nil, err
	}
	return s.store.Attempts(ctx, o)
}

// Cancel cancels the customer's order that is not paid; see CancelAny.
func (s *Service) Cancel(ctx context.Context, who id.Customer, o id.Order) (order.Order, error) {
	found, err := s.own(ctx, who, o)
	if err != nil {
		return found, err
	}
	return s.cancel(ctx, found, "customer "+who.String())
}

// CancelAny cancels any order that is not paid. Money that may be under way is stopped first: where the provider says that
// it was paid, the order becomes paid and is not cancelled. Cancelling twice is answered alike.
//
// Faults: NotFound; BadTransition for an order that is paid; OrderClosed for one that expired; TimedOut where the provider
// does not answer.
func (s *Service) CancelAny(ctx context.Context, o id.Order, actor string) (order.Order, error) {
	found, err := s.store.Order(ctx, o)
	if err != nil {
		return found, err
	}
	return s.cancel(ctx, found, actor)
}

func (s *Service) cancel(ctx context.Context, o order.Order, actor string) (order.Order, error) {
	// Each round closes one attempt; a shopper who starts another in between makes one more round.
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
	return o, fault.New(fault.Overloaded, "The order keeps being paid for; try again.").After(time.Second)
}

// cancelled answers with an order that is cancelled, and refuses for any other.
func cancelled(o order.Order) (order.Order, error) {
	switch o.Status {
	case order.Cancelled:
		return o, nil
	case order.Paid, order.Fulfilled, order.Refunded:
		return o, fault.New(fault.BadTransition, "The order is %s; it cannot be cancelled any more, only refunded.", o.Status)
	}
	return o, fault.New(fault.OrderClosed, "The order is %s.", o.Status)
}

// close stops an attempt at its provider, or learns that it was paid, and records which. It returns fault.TimedOut where
// neither is known, and fault.AmountMismatch.
func (s *Service) close(ctx context.Context, a Attempt) (Attempt, error) {
	r, err := s.stop(ctx, a)
	if err != nil {
		return a, err
	}
	return s.record(ctx, a, r)
}

// stop asks the provider to close the attempt. The report it returns is final.
func (s *Service) stop(ctx context.Context, a Attempt) (Report, error) {
	p := s.providers[a.Provider]
	if p == nil {
		return Report{}, fault.New(fault.TimedOut, "The payment provider %q is not configured; its attempts stay open.", a.Provider)
	}
	r, err := call(ctx, s.config.CallTimeout, func(ctx context.Context) (Report, error) { return p.Close(ctx, a) })
	switch {
	case err != nil:
		return r, unanswered(err)
	case r.State == Waiting:
		return r, unanswered(errors.New("the provider says that the attempt it was to close still waits"))
	case r.State == Missing:
		// It never heard of it. Should a start that is under way arrive after all, it carries the order's end, and money
		// that comes then is honoured or refunded.
		return Report{Attempt: a.ID, Order: a.Order, State: Ended, Amount: a.Amount, Reference: a.Reference}, nil
	}
	return r, nil
}

// Refund asks for an order's refund in full; asked twice it is one refund. The order is refunded when the provider has
// confirmed, see RefundStep. It returns fault.Invalid, fault.NotFound, or fault.BadTransition where there is nothing to
// refund.
func (s *Service) Refund(ctx context.Context, r RefundRequest) (Refund, error) {
	if err := r.Check(); err != nil {
		return Refund{}, err
	}
	r.Refund, r.At = id.New[id.Refund](s.mint), s.now()
	return s.store.RequestRefund(ctx, r)
}

// RefundsMax is the most that Refunds returns.
const RefundsMax = 200

// Refunds lists refunds, newest first. It returns fault.Invalid for a status that refunds do not have.
func (s *Service) Refunds(ctx context.Context, f RefundFilter) ([]Refund, error) {
	if f.Status != "" && !slices.Contains(RefundStatuses(), f.Status) {
		return nil, fault.Bad("status", "must be one of %v", RefundStatuses())
	}
	f.Limit = min(max(f.Limit, 1), RefundsMax)
	return s.store.Refunds(ctx, f)
}
