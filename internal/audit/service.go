package audit

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
)

// Service audits and repairs. Safe for concurrent use; it does one thing at a time.
type Service struct {
	store Store
	gate  Gate // nil where no shop is running
	clock clock.Clock
	one   sync.Mutex
	most  limits
}

// limits bound the memory of an audit.
type limits struct{ orders, keys, lowered int }

// NewService returns a service over its parts. gate is nil where the folder is looked at while no shop runs on it.
func NewService(s Store, g Gate, c clock.Clock) *Service {
	return &Service{store: s, gate: g, clock: c, most: limits{ordersMax, keysMax, loweredMax}}
}

// Progress receives the number of rows read so far, now and then.
type Progress func(rows int64)

// Run checks the invariants on one snapshot, which delays no writer. Violations are part of the report, not an error.
// progress may be nil. It returns fault.Overloaded where an audit or a repair is under way already.
func (s *Service) Run(ctx context.Context, progress Progress) (Report, error) {
	if !s.one.TryLock() {
		return Report{}, errBusy()
	}
	defer s.one.Unlock()
	at := s.clock.Now()
	var report Report
	err := s.store.AuditSnapshot(ctx, func(snap Snapshot) error {
		r := newRun(snap, s.most, progress)
		if err := r.all(ctx); err != nil {
			return err
		}
		report = r.report(at)
		return nil
	})
	return report, err
}

func errBusy() error {
	return fault.New(fault.Overloaded, "An audit or a repair is running; try again when it has ended.").After(5 * time.Second)
}

// run is one audit under way.
type run struct {
	findings
	snap       Snapshot
	progress   Progress
	rows       int64
	seed       maphash.Seed
	orderCount int64
	firstEvent int64
	most       limits

	pools      map[inventory.Pool]*poolSum
	closed     map[inventory.Pool]time.Time // the pools that sell nothing, and since when
	supplies   map[id.SKU]*skuSum
	currencies []money.Currency
	keys       []uint64
	keyParts   uint64
	refused    int64 // refunds that the provider has refused

	buffer     []orderState
	lineBuffer []order.Line
	encoded    []byte
}

func newRun(snap Snapshot, most limits, progress Progress) *run {
	return &run{
		findings: invariantList(), snap: snap, progress: progress, seed: maphash.MakeSeed(), most: most,
		pools: map[inventory.Pool]*poolSum{}, closed: map[inventory.Pool]time.Time{}, supplies: map[id.SKU]*skuSum{}, keyParts: 1,
	}
}

func (r *run) all(ctx context.Context) error {
	var err error
	if r.orderCount, err = r.snap.OrderCount(ctx); err != nil {
		return err
	}
	if r.firstEvent, err = r.snap.FirstEvent(ctx); err != nil {
		return err
	}
	if r.firstEvent > 1 {
		r.note(i9, "Events before position %d are not kept any more: the path of older orders is told by their rows and movements alone.", r.firstEvent)
	}
	r.keyParts = uint64(r.orderCount)/uint64(r.most.keys) + 1
	for _, check := range []func(context.Context) error{r.checkSelling, r.checkOrders, r.checkRefunds, r.checkKeys, r.checkPools, r.checkLimits} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// progressEvery is how many rows are read between two words about progress.
const progressEvery = 100_000

func (r *run) tick() {
	r.rows++
	if r.rows%progressEvery == 0 && r.progress != nil {
		r.progress(r.rows)
	}
}

func (r *run) poolHash(p inventory.Pool) uint64 {
	t := r.pool(p)
	if t.hash == 0 {
		t.hash = maphash.Comparable(r.seed, p)
	}
	return t.hash
}

// currency returns where a currency is in currencies: few are in use.
func (r *run) currency(c money.Currency) uint16 {
	i := slices.Index(r.currencies, c)
	if i < 0 {
		i = len(r.currencies)
		r.currencies = append(r.currencies, c)
	}
	return uint16(i)
}

// total returns what an order costs.
func (r *run) total(s *orderState) money.Amount {
	return money.Amount{Minor: s.total, Currency: r.currencies[s.currency]}
}

// errStopped ends a reading early.
var errStopped = errors.New("enough")

func errStop(stop bool) error {
	if stop {
		return errStopped
	}
	return nil
}
