package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/points"
	"github.com/tidegate/tidegate/internal/store"
)

// Delivery checks what the embedded bus and the consumers expect of the database.
func Delivery(t *testing.T, open func(t *testing.T) *store.Store) {
	for _, c := range []struct {
		name  string
		check func(*testing.T, *store.Store)
	}{
		{"a new group begins at the newest event", groupsEnter},
		{"a cursor is moved under its fence alone, and never back", cursorsMove},
		{"parked messages come when they are due, behind those of their key", parkedWait},
		{"events are trimmed when all have passed and their time is over, but the newest", outboxTrims},
		{"an event that waits long for its position is told of", unstamped},
		{"events of some types are read without the others", eventsOfTypes},
		{"dead letters are kept once, listed and dropped", lettersKept},
		{"points are earned and taken back once for an order", pointsOnce},
	} {
		t.Run(c.name, func(t *testing.T) { c.check(t, open(t)) })
	}
}

var someTime = time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)

// appendEvents appends n events, a second apart, and returns the position of the last.
func appendEvents(t *testing.T, s *store.Store, n int) int64 {
	t.Helper()
	before, err := s.NewestEvent(t.Context())
	must(t, err)
	var all []event.Event
	for i := range n {
		at := before + int64(i) + 1
		all = append(all, event.Event{Type: fmt.Sprintf("type.%d.v1", at%2), Subject: at, Payload: []byte(`{}`), At: someTime.Add(time.Duration(at) * time.Second)})
	}
	must(t, s.AppendEvents(t.Context(), all))
	stamp(t, s)
	after, err := s.NewestEvent(t.Context())
	must(t, err)
	if after != before+int64(n) {
		t.Fatalf("the newest event is %d, want %d", after, before+int64(n))
	}
	return after
}

func unstamped(t *testing.T, s *store.Store) {
	waits := func(want bool) {
		t.Helper()
		got, err := s.Unstamped(t.Context())
		must(t, err)
		same(t, "an event waits for its position", got, want)
	}
	must(t, s.AppendEvents(t.Context(), []event.Event{{Type: "a", Subject: 1, Payload: []byte(`{}`), At: someTime}}))
	if s.Shared() {
		time.Sleep(1100 * time.Millisecond)
	}
	waits(s.Shared())
	stamp(t, s)
	waits(false)
}

func groupsEnter(t *testing.T, s *store.Store) {
	must(t, s.EnterGroups(t.Context(), []string{"first"}))
	newest := appendEvents(t, s, 5)
	must(t, s.EnterGroups(t.Context(), []string{"first", "late"}))
	for group, want := range map[string]int64{"first": 0, "late": newest} {
		c, err := s.Cursor(t.Context(), group)
		must(t, err)
		if c.Position != want {
			t.Errorf("%s begins at %d, want %d", group, c.Position, want)
		}
	}
	if _, err := s.Cursor(t.Context(), "nobody"); !errors.Is(err, fault.NotFound) {
		t.Errorf("a group that is not there: %v", err)
	}
}

func cursorsMove(t *testing.T, s *store.Store) {
	must(t, s.EnterGroups(t.Context(), []string{"g"}))
	must(t, s.SettleDelivery(t.Context(), delivery.Progress{Group: "g", Fence: 2, Position: 10}))
	err := s.SettleDelivery(t.Context(), delivery.Progress{Group: "g", Fence: 1, Position: 20, Park: []delivery.RetryMessage{{Message: delivery.Message{ID: 1}, Try: 1}}})
	if !errors.Is(err, delivery.ErrFenced) {
		t.Errorf("an older fence: %v", err)
	}
	must(t, s.SettleDelivery(t.Context(), delivery.Progress{Group: "g", Fence: 3, Position: 5}))
	c, err := s.Cursor(t.Context(), "g")
	must(t, err)
	same(t, "the cursor", c, delivery.Cursor{Position: 10, Fence: 3})
}

