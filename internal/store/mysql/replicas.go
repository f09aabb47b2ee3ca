package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// PulseEvery is how often the primary's pulse beats, and replicas are asked for it.
	PulseEvery = 250 * time.Millisecond
	// probeMax bounds the wait for a replica's answer, so that a dead one does not hold up the pulse.
	probeMax = 400 * time.Millisecond
	// beatsKept is how many beats are remembered: a replica further behind is out in any case.
	beatsKept = 256
)

// Replicas are servers that follow the primary, and how far behind each is. Their methods are safe for concurrent use, but
// for Pulse, which one loop drives.
//
// A beat is a number that grows in a row of the primary. This process remembers when it asked for each. A replica that has a
// beat has everything that was committed before that moment: no clock but this process's own is needed.
type Replicas struct {
	all    []*Replica
	lagMax time.Duration
	next   atomic.Uint32

	mu    sync.Mutex
	beats []beat // the oldest first
}

type beat struct {
	number int64
	at     time.Time
}

// Replica is one of them.
type Replica struct {
	DB      *sql.DB
	address Address
	// current is the moment, in nanoseconds since started, up to which it has everything; negative where that is not known.
	current atomic.Int64
}

// started is what moments are counted from, by the monotonic clock.
var started = time.Now()

// OpenReplicas opens the pools of replicas. It refuses an address that cannot be read, and a server that refuses the user or has no such
// database; one that does not answer may come later.
func OpenReplicas(ctx context.Context, addresses []string, connectionsMax int, lagMax time.Duration) (*Replicas, error) {
	r := &Replicas{lagMax: lagMax}
	for i, text := range addresses {
		setting := fmt.Sprintf("store.replicas[%d]", i)
		at, err := Parse(text)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("%s must be %w", setting, err), r.Close())
		}
		db, err := at.Open(connectionsMax)
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
		one := &Replica{DB: db, address: at}
		one.Leave()
		r.all = append(r.all, one)
		asked, cancel := context.WithTimeout(ctx, dialMax)
		err = db.PingContext(asked)
		cancel()
		if _, refused := errors.AsType[*mysql.MySQLError](err); refused {
			return nil, errors.Join(at.Explain(err, setting), r.Close())
		}
	}
	return r, nil
}

// Close closes the pools.
func (r *Replicas) Close() error {
	var errs []error
	for _, one := range r.all {
		errs = append(errs, one.DB.Close())
	}
	return errors.Join(errs...)
}

// Pick returns a replica that is at most the allowed time behind; nil where there is none. They take turns.
func (r *Replicas) Pick() *Replica {
	first := int(r.next.Add(1))
	for i := range r.all {
		if one := r.all[(first+i)%len(r.all)]; one.Behind() <= r.lagMax {
			return one
		}
	}
	return nil
}

// Behind returns how far the replica is behind the primary at most; a long time where that is not known.
func (o *Replica) Behind() time.Duration {
	current := o.current.Load()
	if current < 0 {
		return 1 << 62
	}
	return time.Since(started) - time.Duration(current)
}

// Leave has the replica left out until it has shown again how far it is.
func (o *Replica) Leave() { o.current.Store(-1) }

// Each calls fn with every replica's address and whether it is used.
func (r *Replicas) Each(fn func(address string, used bool)) {
	for _, one := range r.all {
		fn(one.address.String(), one.Behind() <= r.lagMax)
	}
}

const pulseName = "primary"

// Pulse beats once and asks every replica how far it is. It returns an error where the primary does not answer; a replica
// that does not is left out.
func (r *Replicas) Pulse(ctx context.Context, primary *sql.DB) error {
	asked := time.Now()
	if err := r.beat(ctx, primary, asked); err != nil {
		return err
	}
	var asking sync.WaitGroup
	for _, one := range r.all {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, probeMax)
			defer cancel()
			var number int64
			if err := one.DB.QueryRowContext(ctx, "SELECT beats FROM pulse WHERE name = ?", pulseName).Scan(&number); err != nil {
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

func (r *Replicas) beat(ctx context.Context, primary *sql.DB, asked time.Time) error {
	_, err := primary.ExecContext(ctx, "INSERT INTO pulse (name, beats) VALUES (?, 1) ON DUPLICATE KEY UPDATE beats = beats + 1", pulseName)
	if err != nil {
		return err
	}
	var number int64
	if err := primary.QueryRowContext(ctx, "SELECT beats FROM pulse WHERE name = ?", pulseName).Scan(&number); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Another process may have beaten since: the number that is read is later than what was asked, never earlier.
	r.beats = append(r.beats, beat{number, asked})
	if len(r.beats) > beatsKept {
		r.beats = r.beats[len(r.beats)-beatsKept:]
	}
	return nil
}

// momentOf returns the moment before which everything is on a replica that has a beat.
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
