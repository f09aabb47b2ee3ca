package sqlite

import "testing"

// TestHotConnIsSure: a value that is not the driver's connection, as this binary knows it, is refused.
func TestHotConnIsSure(t *testing.T) {
	if _, err := newHotConn(t); err == nil {
		t.Error("something that is no connection was taken for one")
	}
}
