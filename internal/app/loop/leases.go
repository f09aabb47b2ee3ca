package loop

import (
	"context"
	"errors"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/lease"
)

// leaseTTL is how long work stands still after the process that held its lease has died.
const leaseTTL = 3 * time.Second

// Leases have one process at a time run the steps of a loop that every process has. A nil *Leases runs every step: the process has the
// database to itself. Wrap loops before they start; Leases is not safe for concurrent use, the wrapped steps are.
type Leases struct {
	store   lease.Store
	holder  string
	keepers map[string]*lease.Keeper
}

// NewLeases returns leases that the store keeps for the holder.
func NewLeases(s lease.Store, holder string) *Leases {
	return &Leases{store: s, holder: holder, keepers: map[string]*lease.Keeper{}}
}

// Singleton runs the loops in one process at a time: the others would do the same work once more, without harm and without use. All of
// them go by one lease, because each renewal is a commit. It is no lock: what the steps change is guarded where it is written.
func (l *Leases) Singleton(all ...Loop) []Loop { return l.WithLease("background", all...) }

// WithLease runs the loops under a named lease: for loops that not every process has, so that one without them does not keep them from the
// others, and for those whose work would be seen twice.
func (l *Leases) WithLease(name string, all ...Loop) []Loop {
	if l == nil {
		return all
	}
	k := l.keepers[name]
	if k == nil {
		k = lease.NewKeeper(l.store, name, l.holder, leaseTTL)
		l.keepers[name] = k
	}
	for i := range all {
		step := all[i].Step
		all[i].Step = func(ctx context.Context) (int, error) {
			if err := k.Acquire(ctx); err != nil {
				return 0, err
			}
			if _, held := k.Held(); !held {
				return 0, nil
			}
			return step(ctx)
		}
	}
	return all
}

// Release ends this process's leases, so that the next process need not wait for them to run out.
func (l *Leases) Release() error {
	if l == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseTTL)
	defer cancel()
	var errs []error
	for _, k := range l.keepers {
		errs = append(errs, k.Release(ctx))
	}
	return errors.Join(errs...)
}
