package account

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// rightsWithin bounds one look at every right that is watched: what cannot be looked at in it is looked at by the next.
const rightsWithin = 500 * time.Millisecond

// rights are what answers that last stand on: a stream, a long wait, an import. It is safe for concurrent use.
type rights struct {
	mu      sync.Mutex
	watched map[*right]struct{}
}

type right struct {
	still func(context.Context) error
	end   context.CancelCauseFunc
}

// Watch returns a context that ends within a second of the right of an answer that lasts. still asks for the right as the request
// did: an access token, an admin key, a sign-in to the console. What it returns of Unauthenticated and Forbidden ends the context
// and is its cause; another error, as of a database that does not answer, leaves the answer as it is. Call stop when the answer
// has ended.
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

// check ends what has lost its right.
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

// SessionEnded returns an Unauthenticated fault where this process knows that the session has ended, of which something was
// handed out at the time. The zero session never ends. It does no I/O.
func (s *Service) SessionEnded(session id.Session, issued time.Time) error {
	if s.revoked.refuses(session, issued) {
		return errEnded()
	}
	return nil
}

// CheckSession is SessionEnded by the store, which knows of sessions that ended long ago. It returns an Unauthenticated fault, and
// what Store returns.
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
