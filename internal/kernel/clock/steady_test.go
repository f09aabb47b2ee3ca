package clock

import (
	"context"
	"errors"
	"testing"
	"time"
)

// bench is a machine whose clocks a test sets.
type bench struct {
	*testing.T
	*Steady
	wall    time.Time
	running time.Duration
	witness time.Duration // how far the database's clock is ahead of the true time
	true    time.Time
	fails   bool
	told    int
}

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func newBench(t *testing.T, witnessed bool) *bench {
	b := &bench{T: t, wall: noon, true: noon}
	b.Steady = newSteady(func() (time.Time, time.Duration) { return b.wall, b.running }, time.Minute)
	b.Tell = func(string, time.Duration) { b.told++ }
	if witnessed {
		b.Witness = func(context.Context) (time.Time, error) {
			if b.fails {
				return time.Time{}, errors.New("it is away")
			}
			return b.true.Add(b.witness), nil
		}
	}
	return b
}

// pass lets time pass, with a step every second. The monotonic clock stops while the machine sleeps.
func (b *bench) pass(d time.Duration) {
	for range d / time.Second {
		b.wall, b.true, b.running = b.wall.Add(time.Second), b.true.Add(time.Second), b.running+time.Second
		_, _ = b.Step(context.Background())
	}
}

func (b *bench) sleep(d time.Duration) { b.wall, b.true = b.wall.Add(d), b.true.Add(d) }
func (b *bench) set(by time.Duration)  { b.wall = b.wall.Add(by) }

// shows checks how far the clock is from the true time.
func (b *bench) shows(ahead time.Duration, apart bool) {
	b.Helper()
	if got := b.Now().Sub(b.true); got != ahead || b.Disputed() != apart {
		b.Errorf("it is %s ahead and apart %t, want %s and %t", got, b.Disputed(), ahead, apart)
	}
}

func TestSteady(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*bench){
		"the time of every day": func(b *bench) {
			b.pass(time.Hour)
			b.shows(0, false)
			if b.told != 0 {
				b.Error("something was told")
			}
		},
		"a time server's correction is followed at once": func(b *bench) {
			b.set(-time.Second)
			b.pass(time.Second)
			b.shows(-time.Second, false)
		},
		"ahead for a moment": func(b *bench) {
			b.set(3 * time.Hour)
			b.shows(0, false)
			b.pass(3 * time.Second)
			b.shows(0, true)
			b.set(-3 * time.Hour)
			b.pass(time.Second)
			b.shows(0, false)
		},
		"behind for a moment": func(b *bench) {
			b.set(-3 * time.Hour)
			b.pass(30 * time.Second)
			b.shows(0, true)
			b.set(3 * time.Hour)
			b.pass(time.Second)
			b.shows(0, false)
		},
		"to and fro for an hour": func(b *bench) {
			for range 120 {
				b.set(time.Hour)
				b.pass(15 * time.Second)
				b.set(-2 * time.Hour)
				b.pass(15 * time.Second)
				b.set(time.Hour)
			}
			b.pass(time.Second)
			b.shows(0, false)
		},
		"it creeps away within a minute": func(b *bench) {
			for range 5 {
				b.set(10 * time.Minute)
				b.pass(20 * time.Second)
			}
			b.shows(0, true)
		},
		"ahead for good": func(b *bench) {
			b.set(3 * time.Hour)
			b.pass(2 * time.Minute)
			b.shows(3*time.Hour, false)
		},
		"the machine sleeps": func(b *bench) {
			b.sleep(8 * time.Hour)
			b.shows(-8*time.Hour, false)
			b.pass(30 * time.Second)
			b.shows(-8*time.Hour, true)
			b.pass(time.Minute)
			b.shows(0, false)
		},
	} {
		t.Run(name, func(t *testing.T) { run(newBench(t, false)) })
	}
}

func TestSteadyWithAWitness(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*bench){
		"it contradicts a wrong clock for ever": func(b *bench) {
			b.set(3 * time.Hour)
			b.pass(time.Hour)
			b.shows(0, true)
			if !b.Confirmed() {
				b.Error("the witness's time ends nothing")
			}
		},
		"it agrees after a sleep": func(b *bench) {
			b.sleep(8 * time.Hour)
			b.pass(2 * time.Minute)
			b.shows(0, false)
		},
		"both on a machine that is set": func(b *bench) {
			b.witness = 3 * time.Hour
			b.set(3 * time.Hour)
			b.pass(30 * time.Second)
			b.shows(0, true)
		},
		"it is away": func(b *bench) {
			b.fails = true
			b.set(3 * time.Hour)
			b.pass(10 * time.Minute)
			b.shows(0, true)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, true)
			if err := b.Begin(t.Context(), noon); err != nil {
				t.Fatal(err)
			}
			run(b)
		})
	}
}

// TestBegin checks which times a starting process trusts to end things.
func TestBegin(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		wrong     time.Duration // how far the machine's clock is ahead
		seen      time.Duration // how long ago the shop was seen; 0: never
		witnessed bool
		at        time.Duration // what it shows at first
		confirmed bool
	}{
		{"a new shop", 0, 0, false, 0, true},
		{"after a crash", 0, 5 * time.Second, false, 0, true},
		{"after a week", 0, 7 * 24 * time.Hour, false, 0, false},
		{"three hours ahead", 3 * time.Hour, 5 * time.Second, false, 3 * time.Hour, false},
		{"three hours behind", -3 * time.Hour, 5 * time.Second, false, -3 * time.Hour, false},
		{"three hours ahead, with a witness", 3 * time.Hour, 5 * time.Second, true, 0, true},
		{"after a week, with a witness", 0, 7 * 24 * time.Hour, true, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBench(t, c.witnessed)
			b.set(c.wrong)
			var seen time.Time
			if c.seen != 0 {
				seen = noon.Add(-c.seen)
			}
			if err := b.Begin(t.Context(), seen); err != nil {
				t.Fatal(err)
			}
			b.shows(c.at, c.witnessed && c.wrong != 0)
			if b.Confirmed() != c.confirmed {
				t.Errorf("confirmed: %t", b.Confirmed())
			}
			b.pass(30 * time.Second)
			if !c.confirmed && b.Confirmed() {
				t.Error("it is confirmed too early")
			}
			b.pass(time.Minute)
			if !b.Confirmed() {
				t.Error("it is never confirmed")
			}
			// Corrected before it was trusted, the clock has ended nothing.
			b.set(-c.wrong)
			b.pass(2 * time.Minute)
			b.shows(0, false)
		})
	}
}