func parkedWait(t *testing.T, s *store.Store) {
	must(t, s.EnterGroups(t.Context(), []string{"g", "other"}))
	park := func(message int64, key string, try int, due time.Duration) delivery.RetryMessage {
		return delivery.RetryMessage{Message: delivery.Message{ID: message, Key: key, Type: "x", Payload: []byte("{}"), At: someTime}, Try: try, Reason: "it broke", DueAt: someTime.Add(due)}
	}
	must(t, s.SettleDelivery(t.Context(), delivery.Progress{Group: "g", Fence: 1, Position: 9, Park: []delivery.RetryMessage{
		park(1, "a", 2, time.Minute), park(2, "a", 1, 0), park(3, "b", 2, 0), park(4, "", 2, 0), park(5, "", 2, time.Minute),
	}}))
	must(t, s.Park(t.Context(), "other", []delivery.RetryMessage{park(6, "a", 1, 0)}))
	due := func(now time.Duration) string {
		t.Helper()
		all, err := s.ParkedDue(t.Context(), "g", someTime.Add(now), 10)
		must(t, err)
		text := ""
		for _, p := range all {
			text += fmt.Sprintf("%d/%d ", p.ID, p.Try)
		}
		return text
	}
	same(t, "at once", due(0), "3/2 4/2 ")
	same(t, "after a minute", due(time.Minute), "1/2 2/1 3/2 4/2 5/2 ")
	must(t, s.SettleDelivery(t.Context(), delivery.Progress{Group: "g", Fence: 1, Done: []int64{3, 4}, Park: []delivery.RetryMessage{park(1, "a", 3, time.Hour)}}))
	same(t, "after another try", due(time.Minute), "5/2 ")
	keys, err := s.ParkedKeys(t.Context(), "g")
	must(t, err)
	same(t, "the keys that wait", keys, []string{"a"})
	c, err := s.Cursor(t.Context(), "g")
	must(t, err)
	same(t, "the cursor", c, delivery.Cursor{Position: 9, Fence: 1, Parked: 3})
}

func outboxTrims(t *testing.T, s *store.Store) {
	groups := []string{"fast", "slow"}
	must(t, s.EnterGroups(t.Context(), groups))
	newest := appendEvents(t, s, 20)
	move := func(group string, to int64) {
		t.Helper()
		must(t, s.SettleDelivery(t.Context(), delivery.Progress{Group: group, Fence: 1, Position: to}))
	}
	trim := func(before int64) int {
		t.Helper()
		n, err := s.TrimOutbox(t.Context(), groups, someTime.Add(time.Duration(before)*time.Second))
		must(t, err)
		return n
	}
	move("fast", newest)
	same(t, "trimmed before all have passed", trim(100), 0)
	move("slow", 10)
	same(t, "trimmed before their time is over", trim(1), 0)
	same(t, "trimmed", trim(6), 5)
	move("slow", newest)
	same(t, "trimmed", trim(100), 14)
	left, err := s.Events(t.Context(), 0, 100)
	must(t, err)
	if len(left) != 1 || left[0].Position != newest {
		t.Errorf("left are %+v, want the newest", left)
	}
	if appendEvents(t, s, 1) != newest+1 {
		t.Error("a position was used again")
	}
	n, err := s.TrimOutbox(t.Context(), []string{"fast", "unheard of"}, someTime.Add(time.Hour))
	must(t, err)
	same(t, "trimmed while a group has no cursor", n, 0)
}

func eventsOfTypes(t *testing.T, s *store.Store) {
	newest := appendEvents(t, s, 9) // type.1 at the odd positions
	for _, c := range []struct {
		after int64
		limit int
		types []string
		want  string
		upTo  int64
	}{
		{0, 100, []string{"type.1.v1"}, "[1 3 5 7 9]", newest},
		{0, 2, []string{"type.1.v1"}, "[1 3]", 3},
		{3, 2, []string{"type.0.v1"}, "[4 6]", 6},
		{7, 100, []string{"type.0.v1"}, "[8]", newest},
		{0, 100, []string{"none"}, "[]", newest},
		{newest, 100, []string{"type.1.v1"}, "[]", newest},
		{6, 100, nil, "[7 8 9]", newest},
		{6, 2, []string{"type.1.v1", "type.0.v1"}, "[7 8]", 8},
		{newest, 100, nil, "[]", newest},
	} {
		found, upTo, err := s.EventsOf(t.Context(), c.after, c.limit, c.types)
		must(t, err)
		positions := []int64{}
		for _, e := range found {
			positions = append(positions, e.Position)
		}
		if got := fmt.Sprint(positions); got != c.want || upTo != c.upTo {
			t.Errorf("%d of %v after %d: %s up to %d, want %s up to %d", c.limit, c.types, c.after, got, upTo, c.want, c.upTo)
		}
	}
}

