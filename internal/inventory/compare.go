package inventory

import (
	"context"
	"maps"
)

// Difference is a pool whose count in the gate differs from the database's.
type Difference struct {
	Pool
	Gate  int64 // available units in the gate; 0 if it does not hold the pool
	Store int64
}

// Differences returns the pools whose count in the gate differs from the database's.
func Differences(snap Snapshot, levels map[Pool]int64) []Difference {
	var found []Difference
	ended := maps.Clone(levels)
	for _, st := range snap.Stock {
		if level := levels[st.Pool]; level != st.Available() {
			found = append(found, Difference{st.Pool, level, st.Available()})
		}
		delete(ended, st.Pool)
	}
	for p, level := range ended {
		// A sale that has ended: the gate keeps its keys but has nothing to sell.
		if level != 0 {
			found = append(found, Difference{p, level, 0})
		}
	}
	return found
}

// Compare returns the pools whose availability in the gate differs from the database's. quiet is false if changes are
// still on their way to the gate, in which case a difference means nothing. Orders between their reservation and their
// commit also make a difference; the caller must rule them out.
func (f *Follower) Compare(ctx context.Context) (found []Difference, quiet bool, err error) {
	before := f.position.Load()
	snap, err := f.store.GateSnapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	levels := map[Pool]int64{}
	f.gate.Availability(func(p Pool, units int64) { levels[p] = units })
	// No change has come since the position was read, so the availability and the snapshot are of the same moment.
	changes, err := f.store.GateChanges(ctx, before, 1)
	return Differences(snap, levels), f.Loaded() && len(changes) == 0, err
}
