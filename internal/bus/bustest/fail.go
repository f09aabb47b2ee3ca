package bustest

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/bus"
)

func retries(s *stage) {
	b := s.open(group("one"))
	in := newInbox()
	var mu sync.Mutex
	var tries []int
	var at []time.Time
	in.fail = func(d bus.Delivery, m said) error {
		if m.Key != "1002" || m.N != 3 {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if len(tries) == 0 || tries[len(tries)-1] != d.Try {
			tries, at = append(tries, d.Try), append(at, time.Now())
		}
		if d.Try < 3 {
			return errRefused
		}
		return nil
	}
	s.subscribe(b, "one", in.batch)
	s.publish(b, messages(5, 10))
	await.Until(s.t, "every message", func() bool { n, _ := in.count(); return n == 50 })
	s.settled(b, "one")
	if len(s.letters.all()) > 0 {
		s.t.Errorf("dead letters: %s", describe(s.letters.all()))
	}
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(tries, []int{1, 2, 3}) {
		s.t.Fatalf("the tries were %v, want 1, 2, 3", tries)
	}
	// Engines may round a pause. No pause may be much too short, and the second is longer.
	if first, second := at[1].Sub(at[0]), at[2].Sub(at[1]); first < 80*time.Millisecond || second < 160*time.Millisecond {
		s.t.Errorf("the pauses were %s and %s, want at least 100 ms and 200 ms", first, second)
	}
}

func dies(s *stage) {
	b := s.open(group("one"), group("two"))
	in, two := newInbox(), newInbox()
	in.fail = func(_ bus.Delivery, m said) error {
		if m.Key == "1001" && m.N == 2 {
			return errRefused
		}
		return nil
	}
	s.subscribe(b, "one", bus.Each(in.one))
	s.subscribe(b, "two", two.batch)
	all := messages(4, 10)
	s.publish(b, all)
	await.Until(s.t, "39 messages", func() bool { n, _ := in.count(); return n == 39 })
	s.gets(two, 40)
	await.Until(s.t, "the dead letter", func() bool { return len(s.letters.all()) == 1 })
	d := s.letters.all()[0]
	if d.Topic != topic || d.Group != "one" || d.Tries != 3 || !strings.Contains(d.Reason, errRefused.Error()) || d.DiedAt.IsZero() {
		s.t.Errorf("the dead letter says %+v", d)
	}
	want := all[2*4+1]
	if d.Key != want.Key || d.Type != want.Type || string(d.Payload) != string(want.Payload) || !d.At.Equal(want.At) {
		s.t.Errorf("the dead letter is %+v, want %+v", d.Message, want)
	}
	if !b.Features().Numbers && d.ID != want.ID {
		s.t.Errorf("the dead letter's id is %d, want %d", d.ID, want.ID)
	}
	s.settled(b, "one")
}

func poisoned(s *stage) {
	b := s.open(group("one"))
	in := newInbox()
	in.fail = func(_ bus.Delivery, m said) error {
		if m.N == 4 {
			return bus.Permanent(errRefused)
		}
		return nil
	}
	s.subscribe(b, "one", in.batch)
	s.publish(b, messages(3, 10))
	s.gets(in, 27)
	await.Until(s.t, "the dead letters", func() bool { return len(s.letters.all()) == 3 })
	for _, d := range s.letters.all() {
		if d.Tries != 1 {
			s.t.Errorf("poison was tried %d times", d.Tries)
		}
	}
	s.settled(b, "one")
	s.once(in)
}

func panics(s *stage) {
	b := s.open(group("one"))
	in := newInbox()
	in.fail = func(_ bus.Delivery, m said) error {
		if m.Key == "1000" && m.N == 0 {
			panic("this one is too much")
		}
		return nil
	}
	s.subscribe(b, "one", in.batch)
	s.publish(b, messages(5, 20))
	await.Until(s.t, "all the others", func() bool { n, _ := in.count(); return n == 99 })
	await.Until(s.t, "the dead letter", func() bool { return len(s.letters.all()) == 1 })
	if d := s.letters.all()[0]; !strings.Contains(d.Reason, "this one is too much") || d.Tries != 3 {
		s.t.Errorf("the dead letter says %+v", d)
	}
	s.settled(b, "one")
}

func holdsUp(s *stage) {
	g := group("one")
	g.TriesMax = 100
	b := s.open(g)
	in := newInbox()
	var mu sync.Mutex
	refuse := true
	in.fail = func(_ bus.Delivery, m said) error {
		mu.Lock()
		defer mu.Unlock()
		if refuse && m.Key == "1001" && m.N == 3 {
			return errRefused
		}
		return nil
	}
	s.subscribe(b, "one", in.batch)
	all := messages(4, 40)
	s.publish(b, all[:80])
	others := func() bool {
		return len(in.order("1000")) == 20 && len(in.order("1002")) == 20 && len(in.order("1003")) == 20
	}
	await.Until(s.t, "the other keys", others)
	s.publish(b, all[80:]) // later messages wait too
	await.Until(s.t, "the other keys' later messages", func() bool { return len(in.order("1000")) == 40 && len(in.order("1003")) == 40 })
	holds := b.Features().HoldsKey
	if got := in.order("1001"); holds && len(got) != 3 {
		s.t.Errorf("of the key that waits %v were applied, want 0, 1, 2", got)
	}
	mu.Lock()
	refuse = false
	mu.Unlock()
	await.Until(s.t, "every message", func() bool { n, _ := in.count(); return n == 160 })
	if holds {
		s.inOrder(in)
	}
	s.settled(b, "one")
}

func lettersAway(s *stage) {
	b := s.open(group("one"))
	s.letters.setAway(true)
	in := newInbox()
	in.fail = func(_ bus.Delivery, m said) error {
		if m.Key == "1001" && m.N == 1 {
			return bus.Permanent(errRefused)
		}
		return nil
	}
	s.subscribe(b, "one", bus.Each(in.one))
	s.publish(b, messages(3, 3))
	await.Until(s.t, "the first messages", func() bool { return in.has("1001", 0) })
	time.Sleep(300 * time.Millisecond)
	s.letters.setAway(false)
	await.Until(s.t, "the dead letter", func() bool { return len(s.letters.all()) == 1 })
	await.Until(s.t, "all the others", func() bool { n, _ := in.count(); return n == 8 })
	s.settled(b, "one")
}

func notNow(s *stage) {
	b := s.open(group("one"))
	in := newInbox()
	var mu sync.Mutex
	refused := 0
	in.fail = func(d bus.Delivery, _ said) error {
		mu.Lock()
		defer mu.Unlock()
		if d.Try != 1 {
			s.t.Errorf("try %d of a message that was never at fault", d.Try)
		}
		if refused < 6 { // more often than a message may fail
			refused++
			return bus.RetryLater(errRefused)
		}
		return nil
	}
	s.subscribe(b, "one", in.batch)
	s.publish(b, messages(5, 10))
	s.gets(in, 50)
	s.settled(b, "one")
	if len(s.letters.all()) > 0 {
		s.t.Errorf("dead letters: %s", describe(s.letters.all()))
	}
}

func tooLong(s *stage) {
	g := group("one")
	g.HandleMax = 200 * time.Millisecond
	b := s.open(g)
	in := newInbox()
	var once sync.Once
	s.subscribe(b, "one", func(ctx context.Context, batch []bus.Delivery) error {
		var err error
		once.Do(func() {
			<-ctx.Done()
			err = ctx.Err()
		})
		if err != nil {
			return err
		}
		return in.batch(ctx, batch)
	})
	s.publish(b, messages(5, 10))
	await.Until(s.t, "every message", func() bool { n, _ := in.count(); return n == 50 })
	s.settled(b, "one")
}
