package account

import "context"

const (
	// revocationsPerStep bounds one read of the ledger: some milliseconds of work.
	revocationsPerStep = 1000
	// deletionsPerStep bounds one transaction of cleaning, so that an order waits behind it for milliseconds at most.
	deletionsPerStep = 500
)

// Load reads every revocation that still matters. Until it has returned nil once, a session that was ended before this
// process began could still pass. It returns what Store returns.
func (s *Service) Load(ctx context.Context) error {
	for {
		did, err := s.RevocationStep(ctx)
		if err != nil || did < revocationsPerStep {
			return err
		}
	}
}

// RevocationStep learns which sessions were ended elsewhere since the last step, forgets some whose access tokens have all
// expired, and ends the answers that have lost their right (see Watch). Run it at least twice a second, from one goroutine: a
// revocation is seen within a second. It returns how many it learnt, and what Store returns.
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

// CleanStep deletes sessions and sign-ins to the console that have expired, and revocations that no access token outlives: a
// bounded number, so run it again while it returns more than zero. It returns what Store returns.
func (s *Service) CleanStep(ctx context.Context) (did int, err error) {
	did, err = s.store.DeleteEndedSessions(ctx, s.now(), deletionsPerStep)
	if err != nil {
		return did, err
	}
	consoles, err := s.store.DeleteEndedConsoles(ctx, s.now(), deletionsPerStep)
	return did + consoles, err
}
