//go:build !race

package payment_test

// How much the long tests do.
const (
	raceOrders  = 2000 // put between the actors of TestPayAgainstExpireAgainstCancel
	dueOrders   = 1000 // that come due together
	fuseStrides = 1    // every line
)
