//go:build race

package payment_test

// The race detector makes the pure Go database some twenty times slower: the same tests, with less of everything.
const (
	raceOrders  = 200
	dueOrders   = 200
	fuseStrides = 5
)
