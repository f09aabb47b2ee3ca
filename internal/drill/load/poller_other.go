//go:build !linux

package load

func newPoller(slots int, _ bool) (poller, error) { return newGoPoller(slots), nil }
