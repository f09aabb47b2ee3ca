package store_test

import (
	"testing"

	"github.com/tidegate/tidegate/internal/store/storetest"
	"github.com/tidegate/tidegate/test/engine"
)

// TestUnpaidAtTwoProcesses: one customer orders general stock at two processes concurrently, and never holds more
// unpaid than allowed.
func TestUnpaidAtTwoProcesses(t *testing.T) {
	t.Parallel()
	for name, database := range map[string]func(testing.TB) string{"MySQL": engine.MySQL, "PostgreSQL": engine.PostgreSQL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := database(t)
			one, other := openAtAddress(t, address), openAtAddress(t, address)
			storetest.UnpaidAtOnce(storetest.NewTrade(t, one), one, other)
		})
	}
}
