// Package limittest is the suite that every limit.Counter passes.
package limittest

import (
	"context"
	"crypto/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/admission/limit"
)

// Engine makes two Counters that count together, as those of two processes do; the same one twice where there is only one.
type Engine func(t *testing.T) (a, b limit.Counter)

// never is a rate at which nothing comes back while a test runs.
func never(burst int) limit.Rate { return limit.Rate{Burst: burst, Every: time.Hour} }

// Run runs the suite.
func Run(t *testing.T, engine Engine) {
	for _, c := range []struct {
		name string
		run  func(t *testing.T, a, b limit.Counter)
	}{
		{"a burst and not one more", burst},
		{"what comes back", comesBack},
		{"given back", givenBack},
		{"forgiven", forgiven},
		{"all at once", allAtOnce},
		{"keys of any form", keys},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			a, b := engine(t)
			c.run(t, a, b)
		})
	}
}

func take(t *testing.T, c limit.Counter, key string, r limit.Rate) time.Duration {
	t.Helper()
	wait, err := c.Take(context.Background(), key, r)
	if err != nil {
		t.Fatal(err)
	}
	return wait
}

func burst(t *testing.T, a, b limit.Counter) {
	key := rand.Text()
	for i := range 4 {
		from := a
		if i%2 == 1 {
			from = b
		}
		if wait := take(t, from, key, never(4)); wait != 0 {
			t.Fatalf("try %d has to wait %s", i, wait)
		}
	}
	for range 3 { // a refusal counts nothing
		if wait := take(t, b, key, never(4)); wait <= 0 || wait > time.Hour {
			t.Errorf("one more has to wait %s", wait)
		}
	}
	if wait := take(t, b, rand.Text(), never(4)); wait != 0 {
		t.Errorf("another key has to wait %s", wait)
	}
}

func comesBack(t *testing.T, a, b limit.Counter) {
	key, r := rand.Text(), limit.Rate{Burst: 1, Every: 50 * time.Millisecond}
	took, began := 0, time.Now()
	for took < 4 {
		wait := take(t, a, key, r)
		if wait == 0 {
			took++
			continue
		}
		if wait > r.Every {
			t.Fatalf("has to wait %s", wait)
		}
		time.Sleep(wait)
	}
	if least := 3*r.Every - 5*time.Millisecond; time.Since(began) < least {
		t.Errorf("4 in %s, less than %s", time.Since(began), least)
	}
	_ = b
}

func givenBack(t *testing.T, a, b limit.Counter) {
	key := rand.Text()
	for range 2 {
		take(t, a, key, never(2))
	}
	if err := b.GiveBack(context.Background(), key, never(2)); err != nil {
		t.Fatal(err)
	}
	if wait := take(t, a, key, never(2)); wait != 0 {
		t.Errorf("what was given back has to wait %s", wait)
	}
	if wait := take(t, a, key, never(2)); wait == 0 {
		t.Error("more came back than was given")
	}
	// Nobody gains by giving back what they never took.
	other := rand.Text()
	for range 3 {
		if err := a.GiveBack(context.Background(), other, never(2)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		take(t, a, other, never(2))
	}
	if wait := take(t, a, other, never(2)); wait == 0 {
		t.Error("tries were gained by giving back")
	}
}

func forgiven(t *testing.T, a, b limit.Counter) {
	key := rand.Text()
	for range 3 {
		take(t, a, key, never(2))
	}
	if err := b.Forgive(context.Background(), key); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if wait := take(t, a, key, never(2)); wait != 0 {
			t.Errorf("one who is forgiven has to wait %s", wait)
		}
	}
	if err := a.Forgive(context.Background(), rand.Text()); err != nil {
		t.Errorf("nobody: %v", err)
	}
}

func allAtOnce(t *testing.T, a, b limit.Counter) {
	key := rand.Text()
	var got atomic.Int64
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() {
			from := a
			if i%2 == 1 {
				from = b
			}
			if wait, err := from.Take(context.Background(), key, never(10)); err != nil {
				t.Error(err)
			} else if wait == 0 {
				got.Add(1)
			}
		})
	}
	all.Wait()
	if got.Load() != 10 {
		t.Errorf("%d of 40 at once got one of 10", got.Load())
	}
}

func keys(t *testing.T, a, b limit.Counter) {
	for _, key := range []string{"", "a b", "{x}", "ann@example.com\x00", string(make([]byte, 10_000))} {
		key += rand.Text()
		take(t, a, key, never(1))
		if wait := take(t, b, key, never(1)); wait == 0 {
			t.Errorf("%q is not counted", key[:min(len(key), 20)])
		}
	}
}
