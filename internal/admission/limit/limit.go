// Package limit implements rate limits by the generic cell rate algorithm (GCRA, ITU-T I.371): a burst, then one event
// each interval. It stores a single number for each key.
package limit

import (
	"context"
	"time"
)

// Rate allows a burst of Burst events, then one event each Every.
type Rate struct {
	Burst int
	Every time.Duration
}

// tolerance is how far the count may run ahead of the clock.
func (r Rate) tolerance() time.Duration { return time.Duration(r.Burst) * r.Every }

// Take counts n. ahead is how far the count was ahead of the clock, after how far it is then; over is for how long n were too
// many, not more than zero where they were not. It is a function of its values alone.
func (r Rate) Take(ahead time.Duration, n int) (after, over time.Duration) {
	after = max(ahead, 0) + time.Duration(n)*r.Every
	return after, after - r.tolerance()
}

// Counter counts attempts by key, exactly: two concurrent attempts never both get the last one. Implementations are
// safe for concurrent use. An error says that it could not count.
type Counter interface {
	// Take counts one attempt. If none is left, it counts nothing and returns the time to wait, which is more than
	// zero.
	Take(ctx context.Context, key string, r Rate) (wait time.Duration, err error)
	// GiveBack takes back one attempt that Take has counted.
	GiveBack(ctx context.Context, key string, r Rate) error
	// Forgive resets the attempts of the key.
	Forgive(ctx context.Context, key string) error
}

// Fallback counts with First and, if First fails, with Second. It fails only if Second fails. The two do not share
// counts: while First is unavailable each process counts by itself.
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
	_ = f.First.Forgive(ctx, key) // if First is unavailable, its attempts expire with time
	return f.Second.Forgive(ctx, key)
}
