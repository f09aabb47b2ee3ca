//go:build !race

package payment_test

// The sizes of the long tests.
const (
	raceOrders  = 2000 // shared by the actors of TestPayAgainstExpireAgainstCancel
	dueOrders   = 1000 // coming due together
	fuseStrides = 1    // every line
)
