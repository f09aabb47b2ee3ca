package bustest

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/bus"
)

func everyGroup(s *stage) {
	b := s.open(group("one"), group("two"))
	one, two := newInbox(), newInbox()
	s.subscribe(b, "one", one.batch)
	s.subscribe(b, "two", bus.Each(two.one))
	s.publish(b, messages(7, 60))
	s.gets(one, 420)
	s.gets(two, 420)
	s.settled(b, "one")
	s.settled(b, "two")
	s.once(one)
	s.once(two)
}

func types(s *stage) {
	paid := group("paid")
	paid.Types = []string{"order.paid.v1"}
	b := s.open(paid, group("all"))
	in, all := newInbox(), newInbox()
	s.subscribe(b, "paid", in.batch)
	s.subscribe(b, "all", all.batch)
	batch := messages(4, 10)
	for i := range batch {
		if i%4 == 1 {
			batch[i].Type = "order.paid.v1"
		}
	}
	s.publish(b, batch)
	s.gets(all, 40)
	s.gets(in, 10)
	s.settled(b, "paid")
	if got := in.order("1001"); len(got) != 10 {
		s.t.Errorf("the paid ones are those of key 1001: %v", got)
	}
}

func unknownGroup(s *stage) {
	b := s.open(group("one"))
	in := newInbox()
	if err := b.Subscribe(s.t.Context(), topic, "nobody", in.batch); err == nil {
		s.t.Error("a group that the bus was not opened with was taken")
	}
	if _, err := b.Backlog(s.t.Context(), "nothing", "one"); err == nil {
		s.t.Error("a topic that the bus was not opened with was taken")
	}
}

func backlog(s *stage) {
	const keys, perKey = 100, 50
	b := s.open(group("late"))
	s.publish(b, messages(keys, perKey))
	left, err := b.Backlog(s.t.Context(), topic, "late")
	if err != nil {
		s.t.Fatal(err)
	}
	if left.Messages != keys*perKey {
		s.t.Errorf("a backlog of %d messages, want %d", left.Messages, keys*perKey)
	}
	in := newInbox()
	s.subscribe(b, "late", in.batch)
	s.gets(in, keys*perKey)
	s.settled(b, "late")
	s.once(in)
}

func twice(s *stage) {
	b := s.open(group("one"))
	all := messages(5, 10)
	s.publish(b, all)
	s.publish(b, all)
	in := newInbox()
	s.subscribe(b, "one", in.batch)
	s.gets(in, 50)
	s.settled(b, "one")
	want := 50
	if b.Features().Deduplicates {
		want = 0
	}
	if _, again := in.count(); again != want {
		s.t.Errorf("%d messages came again, want %d", again, want)
	}
}

func shared(s *stage) {
	first, second := s.open(group("one")), s.open(group("one"))
	in := newInbox()
	in.pause = 2 * time.Millisecond
	stop := s.subscribe(first, "one", in.batch)
	s.subscribe(second, "one", in.batch)
	all := messages(40, 50)
	s.publish(first, all[:1000])
	await.Until(s.t, "the first hundred", func() bool { n, _ := in.count(); return n >= 100 })
	stop() // the other one continues alone
	s.publish(second, all[1000:])
	s.gets(in, 2000)
	s.settled(second, "one")
	s.once(in)
}

// inHand: a backlog of zero holds for all processes, even if one has the last message and another waits for work.
func inHand(s *stage) {
	g := group("one")
	g.AnyOrder = true
	first, second := s.open(g), s.open(g)
	took, release := make(chan struct{}, 10), make(chan struct{})
	handle := func(context.Context, []bus.Delivery) error {
		took <- struct{}{}
		<-release
		return nil
	}
	s.subscribe(first, "one", handle)
	s.subscribe(second, "one", handle)
	s.settled(first, "one")
	s.publish(first, messages(1, 1))
	<-took
	for range 3 {
		for n, b := range []bus.Bus{first, second, s.open(g)} {
			if left, err := b.Backlog(s.t.Context(), topic, "one"); err != nil || left.Messages == 0 {
				s.t.Errorf("process %d counts %d messages, %v, while one is in hand", n+1, left.Messages, err)
			}
		}
	}
	close(release)
	s.settled(first, "one")
	s.settled(second, "one")
}

