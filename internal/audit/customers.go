package audit

import (
	"context"
	"hash/maphash"
	"slices"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
)

// keysMax is the most keys in memory, 8 bytes each.
const keysMax = 8_000_000

// loweredMax is how many customers over today's limit are judged by the limit that was in force at their last order, about
// 200 bytes each.
const loweredMax = 100_000

// keyOf is what must be unique.
type keyOf struct {
	sale     id.Sale
	customer id.Customer
	key      string
}

// fingerprint notes the hash of an order's key, where it belongs to the portion of keys that is in memory first.
func (r *run) fingerprint(o *Order) {
	r.saw(i3, 1)
	r.noteKey(keyOf{o.Sale, o.Customer, o.Key}, 0)
}

func (r *run) noteKey(k keyOf, part uint64) {
	if h := maphash.Comparable(r.seed, k); h%r.keyParts == part {
		r.keys = append(r.keys, h)
	}
}

// checkKeys looks for keys that have two orders: by their hashes, and where two are equal by the keys themselves. It does
// not ask the unique index, which is what should have refused them.
func (r *run) checkKeys(ctx context.Context) error {
	for part := uint64(0); ; {
		slices.Sort(r.keys)
		suspects := map[uint64]bool{}
		for i := 1; i < len(r.keys); i++ {
			if r.keys[i] == r.keys[i-1] {
				suspects[r.keys[i]] = true
			}
		}
		if len(suspects) > 0 {
			if err := r.compareKeys(ctx, suspects); err != nil {
				return err
			}
		}
		if part++; part == r.keyParts {
			return nil
		}
		r.keys = r.keys[:0]
		err := r.snap.Keys(ctx, func(_ id.Order, s id.Sale, c id.Customer, key string) error {
			r.tick()
			r.noteKey(keyOf{s, c, key}, part)
			return nil
		})
		if err != nil {
			return err
		}
	}
}

func (r *run) compareKeys(ctx context.Context, suspects map[uint64]bool) error {
	first := map[keyOf]id.Order{}
	return r.snap.Keys(ctx, func(o id.Order, s id.Sale, c id.Customer, key string) error {
		k := keyOf{s, c, key}
		if !suspects[maphash.Comparable(r.seed, k)] {
			return nil
		}
		if other, twice := first[k]; twice {
			r.violated(i3, customerSubject{c, s}, "the key %q has made order %s and order %s", key, other, o)
			return nil
		}
		first[k] = o
		return nil
	})
}

// checkLimits checks what customers have had of each sale. A limit may have been lowered since: whoever has more than today's
// was within the limit that was in force when the last of their orders took its units, or is a violation.
func (r *run) checkLimits(ctx context.Context) error {
	buyers, err := r.snap.Buyers(ctx)
	if err != nil {
		return err
	}
	r.saw(i7, buyers)
	var over []Allowance
	err = r.snap.OverLimit(ctx, func(a Allowance) error {
		r.tick()
		over = append(over, a)
		return errStop(len(over) > r.most.lowered)
	})
	if err != nil && err != errStopped {
		return err
	}
	if len(over) > r.most.lowered {
		over = over[:r.most.lowered]
		r.note(i7, "More than %d customers have more than today's limit; the first %d were judged.", r.most.lowered, r.most.lowered)
	}
	if len(over) == 0 {
		return nil
	}
	taken, err := r.lastTaken(ctx, over)
	if err != nil {
		return err
	}
	return r.judgeLimits(ctx, over, taken)
}

// lastTaken returns, for each customer over a limit, the position at which the last of their orders took its units. At that
// moment all that count today counted. A position is zero where the events were trimmed.
func (r *run) lastTaken(ctx context.Context, over []Allowance) ([]int64, error) {
	taken := make([]int64, len(over))
	owner := map[id.Order]int{}
	for i, a := range over {
		orders, err := r.snap.OrdersOf(ctx, a.Sale, a.Customer)
		if err != nil {
			return nil, err
		}
		for _, o := range orders {
			owner[o] = i
		}
	}
	expired := map[id.Order]bool{}
	err := r.snap.Events(ctx, 0, 1<<63-1, func(e *Event) error {
		i, counts := owner[e.Order]
		if !counts {
			return nil
		}
		// Placed, or expired and paid late: the units were taken here.
		if e.Status == order.Pending || e.Status == order.Paid && expired[e.Order] {
			taken[i] = e.Position
		}
		if e.Status == order.Expired {
			expired[e.Order] = true
		}
		return nil
	})
	return taken, err
}

func (r *run) judgeLimits(ctx context.Context, over []Allowance, taken []int64) error {
	limits := map[id.Sale][]Limit{}
	lowered, unknown := 0, 0
	for i, a := range over {
		history, known := limits[a.Sale]
		if !known {
			err := r.snap.Limits(ctx, a.Sale, func(l Limit) error {
				history = append(history, l)
				return nil
			})
			if err != nil {
				return err
			}
			limits[a.Sale] = history
		}
		limit, told := limitAt(history, taken[i])
		switch {
		case !told:
			unknown++
		case limit == 0 || a.Units <= limit:
			lowered++
		default:
			r.violated(i7, customerSubject{a.Customer, a.Sale}, "their orders are of %d units, and the limit was %d when the last was placed", a.Units, limit)
		}
	}
	if lowered > 0 {
		r.note(i7, "The limit was lowered after they had bought: %d customers have more than today's, and were within it then.", lowered)
	}
	if unknown > 0 {
		r.note(i7, "%d customers have more than today's limit; the events that would tell the limit of the time are not kept any more.", unknown)
	}
	return nil
}

// limitAt returns the limit in force at a position; false where the history does not reach back to it.
func limitAt(history []Limit, position int64) (int64, bool) {
	limit, told := int64(0), false
	for _, l := range history {
		if l.Position > position {
			break
		}
		limit, told = l.Units, true
	}
	return limit, told
}
