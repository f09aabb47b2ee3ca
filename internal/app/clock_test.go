package app

import (
	"context"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// A machine that restarts with its clock behind must not mint the ids of the night before again: a movement's would fail
// every order in the batch.
func TestRestartOnAClockThatIsBehind(t *testing.T) {
	config := testConfig(t)
	now := time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)
	var newest id.Movement
	for _, at := range []time.Time{now, now.Add(-time.Hour)} {
		a, err := New(t.Context(), config, Options{Clock: clock.NewManual(at)})
		if err != nil {
			t.Fatal(err)
		}
		if newest == 0 {
			_, sku := stocked(t, a, 10)
			all, err := a.stock.Movements(context.Background(), sku, 0, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range all {
				newest = max(newest, m.ID)
			}
		} else if next := id.New[id.Movement](a.mint); next <= newest {
			t.Errorf("%s was minted after %s", next, newest)
		}
		if err := a.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
