package inventory

import (
	"context"
	"maps"
)

// Difference is a pool of which the gate thinks otherwise than the database.
type Difference struct {
	Pool
	Gate  int64 // units available, as the gate has it; 0 where it does not hold the pool
	Store int64
}

// Differences returns the pools whose level is not the database's.
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
		// A sale that has ended: the gate keeps its keys, and nothing that could be bought.
		if level != 0 {
			found = append(found, Difference{p, level, 0})
		}
	}
	return found
}

// Compare returns the pools whose level in the gate is not the database's. quiet is false where changes are on their way
// to the gate, so that a difference says nothing yet; units of orders between their reservation and their commit make a
// difference, too, and are for the caller to rule out.
func (f *Follower) Compare(ctx context.Context) (found []Difference, quiet bool, err error) {
	before := f.position.Load()
	snap, err := f.store.GateSnapshot(ctx)
	if err != nil {
		return nil, false, err
	}
	levels := map[Pool]int64{}
	f.gate.Levels(func(p Pool, units int64) { levels[p] = units })
	// Nothing has come since the position was read: then the levels and the snapshot are of one moment.
	changes, err := f.store.GateChanges(ctx, before, 1)
	return Differences(snap, levels), f.Loaded() && len(changes) == 0, err
}