func slow(s *stage) {
	g := group("one")
	g.BatchMax = 10
	b := s.open(g)
	in := newInbox()
	in.pause = 1500 * time.Millisecond
	s.subscribe(b, "one", in.batch)
	s.publish(b, messages(4, 10))
	s.gets(in, 40)
	s.settled(b, "one")
	s.once(in)
}

func stopInMidBatch(s *stage) {
	b := s.open(group("one"))
	s.publish(b, messages(10, 30))
	in := newInbox()
	in.pause = 500 * time.Millisecond
	begun := make(chan struct{}, 1000)
	in.fail = func(bus.Delivery, said) error {
		select {
		case begun <- struct{}{}:
		default:
		}
		return nil
	}
	stop := s.subscribe(b, "one", in.batch)
	<-begun
	stop()
	n, _ := in.count()
	if n == 0 || n == 300 {
		s.t.Fatalf("%d messages were applied when the subscription had ended; want the batch under way and not all", n)
	}
	next := s.open(group("one"))
	in.pause = 0
	s.subscribe(next, "one", in.batch)
	s.gets(in, 300)
	s.settled(next, "one")
	s.once(in)
}

func redelivered(s *stage) {
	b := s.open(group("one"), group("two"))
	one, two := newInbox(), newInbox()
	s.subscribe(b, "one", one.batch)
	s.subscribe(b, "two", two.batch)
	s.publish(b, messages(2, 2))
	s.gets(one, 4)
	s.gets(two, 4)
	again := message(9001, "77", 0)
	if err := b.Redeliver(s.t.Context(), topic, "two", []bus.Message{again}); err != nil {
		s.t.Fatal(err)
	}
	s.gets(two, 5)
	s.settled(b, "one")
	if one.has("77", 0) {
		s.t.Error("the other group got it too")
	}
}

// bounce takes the broker down and starts it again.
func (s *stage) bounce(t *testing.T, down time.Duration) {
	t.Helper()
	s.engine.Stop(t)
	time.Sleep(down)
	s.engine.Start(t)
}

func restart(s *stage) {
	b := s.open(group("one"), group("two"))
	in := newInbox()
	s.subscribe(b, "one", in.batch)
	s.publish(b, messages(10, 20))
	s.gets(in, 200)
	s.settled(b, "one")
	s.bounce(s.t, 0)
	two := newInbox()
	s.subscribe(b, "two", two.batch)
	s.gets(two, 200)
	s.settled(b, "one")
	if !b.Features().ForgetsAcks {
		s.once(in)
	}
}

func away(s *stage) {
	b := s.open(group("one"))
	in := newInbox()
	s.subscribe(b, "one", in.batch)
	all := messages(20, 50)
	s.publish(b, all[:200])
	await.Until(s.t, "the first hundred", func() bool { n, _ := in.count(); return n >= 100 })
	published := make(chan struct{})
	go func() {
		defer close(published)
		s.publish(b, all[200:]) // retries until it succeeds
	}()
	s.bounce(s.t, 10*time.Second)
	select {
	case <-published:
	case <-time.After(await.Max):
		s.t.Fatal("nothing can be published after the broker is back")
	}
	s.gets(in, 1000)
	s.settled(b, "one")
	if dead := s.letters.all(); len(dead) > 0 {
		s.t.Errorf("%d messages became dead letters because the broker was away: %s", len(dead), dead[0].Reason)
	}
}

func describe(all []bus.DeadLetter) string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "\n%s/%s %d after %d tries: %.80s", d.Topic, d.Group, d.ID, d.Tries, d.Reason)
	}
	return b.String()
}
