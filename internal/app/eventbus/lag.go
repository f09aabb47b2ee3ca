package eventbus

import (
	"context"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/bus"
	"github.com/tidegate/tidegate/internal/telemetry"
)

// lags remembers how far each group is behind, for the metrics. Safe for concurrent use.
type lags struct {
	bus    bus.Bus
	outbox bus.Bus // of the relay
	groups []lagging
	now    func() time.Time

	mu      sync.Mutex
	behind  map[string]bus.Backlog
	letters int64
	count   func(context.Context) (int64, error)
}

// lagging is a group and the topics that it reads.
type lagging struct {
	group  string
	topics []string
}

// step reads the backlog of every group.
func (l *lags) step(ctx context.Context) (int, error) {
	for _, g := range l.groups {
		from := l.bus
		if g.group == relay.Name {
			from = l.outbox
		}
		var all bus.Backlog
		for _, topic := range g.topics {
			left, err := from.Backlog(ctx, topic, g.group)
			if err != nil {
				return 0, err
			}
			all.Messages += left.Messages
			if all.Oldest.IsZero() || !left.Oldest.IsZero() && left.Oldest.Before(all.Oldest) {
				all.Oldest = left.Oldest
			}
		}
		l.mu.Lock()
		l.behind[g.group] = all
		l.mu.Unlock()
	}
	n, err := l.count(ctx)
	if err != nil {
		return 0, err
	}
	l.mu.Lock()
	l.letters = n
	l.mu.Unlock()
	return len(l.groups), nil
}

// each yields how far each group was behind at the last look.
func (l *lags) each(yield func(group string, events int64, age time.Duration)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, g := range l.groups {
		left := l.behind[g.group]
		age := time.Duration(0)
		if !left.Oldest.IsZero() {
			age = max(0, l.now().Sub(left.Oldest))
		}
		yield(g.group, left.Messages, age)
	}
}

func (l *lags) deadLetters() int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.letters
}

func (e *Events) newLags() *lags {
	l := &lags{bus: e.bus, outbox: e.outbox, now: e.Clock.Now, behind: map[string]bus.Backlog{}, count: e.Store.CountDeadLetters}
	for _, c := range e.Consumers {
		l.groups = append(l.groups, lagging{c.Group.Name, e.topicsOf(c)})
	}
	if e.outbox != nil {
		l.groups = append(l.groups, lagging{relay.Name, []string{bus.Events}})
	}
	return l
}

// Observe gives the metrics how far the consumers are behind.
func (e *Events) Observe(m *telemetry.Metrics) error {
	if err := m.ObserveConsumers(e.lags.each); err != nil {
		return err
	}
	return m.ObserveCount("tidegate.dead_letters", "Messages that groups of consumers have given up.", e.lags.deadLetters)
}
