// Package limit counts what somebody does and says when they may do it again, by the generic cell rate algorithm (GCRA, ITU-T
// I.371): so many at once, then one each interval. One number for each key is all that is kept.
package limit

import (
	"context"
	"time"
)

// Rate is so many at once, Burst, then one each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// tolerance is how far the count may be ahead of the clock.
func (r Rate) tolerance() time.Duration { return time.Duration(r.Burst) * r.Every }

// Take counts n. ahead is how far the count was ahead of the clock, after how far it is then; over is for how long n were too
// many, not more than zero where they were not. It is a function of its values alone.
func (r Rate) Take(ahead time.Duration, n int) (after, over time.Duration) {
	after = max(ahead, 0) + time.Duration(n)*r.Every
	return after, after - r.tolerance()
}

// Counter counts tries by key, exactly: two that ask at the same moment never both get the last one. Implementations are safe
// for concurrent use. An error says that it could not count.
type Counter interface {
	// Take counts one try. Where none is left it counts nothing and returns how long to wait, more than zero.
	Take(ctx context.Context, key string, r Rate) (wait time.Duration, err error)
	// GiveBack takes back one try that Take has counted.
	GiveBack(ctx context.Context, key string, r Rate) error
	// Forgive forgets the tries of the key.
	Forgive(ctx context.Context, key string) error
}

// Fallback counts with First, and with Second where First cannot. It never fails where Second does not. What was counted by
// one is not known to the other: while First is gone each process counts for itself.
type Fallback struct{ First, Second Counter }

// Take implements Counter.
func (f Fallback) Take(ctx context.Context, key string, r Rate) (time.Duration, error) {
	wait, err := f.First.Take(ctx, key, r)
	if err != nil {
		return f.Second.Take(ctx, key, r)
	}
	return wait, nil
}

// GiveBack implements Counter.
func (f Fallback) GiveBack(ctx context.Context, key string, r Rate) error {
	if err := f.First.GiveBack(ctx, key, r); err != nil {
		return f.Second.GiveBack(ctx, key, r)
	}
	return nil
}

// Forgive implements Counter.
func (f Fallback) Forgive(ctx context.Context, key string) error {
	_ = f.First.Forgive(ctx, key) // a first counter that is gone has its tries end by themselves
	return f.Second.Forgive(ctx, key)
}
