package account

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// rightsWithin bounds one check of all watched rights. The next check continues with the rest.
const rightsWithin = 500 * time.Millisecond

// rights are the rights behind long answers: a stream, a long poll, an import. It is safe for concurrent use.
type rights struct {
	mu      sync.Mutex
	watched map[*right]struct{}
}

type right struct {
	still func(context.Context) error
	end   context.CancelCauseFunc
}

// Watch returns a context for a long answer. The context ends within a second after the caller loses the right to the
// answer. still repeats the request's check of an access token, an admin key or a console sign-in. If it returns
// Unauthenticated or Forbidden, that error ends the context and is its cause. Other errors, such as a database that
// does not answer, have no effect. Call stop when the answer has ended.
func (s *Service) Watch(ctx context.Context, still func(context.Context) error) (watched context.Context, stop func()) {
	ctx, end := context.WithCancelCause(ctx)
	r := &right{still, end}
	s.rights.mu.Lock()
	s.rights.watched[r] = struct{}{}
	s.rights.mu.Unlock()
	return ctx, func() {
		s.rights.mu.Lock()
		delete(s.rights.watched, r)
		s.rights.mu.Unlock()
		end(nil)
	}
}

// check ends the answers that have lost their right.
func (r *rights) check(ctx context.Context) {
	r.mu.Lock()
	all := make([]*right, 0, len(r.watched))
	for one := range r.watched {
		all = append(all, one)
	}
	r.mu.Unlock()
	if len(all) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, rightsWithin)
	defer cancel()
	for _, one := range all {
		if err := one.still(ctx); errors.Is(err, fault.Unauthenticated) || errors.Is(err, fault.Forbidden) {
			one.end(err)
		}
	}
}

// SessionEnded returns an Unauthenticated fault if this process knows that the session has ended. issued is the time of
// the token. The zero session never ends. It does no I/O.
func (s *Service) SessionEnded(session id.Session, issued time.Time) error {
	if s.revoked.refuses(session, issued) {
		return errEnded()
	}
	return nil
}

// CheckSession is SessionEnded against the store, which also knows sessions that ended long ago. It returns an
// Unauthenticated fault, and the errors of Store.
func (s *Service) CheckSession(ctx context.Context, session id.Session) error {
	if session.IsZero() {
		return nil
	}
	found, err := s.store.Session(ctx, session)
	if errors.Is(err, fault.NotFound) || err == nil && (!found.RevokedAt.IsZero() || !s.clock.Now().Before(found.ExpiresAt)) {
		return errEnded()
	}
	return err
}
