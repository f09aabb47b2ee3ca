//go:build race

package payment_test

// The race detector makes the pure Go database about twenty times slower, so these tests do less.
const (
	raceOrders  = 200
	dueOrders   = 200
	fuseStrides = 5
)
