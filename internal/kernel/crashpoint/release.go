//go:build !crashpoints

package crashpoint

// Pass passes a point where nothing can fail: the process may die or hang there.
func Pass(Point) {}

// Fail passes a point. It returns an error if the point is armed to fail.
func Fail(Point) error { return nil }
