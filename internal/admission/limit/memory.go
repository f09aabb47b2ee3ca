package limit

import (
	"container/list"
	"context"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
)

// Memory is a Counter of one process. It is bounded: it forgets the key that was idle longest.
type Memory struct {
	clock      clock.Clock
	trackedMax int

	mu    sync.Mutex
	byKey map[string]*list.Element
	idle  *list.List // of *counted; the front tried last
}

type counted struct {
	key string
	tat time.Time // the theoretical arrival time: how far the count is
}

// NewMemory returns a Memory that tracks at most trackedMax keys.
func NewMemory(c clock.Clock, trackedMax int) *Memory {
	return &Memory{clock: c, trackedMax: trackedMax, byKey: map[string]*list.Element{}, idle: list.New()}
}

// Take implements Counter.
func (m *Memory) Take(_ context.Context, key string, r Rate) (time.Duration, error) {
	now := m.clock.Now()
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.of(key)
	if full := now.Add(r.tolerance()); c.tat.After(full) {
		c.tat = full // nobody is counted further ahead: the clock was set back
	}
	after, over := r.Take(c.tat.Sub(now), 1)
	if over > 0 {
		return over, nil
	}
	c.tat = now.Add(after)
	return 0, nil
}

// of returns the key's count, making room for it. The caller holds the lock.
func (m *Memory) of(key string) *counted {
	element, known := m.byKey[key]
	if !known {
		if m.idle.Len() >= m.trackedMax {
			oldest := m.idle.Back()
			delete(m.byKey, oldest.Value.(*counted).key)
			m.idle.Remove(oldest)
		}
		element = m.idle.PushFront(&counted{key: key})
		m.byKey[key] = element
	}
	m.idle.MoveToFront(element)
	return element.Value.(*counted)
}

// GiveBack implements Counter.
func (m *Memory) GiveBack(_ context.Context, key string, r Rate) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if element, known := m.byKey[key]; known {
		c := element.Value.(*counted)
		c.tat = c.tat.Add(-r.Every)
	}
	return nil
}

// Forgive implements Counter.
func (m *Memory) Forgive(_ context.Context, key string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if element, known := m.byKey[key]; known {
		delete(m.byKey, key)
		m.idle.Remove(element)
	}
	return nil
}