func lettersKept(t *testing.T, s *store.Store) {
	letter := func(group string, message int64, reason string) delivery.DeadLetter {
		return delivery.DeadLetter{
			Topic: "events", Group: group, Tries: 3, Reason: reason, DiedAt: someTime,
			Message: delivery.Message{ID: message, Key: "7", Type: "order.paid.v1", Payload: []byte(`{}`), At: someTime},
		}
	}
	must(t, s.AddDeadLetters(t.Context(), []delivery.DeadLetter{letter("a", 1, "x"), letter("a", 2, "x"), letter("b", 1, "x")}))
	must(t, s.AddDeadLetters(t.Context(), []delivery.DeadLetter{letter("a", 1, "again")}))
	all, err := s.DeadLetters(t.Context(), "", 0, 10)
	must(t, err)
	if len(all) != 3 {
		t.Fatalf("%d letters, want 3", len(all))
	}
	first := all[0]
	want := letter("a", 1, "again")
	want.Number = first.Number
	same(t, "the letter", first, want)
	one, err := s.DeadLetter(t.Context(), first.Number)
	must(t, err)
	same(t, "the letter by its number", one, want)
	ofB, err := s.DeadLetters(t.Context(), "b", 0, 10)
	must(t, err)
	rest, err := s.DeadLetters(t.Context(), "", first.Number, 1)
	must(t, err)
	if len(ofB) != 1 || ofB[0].Group != "b" || len(rest) != 1 || rest[0].Number != all[1].Number {
		t.Errorf("of group b %+v, after the first %+v", ofB, rest)
	}
	dropped, err := s.DeleteDeadLetters(t.Context(), []int64{all[2].Number, 99})
	must(t, err)
	left, err := s.CountDeadLetters(t.Context())
	must(t, err)
	if dropped != 1 || left != 2 {
		t.Errorf("%d dropped, %d left", dropped, left)
	}
	must(t, s.AddDeadLetters(t.Context(), []delivery.DeadLetter{letter("c", 1, "x")}))
	if last, err := s.DeadLetters(t.Context(), "c", 0, 1); err != nil || last[0].Number <= all[2].Number {
		t.Errorf("a number was used again: %+v, %v", last, err)
	}
	if _, err := s.DeadLetter(t.Context(), 99); !errors.Is(err, fault.NotFound) {
		t.Errorf("a letter that is not there: %v", err)
	}
}

func pointsOnce(t *testing.T, s *store.Store) {
	const ada, bob id.Customer = 1, 2
	entry := func(o id.Order, kind points.Kind, c id.Customer, n int64) points.Entry {
		return points.Entry{Order: o, Kind: kind, Customer: c, Points: n, At: someTime}
	}
	for range 2 {
		must(t, s.AddPoints(t.Context(), []points.Entry{entry(10, points.Earned, ada, 12), entry(11, points.Earned, ada, 5), entry(12, points.Earned, bob, 1)}))
		must(t, s.AddPoints(t.Context(), []points.Entry{
			entry(10, points.TakenBack, ada, -10),           // the rate has changed since: what was earned is taken back
			entry(13, points.TakenBack, bob, -3),            // it arrives before the entry that it takes back
			entry(13, points.Earned, bob, 3),                // which arrives now
			entry(14, points.Earned, bob, 1_000_000_000_00), // a large number
		}))
	}
	b, err := s.Points(t.Context(), ada, 0, 10)
	must(t, err)
	same(t, "the balance", b, points.Balance{Points: 5, Orders: []points.OrderPoints{{Order: 11, Earned: 5, At: someTime}, {Order: 10, Earned: 12, TakenBack: 12, At: someTime}}})
	b, err = s.Points(t.Context(), bob, 14, 1)
	must(t, err)
	same(t, "a page of the balance", b, points.Balance{Points: 100_000_000_001, Orders: []points.OrderPoints{{Order: 13, Earned: 3, TakenBack: 3, At: someTime}}})
	b, err = s.Points(t.Context(), 3, 0, 10)
	must(t, err)
	same(t, "nobody's balance", b, points.Balance{})
}
