package account

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// waits returns the number of waiting callers.
func (t *turnstile) waits() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.waiting
}

// queued lets a caller wait, and returns its result.
func queued(t *testing.T, turn *turnstile, p place) <-chan error {
	t.Helper()
	before, done := turn.waits(), make(chan error, 1)
	go func() { done <- turn.enter(context.Background(), p) }()
	for turn.waits() == before {
		time.Sleep(time.Millisecond)
	}
	return done
}

func TestTurnstileBoundsHashing(t *testing.T) {
	ann := place{name: "ann"}
	turn := newTurnstile(1, 1, time.Minute)
	if err := turn.enter(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(chan error)
	go func() { waiting <- turn.enter(ctx, ann) }()
	for turn.waits() == 0 {
		time.Sleep(time.Millisecond)
	}
	err := turn.enter(t.Context(), ann)
	if !errors.Is(err, fault.TooManyRequests) || fault.As(err).RetryAfter <= 0 {
		t.Errorf("the second to wait: %v, want too many requests with a time", err)
	}
	cancel()
	if err := <-waiting; !errors.Is(err, fault.TimedOut) {
		t.Errorf("who went away: %v, want timed out", err)
	}
	turn.leave()
	if err := turn.enter(t.Context(), ann); err != nil {
		t.Errorf("after everyone left: %v", err)
	}
	short := newTurnstile(1, 10, 5*time.Millisecond)
	if err := short.enter(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	if err := short.enter(t.Context(), ann); !errors.Is(err, fault.TooManyRequests) {
		t.Errorf("who waited too long: %v, want too many requests", err)
	}
	if n := short.waits(); n != 0 {
		t.Errorf("%d wait, want none", n)
	}
}

// However many calls one client makes, another client finds space and has its turn next but one. A known device finds
// space even if every place is another client's.
func TestNobodyUsesTheTurnstileUpForAll(t *testing.T) {
	turn := newTurnstile(1, 8, time.Minute)
	hog := place{name: "hog"}
	if err := turn.enter(t.Context(), hog); err != nil {
		t.Fatal(err)
	}
	var crowd []<-chan error
	for range 8 {
		crowd = append(crowd, queued(t, turn, hog))
	}
	if err := turn.enter(t.Context(), hog); !errors.Is(err, fault.TooManyRequests) {
		t.Errorf("the hog's ninth: %v", err)
	}
	arrives := func(p place, loser <-chan error) <-chan error {
		t.Helper()
		done := make(chan error, 1)
		go func() { done <- turn.enter(context.Background(), p) }()
		if err := <-loser; !errors.Is(err, fault.TooManyRequests) {
			t.Errorf("who lost their place to %s: %v", p.name, err)
		}
		return done
	}
	ann := arrives(place{name: "ann"}, crowd[7])
	turn.leave() // the hog's first
	turn.leave() // ann
	if err := <-ann; err != nil {
		t.Errorf("who is alone in their line: %v", err)
	}
	if err := <-crowd[0]; err != nil {
		t.Error(err)
	}
	for turn.waits() < 8 { // as many clients as there are places
		queued(t, turn, place{name: fmt.Sprint("one of many ", turn.waits())})
	}
	known := arrives(place{"bob", true}, crowd[6])
	turn.leave()
	turn.leave()
	if err := <-known; err != nil {
		t.Errorf("the known device: %v", err)
	}
	for range 20 {
		turn.leave()
	}
	if turn.waits() != 0 || len(turn.known)+len(turn.others) != 0 {
		t.Errorf("%d wait in %d lines after all have left", turn.waits(), len(turn.known)+len(turn.others))
	}
}
