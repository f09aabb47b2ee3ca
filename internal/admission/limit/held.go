package limit

import (
	"net/netip"
	"sync"
	"sync/atomic"
)

// Held limits what each client address holds at a time, such as connections. IPv6 addresses of one /64 count as one. It
// is safe for concurrent use.
type Held struct {
	max atomic.Int64

	mu   sync.Mutex
	held map[netip.Addr]int
}

// NewHeld returns a limit of most for each client; zero is no limit.
func NewHeld(most int) *Held {
	h := &Held{held: map[netip.Addr]int{}}
	h.SetMax(most)
	return h
}

// SetMax changes the bound. Who holds more than a lower one keeps what they hold, and gets no more.
func (h *Held) SetMax(most int) { h.max.Store(int64(most)) }

// Enter counts one for the client. It returns false if the limit is reached; otherwise call Leave later.
func (h *Held) Enter(client netip.Addr) bool {
	most := int(h.max.Load())
	key := ClientKey(client)
	h.mu.Lock()
	defer h.mu.Unlock()
	if most > 0 && h.held[key] >= most { // without a bound they are counted, too: there may be one before they leave
		return false
	}
	h.held[key]++
	return true
}

// Leave counts one less for the client.
func (h *Held) Leave(client netip.Addr) {
	key := ClientKey(client)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.held[key]--; h.held[key] <= 0 {
		delete(h.held, key)
	}
}
