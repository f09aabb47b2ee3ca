// Package bustest is the conformance suite for every bus.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/bus"
)

// Engine is an empty broker for one case.
type Engine struct {
	// Open connects a process. The buses of one Engine share a broker. The suite closes them.
	Open func(t *testing.T, topics []bus.Topic, letters bus.DeadLetters) bus.Bus
	// Stop takes the broker down like a crash. Start starts it with what is on its disk.
	Stop, Start func(t *testing.T)
}

// Suite runs every case on its own broker.
func Suite(t *testing.T, start func(t *testing.T) Engine) {
	for _, c := range []struct {
		name  string
		check func(*stage)
	}{
		{"every group gets every message, in the order of its key", everyGroup},
		{"a group gets only the types it wants", types},
		{"a group that is not known is refused", unknownGroup},
		{"what was published before anyone subscribed is delivered", backlog},
		{"published twice under one id", twice},
		{"processes of one group share the work", shared},
		{"a message that fails is tried again after growing pauses", retries},
		{"a message that goes on failing becomes a dead letter with its reason", dies},
		{"poison becomes a dead letter at once", poisoned},
		{"a panic over one message", panics},
		{"one message that fails holds up its key and no other", holdsUp},
		{"a dead letter that cannot be kept is not lost", lettersAway},
		{"a handler whose database is away loses nothing and kills nothing", notNow},
		{"what another process has in hand is not settled", inHand},
		{"a slow handler gets no message twice", slow},
		{"a handler that takes too long is told to end", tooLong},
		{"a stop in mid-batch finishes the batch", stopInMidBatch},
		{"what is redelivered goes to one group", redelivered},
		{"what was published survives a restart of the broker", restart},
		{"a broker that goes away for ten seconds", away},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.check(&stage{t: t, engine: start(t), letters: &DeadLetters{}})
		})
	}
}

// stage is the broker of a case and what the case uses on it.
type stage struct {
	t       *testing.T
	engine  Engine
	letters *DeadLetters
}

const topic = bus.Events

// group returns a group with short retry delays.
func group(name string) bus.Group {
	return bus.Group{Name: name, BatchMax: 50, InFlightMax: 500, TriesMax: 3, FirstDelay: 100 * time.Millisecond, LongestDelay: time.Second}
}

// open connects a process that knows the groups.
func (s *stage) open(groups ...bus.Group) bus.Bus {
	s.t.Helper()
	b := s.engine.Open(s.t, []bus.Topic{{Name: topic, Groups: groups}}, s.letters)
	s.t.Cleanup(func() {
		if err := b.Close(); err != nil {
			s.t.Errorf("close: %v", err)
		}
	})
	return b
}

// message returns the n-th message of a key. Its payload identifies it in every engine.
func message(id int64, key string, n int) bus.Message {
	return bus.Message{
		ID: id, Key: key, Type: "order.placed.v1", Payload: fmt.Appendf(nil, `{"key":%q,"n":%d}`, key, n),
		At: time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC).Add(time.Duration(id) * time.Millisecond),
	}
}

// messages returns perKey messages for each key, the keys in turn.
func messages(keys, perKey int) []bus.Message {
	var all []bus.Message
	for n := range perKey {
		for k := range keys {
			all = append(all, message(int64(len(all)+1), fmt.Sprint(1000+k), n))
		}
	}
	return all
}

// publish publishes in batches, and retries each until it succeeds.
func (s *stage) publish(b bus.Bus, all []bus.Message) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), await.Max)
	defer cancel()
	for len(all) > 0 {
		n := min(500, len(all))
		err := b.Publish(ctx, topic, all[:n])
		switch {
		case err == nil:
			all = all[n:]
		case !errors.Is(err, bus.ErrUnavailable) && !errors.Is(err, bus.ErrUndecided):
			s.t.Fatalf("publish: %v; want ErrUnavailable or ErrUndecided", err)
		case ctx.Err() != nil:
			s.t.Fatalf("publish: %v", err)
		default:
			time.Sleep(50 * time.Millisecond)
		}
	}
}

// subscribe runs a handler until the returned stop is called, or the case ends. stop waits for the subscription's end.
func (s *stage) subscribe(b bus.Bus, group string, handle bus.Handler) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Subscribe(ctx, topic, group, handle) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			select {
			case err := <-ended:
				if err != nil {
					s.t.Errorf("the subscription of %s ended with: %v", group, err)
				}
			case <-time.After(await.Max):
				s.t.Errorf("the subscription of %s does not end", group)
			}
		})
	}
	s.t.Cleanup(stop)
	return stop
}

// settled waits until a group has no messages left.
func (s *stage) settled(b bus.Bus, group string) {
	s.t.Helper()
	await.Equal(s.t, "nothing is left of "+group, "0 messages, error <nil>", func() string {
		left, err := b.Backlog(s.t.Context(), topic, group)
		return fmt.Sprintf("%d messages, error %v", left.Messages, err)
	})
}

// DeadLetters keeps dead letters in memory. It is safe for concurrent use.
type DeadLetters struct {
	mu   sync.Mutex
	kept map[string]bus.DeadLetter
	away bool
}

// Add implements bus.DeadLetters.
func (l *DeadLetters) Add(_ context.Context, letters []bus.DeadLetter) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.away {
		return errors.New("the dead letters cannot be written")
	}
	if l.kept == nil {
		l.kept = map[string]bus.DeadLetter{}
	}
	for _, d := range letters {
		l.kept[fmt.Sprintf("%s/%s/%d", d.Topic, d.Group, d.ID)] = d
	}
	return nil
}

func (l *DeadLetters) all() []bus.DeadLetter {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []bus.DeadLetter
	for _, d := range l.kept {
		all = append(all, d)
	}
	return all
}

func (l *DeadLetters) setAway(away bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.away = away
}
