package payment

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// ExpireStep ends orders whose time is over and for which no money can be under way: one bounded batch. It returns how
// many it ended. Any number of workers may run it: each order is ended once.
func (s *Service) ExpireStep(ctx context.Context) (int, error) {
	if err := crashpoint.Fail(crashpoint.ExpireBefore); err != nil {
		return 0, err
	}
	ended, stuck, err := s.store.ExpireOrders(ctx, s.now(), s.mint)
	crashpoint.Pass(crashpoint.ExpireAfter)
	if len(stuck) > 0 {
		s.log.ErrorContext(ctx, "orders that are due cannot be ended", "grade", fault.P1.String(), "orders", len(stuck), "error", errors.Join(stuck...))
	}
	return ended, err
}

// Lag returns how long the longest overdue order has been due: zero where none is.
func (s *Service) Lag(ctx context.Context) (time.Duration, error) {
	now := s.now()
	oldest, err := s.store.OldestDue(ctx, now)
	if err != nil || oldest.IsZero() {
		return 0, err
	}
	return now.Sub(oldest), nil
}

// AskStep asks providers after up to CallsMax attempts, all at once: while the order waits, what has become of the attempt;
// when its time is over, to close it, or to say that it was paid. It returns how many it asked after.
//
// An attempt whose provider does not answer is left as it is, and with it its order, until it is asked after again. It
// holds up this step for at most CallTimeout, the answers of the others not at all, and other workers' steps neither.
func (s *Service) AskStep(ctx context.Context) (int, error) {
	claimed, err := s.store.ClaimAttempts(ctx, s.now(), s.config.CallsMax, func(a *Attempt, pending bool) time.Time {
		return s.pace.NextLook(a, pending, s.now())
	})
	if err != nil {
		return 0, err
	}
	reports := make(chan Settlement, len(claimed))
	silent := &silence{}
	var calls sync.WaitGroup
	for _, c := range claimed {
		calls.Go(func() {
			err := fault.Safely(func() error {
				r, err := s.ask(ctx, c)
				if err == nil && r.State != Missing {
					reports <- s.settlement(r)
				}
				return err
			})
			if err != nil {
				silent.add(c.Attempt.Provider, err)
			}
		})
	}
	go func() {
		calls.Wait()
		close(reports)
	}()
	err = s.settleAll(ctx, reports, len(claimed))
	if silent.count > 0 {
		s.log.WarnContext(ctx, "payment providers did not answer; the attempts stay as they are until they do",
			"attempts", silent.count, "provider", silent.provider, "error", silent.first)
	}
	return len(claimed), err
}

// ask asks the provider what the moment calls for. The report fits the attempt.
func (s *Service) ask(ctx context.Context, c Claimed) (r Report, err error) {
	a := c.Attempt
	if p := s.providers[a.Provider]; p != nil && c.Pending && s.now().Before(a.ExpiresAt) {
		r, err = call(ctx, s.config.CallTimeout, func(ctx context.Context) (Report, error) { return p.Query(ctx, a) })
	} else {
		r, err = s.stop(ctx, a)
	}
	if err != nil {
		return r, err
	}
	if err := a.Check(r); err != nil {
		s.log.ErrorContext(ctx, "a provider's answer does not fit the payment attempt; nothing was changed",
			"grade", fault.CodeOf(err).Row().Grade.String(), "attempt", a.ID, "order", a.Order, "provider", a.Provider, "error", err)
		return Report{State: Missing}, nil
	}
	return r, nil
}

// settleAll records reports as they come, as many in one transaction as have come while the last one ran.
func (s *Service) settleAll(ctx context.Context, reports <-chan Settlement, batchMax int) error {
	var errs []error
	for first := range reports {
		batch := []Settlement{first}
		for more := true; more && len(batch) < batchMax; {
			select {
			case next, ok := <-reports:
				if more = ok; ok {
					batch = append(batch, next)
				}
			default:
				more = false
			}
		}
		settled, err := s.settleBatch(ctx, batch)
		errs = append(errs, err)
		for i := range settled {
			if err := settled[i].Err; err != nil {
				s.log.ErrorContext(ctx, "a provider's answer cannot be recorded", "grade", fault.P1.String(), "attempt", batch[i].Report.Attempt, "order", batch[i].Report.Order, "error", err)
			}
		}
	}
	return errors.Join(errs...)
}

// silence counts the calls of a step that were not answered, and keeps the first reason. Safe for concurrent use.
type silence struct {
	mu       sync.Mutex
	count    int
	provider string
	first    error
}

func (l *silence) add(provider string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		l.provider, l.first = provider, err
	}
	l.count++
}

// RefundStep asks providers for up to CallsMax refunds and records their answers. It returns how many it asked for. A
// refund whose outcome is not known is asked for again under the same key, until the provider says yes or no.
func (s *Service) RefundStep(ctx context.Context) (int, error) {
	claimed, err := s.store.ClaimRefunds(ctx, s.now(), s.config.CallsMax, func(r *Refund) time.Time {
		return s.pace.NextRefundLook(r, s.now())
	})
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(claimed))
	var calls sync.WaitGroup
	for i, c := range claimed {
		calls.Go(func() { errs[i] = fault.Safely(func() error { return s.giveBack(ctx, c) }) })
	}
	calls.Wait()
	return len(claimed), errors.Join(errs...)
}

// giveBack asks for one refund. The error is the store's: what the provider does not answer is no error of the step.
func (s *Service) giveBack(ctx context.Context, c ClaimedRefund) error {
	p := s.providers[c.Refund.Provider]
	if p == nil {
		s.log.ErrorContext(ctx, "a refund waits for a provider that is not configured", "grade", fault.P2.String(), "refund", c.Refund.ID, "provider", c.Refund.Provider)
		return nil
	}
	done, err := call(ctx, s.config.CallTimeout, func(ctx context.Context) (bool, error) { return p.Refund(ctx, c.Attempt, c.Refund) })
	to, refusal := Refunded, ""
	switch {
	case errors.Is(err, fault.PaymentRefused):
		to, refusal = RefundFailed, fault.As(err).Detail
		s.log.ErrorContext(ctx, "a provider refuses a refund; ask for it again when the cause is mended",
			"grade", fault.P1.String(), "refund", c.Refund.ID, "order", c.Refund.Order, "provider", c.Refund.Provider, "error", err)
	case err != nil:
		s.log.WarnContext(ctx, "a refund was not answered; it is asked for again", "refund", c.Refund.ID, "order", c.Refund.Order, "again_at", c.Refund.LookAt, "error", err)
		return nil
	case !done:
		return nil
	}
	if err := crashpoint.Fail(crashpoint.RefundBefore); err != nil {
		return err
	}
	_, err = s.store.SettleRefund(context.WithoutCancel(ctx), c.Refund.ID, to, refusal, s.now(), s.mint)
	crashpoint.Pass(crashpoint.RefundAfter)
	return err
}
