package bustest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/bus"
)

// said is the content of a message's payload.
type said struct {
	Key string `json:"key"`
	N   int    `json:"n"`
}

// inbox is a consumer that records what it applies.
type inbox struct {
	mu      sync.Mutex
	applied []said
	times   map[said]int
	wrong   []string
	last    map[string]int
	// fail, if set, decides whether a message fails.
	fail func(d bus.Delivery, m said) error
	// pause is how long a batch takes.
	pause time.Duration
}

func newInbox() *inbox { return &inbox{times: map[said]int{}, last: map[string]int{}} }

// batch applies a whole batch or nothing, like a transaction.
func (i *inbox) batch(ctx context.Context, batch []bus.Delivery) error {
	if i.pause > 0 {
		time.Sleep(i.pause)
	}
	if i.fail != nil {
		for _, d := range batch {
			if err := i.fail(d, read(d)); err != nil {
				return err
			}
		}
	}
	for _, d := range batch {
		i.apply(d)
	}
	return nil
}

// one applies a message.
func (i *inbox) one(_ context.Context, d bus.Delivery) error {
	if i.fail != nil {
		if err := i.fail(d, read(d)); err != nil {
			return err
		}
	}
	i.apply(d)
	return nil
}

func read(d bus.Delivery) (m said) {
	if err := json.Unmarshal(d.Payload, &m); err != nil {
		panic(err)
	}
	return m
}

func (i *inbox) apply(d bus.Delivery) {
	m := read(d)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.times[m]++
	i.applied = append(i.applied, m)
	if before, seen := i.last[m.Key]; i.times[m] == 1 {
		if seen && m.N < before {
			i.wrong = append(i.wrong, fmt.Sprintf("message %d of key %s came after %d", m.N, m.Key, before))
		}
		i.last[m.Key] = m.N
	}
	switch {
	case d.Key != m.Key:
		i.wrong = append(i.wrong, fmt.Sprintf("a message of key %s came with the key %q", m.Key, d.Key))
	case d.Try < 1:
		i.wrong = append(i.wrong, fmt.Sprintf("try %d", d.Try))
	case d.ID == 0 || d.At.IsZero():
		i.wrong = append(i.wrong, fmt.Sprintf("message %d of key %s came without its id or time", m.N, m.Key))
	}
}

// count returns how many different messages were applied, and how many repetitions.
func (i *inbox) count() (different, again int) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.times), len(i.applied) - len(i.times)
}

func (i *inbox) has(key string, n int) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.times[said{key, n}] > 0
}

// order returns the numbers of a key's messages in the order of their first application.
func (i *inbox) order(key string) []int {
	i.mu.Lock()
	defer i.mu.Unlock()
	var numbers []int
	seen := map[int]bool{}
	for _, m := range i.applied {
		if m.Key == key && !seen[m.N] {
			seen[m.N] = true
			numbers = append(numbers, m.N)
		}
	}
	return numbers
}

// gets waits until n different messages were applied, and checks their order.
func (s *stage) gets(i *inbox, n int) {
	s.t.Helper()
	await.Until(s.t, fmt.Sprintf("%d different messages", n), func() bool { different, _ := i.count(); return different >= n })
	if different, _ := i.count(); different != n {
		s.t.Errorf("%d different messages, want %d", different, n)
	}
	s.inOrder(i)
}

func (s *stage) inOrder(i *inbox) {
	s.t.Helper()
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, w := range i.wrong {
		s.t.Error(w)
	}
}

// once checks that nothing was applied twice.
func (s *stage) once(i *inbox) {
	s.t.Helper()
	if _, again := i.count(); again > 0 {
		s.t.Errorf("%d messages were delivered again without need", again)
	}
}

var errRefused = errors.New("this one is refused")
