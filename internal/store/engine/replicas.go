package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// PulseEvery is the interval at which the primary's pulse is incremented and replicas are read.
	PulseEvery = 250 * time.Millisecond
	// probeMax bounds the wait for a replica, so that a dead one does not delay the pulse.
	probeMax = 400 * time.Millisecond
	// beatsKept is the number of beats to remember. A replica further behind is out of use anyway.
	beatsKept = 256
)

// Replicas tracks servers that follow the primary and how far each lags. It is safe for concurrent use, except Pulse,
// which one loop calls.
//
// A beat is a counter in a row of the primary. This process remembers when it incremented each beat. A replica that
// shows a beat has everything committed before that time, so only this process's clock matters.
type Replicas struct {
	all      []*Replica
	lagMax   time.Duration
	primary  *Pool
	beatText string
	next     atomic.Uint32

	mu    sync.Mutex
	beats []beat // oldest first
}

type beat struct {
	number int64
	at     time.Time
}

// Replica is one replica.
type Replica struct {
	Pool
	address string
	// current is the time, in nanoseconds since started, up to which the replica is complete; negative if unknown.
	current atomic.Int64
}

// started is the origin of these times, on the monotonic clock.
var started = time.Now()

// NewReplicas returns the replicas of a primary. They answer lists while they lag at most lagMax, and not before the
// first pulse. beat is the statement that increments a named pulse.
func NewReplicas(primary *Pool, lagMax time.Duration, beat string) *Replicas {
	return &Replicas{primary: primary, lagMax: lagMax, beatText: beat}
}

// Add adds a replica.
func (r *Replicas) Add(address string, p Pool) {
	one := &Replica{Pool: p, address: address}
	one.Leave()
	r.all = append(r.all, one)
}

// Close closes the replicas' connections.
func (r *Replicas) Close() error {
	var errs []error
	for _, one := range r.all {
		errs = append(errs, one.DB.Close())
	}
	return errors.Join(errs...)
}

// Pick returns a replica within the allowed lag, in rotation, or nil.
func (r *Replicas) Pick() *Replica {
	first := int(r.next.Add(1))
	for i := range r.all {
		if one := r.all[(first+i)%len(r.all)]; one.Behind() <= r.lagMax {
			return one
		}
	}
	return nil
}

// Behind returns an upper bound of the replica's lag, or a very long time if it is unknown.
func (o *Replica) Behind() time.Duration {
	current := o.current.Load()
	if current < 0 {
		return 1 << 62
	}
	return time.Since(started) - time.Duration(current)
}

// Leave excludes the replica until it has shown its lag again.
func (o *Replica) Leave() { o.current.Store(-1) }

// Each calls fn with every replica's address and whether it is in use.
func (r *Replicas) Each(fn func(address string, used bool)) {
	for _, one := range r.all {
		fn(one.address, one.Behind() <= r.lagMax)
	}
}

const (
	pulseName   = "primary"
	selectPulse = "SELECT beats FROM pulse WHERE name = ?"
)

// Pulse increments the pulse and reads it from every replica. It returns an error if the primary does not answer. A
// replica that does not answer is excluded.
func (r *Replicas) Pulse(ctx context.Context) error {
	asked := time.Now()
	if err := r.beat(ctx, asked); err != nil {
		return err
	}
	var asking sync.WaitGroup
	for _, one := range r.all {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, probeMax)
			defer cancel()
			var number int64
			if err := one.Row(ctx, selectPulse, pulseName).Scan(&number); err != nil {
				one.Leave()
				return
			}
			if at, known := r.momentOf(number); known {
				one.current.Store(int64(at.Sub(started)))
			} else {
				one.Leave()
			}
		})
	}
	asking.Wait()
	return nil
}

func (r *Replicas) beat(ctx context.Context, asked time.Time) error {
	_, err := r.primary.DB.ExecContext(ctx, r.primary.Texts.Of(r.beatText), pulseName)
	if err != nil {
		return err
	}
	var number int64
	if err := r.primary.Row(ctx, selectPulse, pulseName).Scan(&number); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Another process may have incremented the pulse since. The number read is then newer than the time recorded for
	// it, which is safe.
	r.beats = append(r.beats, beat{number, asked})
	if len(r.beats) > beatsKept {
		r.beats = r.beats[len(r.beats)-beatsKept:]
	}
	return nil
}

// momentOf returns the time of a beat: a replica that shows it has everything committed before.
func (r *Replicas) momentOf(number int64) (time.Time, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := len(r.beats) - 1; i >= 0; i-- {
		if r.beats[i].number <= number {
			return r.beats[i].at, true
		}
	}
	return time.Time{}, false
}
