//go:build !crashpoints

package crashpoint

// Pass passes a point where nothing can fail: the process may die or hang there.
func Pass(Point) {}

// Fail passes a point and returns an error where it was told to fail.
func Fail(Point) error { return nil }
