package account

import "context"

const (
	// revocationsPerStep bounds one read of the ledger to some milliseconds of work.
	revocationsPerStep = 1000
	// deletionsPerStep bounds one cleaning transaction, so that an order waits for it for some milliseconds at most.
	deletionsPerStep = 500
)

// Load reads every revocation that is still relevant. Until it has returned nil once, this process may accept sessions
// that ended before it started. It returns the errors of Store.
func (s *Service) Load(ctx context.Context) error {
	for {
		did, err := s.RevocationStep(ctx)
		if err != nil || did < revocationsPerStep {
			return err
		}
	}
}

// RevocationStep reads the sessions ended by other processes since the last step, forgets some whose access tokens have
// all expired, and ends the answers that have lost their right (see Watch). Run it at least twice a second from one
// goroutine, so that a revocation takes effect within a second. It returns the number read, and the errors of Store.
func (s *Service) RevocationStep(ctx context.Context) (did int, err error) {
	defer s.rights.check(ctx)
	now := s.clock.Now()
	s.revoked.forget(now)
	learnt, err := s.store.Revocations(ctx, s.cursor.Load(), now, revocationsPerStep)
	if err != nil {
		return 0, err
	}
	for _, r := range learnt {
		s.revoked.add(r.Session, r.Until, now)
		s.cursor.Store(r.Position)
	}
	return len(learnt), nil
}

// CleanStep deletes expired sessions and console sign-ins, and revocations that no access token outlives. Their number
// is bounded, so repeat it while it returns more than zero. It returns the errors of Store.
func (s *Service) CleanStep(ctx context.Context) (did int, err error) {
	did, err = s.store.DeleteEndedSessions(ctx, s.now(), deletionsPerStep)
	if err != nil {
		return did, err
	}
	consoles, err := s.store.DeleteEndedConsoles(ctx, s.now(), deletionsPerStep)
	return did + consoles, err
}
