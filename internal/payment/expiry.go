package payment

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// ExpireStep expires one bounded batch of overdue orders that have no live payment attempt. It returns their number.
// Any number of workers may run it: each order expires once.
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

// Lag returns how long the longest overdue order has been due, or zero.
func (s *Service) Lag(ctx context.Context) (time.Duration, error) {
	now := s.now()
	oldest, err := s.store.OldestDue(ctx, now)
	if err != nil || oldest.IsZero() {
		return 0, err
	}
	return now.Sub(oldest), nil
}

// PollStep polls providers for up to CallsMax attempts, concurrently. Before the order's deadline it queries the
// attempt. After it, PollStep closes the attempt or learns that it was paid. It returns the number of polled attempts.
//
// If a provider does not answer, its attempt and order stay as they are until the next poll. A silent provider delays
// this step by at most CallTimeout. It delays neither the answers of other providers nor the steps of other workers.
func (s *Service) PollStep(ctx context.Context) (int, error) {
	claimed, err := s.store.ClaimAttempts(ctx, s.now(), s.config.CallsMax, func(a *Attempt, pending bool) time.Time {
		return s.pace.NextPoll(a, pending, s.now())
	})
	if err != nil {
		return 0, err
	}
	reports := make(chan ReportEntry, len(claimed))
	silent := &unreachableProviders{}
	var calls sync.WaitGroup
	for _, c := range claimed {
		calls.Go(func() {
			err := fault.Safely(func() error {
				r, err := s.poll(ctx, c)
				if err == nil && r.State != Missing {
					reports <- s.reportEntry(r)
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
	err = s.recordAll(ctx, reports, len(claimed))
	if silent.count > 0 {
		s.log.WarnContext(ctx, "payment providers did not answer; their attempts stay open and are polled again",
			"attempts", silent.count, "provider", silent.provider, "error", silent.first)
	}
	return len(claimed), err
}

// poll queries or closes the attempt at the provider, depending on the time. The returned report matches the attempt.
func (s *Service) poll(ctx context.Context, c DueAttempt) (r Report, err error) {
	a := c.Attempt
	if p := s.providers[a.Provider]; p != nil && c.Pending && s.now().Before(a.ExpiresAt) {
		r, err = call(ctx, s.config.CallTimeout, func(ctx context.Context) (Report, error) { return p.Query(ctx, a) })
	} else {
		r, err = s.closeAttempt(ctx, a)
	}
	if err != nil {
		return r, err
	}
	if err := a.Check(r); err != nil {
		s.log.ErrorContext(ctx, "a provider's answer does not match the payment attempt; nothing was changed",
			"grade", fault.CodeOf(err).Row().Grade.String(), "attempt", a.ID, "order", a.Order, "provider", a.Provider, "error", err)
		return Report{State: Missing}, nil
	}
	return r, nil
}

// recordAll records reports in batches: those that arrive during one transaction share the next.
func (s *Service) recordAll(ctx context.Context, reports <-chan ReportEntry, batchMax int) error {
	var errs []error
	for first := range reports {
		batch := []ReportEntry{first}
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
		settled, err := s.recordBatch(ctx, batch)
		errs = append(errs, err)
		for i := range settled {
			if err := settled[i].Err; err != nil {
				s.log.ErrorContext(ctx, "a provider's answer cannot be recorded", "grade", fault.P1.String(), "attempt", batch[i].Report.Attempt, "order", batch[i].Report.Order, "error", err)
			}
		}
	}
	return errors.Join(errs...)
}

// unreachableProviders counts unanswered calls of a step and keeps the first error. It is safe for concurrent use.
type unreachableProviders struct {
	mu       sync.Mutex
	count    int
	provider string
	first    error
}

func (l *unreachableProviders) add(provider string, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.count == 0 {
		l.provider, l.first = provider, err
	}
	l.count++
}

// RefundStep sends up to CallsMax refunds to providers and records their answers. It returns the number sent. A refund
// with an unknown outcome is sent again under the same key until the provider accepts or refuses it.
func (s *Service) RefundStep(ctx context.Context) (int, error) {
	claimed, err := s.store.ClaimRefunds(ctx, s.now(), s.config.CallsMax, func(r *Refund) time.Time {
		return s.pace.NextRefundPoll(r, s.now())
	})
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(claimed))
	var calls sync.WaitGroup
	for i, c := range claimed {
		calls.Go(func() { errs[i] = fault.Safely(func() error { return s.refund(ctx, c) }) })
	}
	calls.Wait()
	return len(claimed), errors.Join(errs...)
}

// refund sends one refund. It returns errors of the store only: a provider that does not answer is not an error of the
// step.
func (s *Service) refund(ctx context.Context, c DueRefund) error {
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
		s.log.ErrorContext(ctx, "a provider refused a refund; request it again after fixing the cause",
			"grade", fault.P1.String(), "refund", c.Refund.ID, "order", c.Refund.Order, "provider", c.Refund.Provider, "error", err)
	case err != nil:
		s.log.WarnContext(ctx, "a provider did not answer a refund; it is sent again", "refund", c.Refund.ID, "order", c.Refund.Order, "again_at", c.Refund.LookAt, "error", err)
		return nil
	case !done:
		return nil
	}
	if err := crashpoint.Fail(crashpoint.RefundBefore); err != nil {
		return err
	}
	_, err = s.store.RecordRefund(context.WithoutCancel(ctx), c.Refund.ID, to, refusal, s.now(), s.mint)
	crashpoint.Pass(crashpoint.RefundAfter)
	return err
}
