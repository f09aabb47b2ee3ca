package order

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestBounds: a context ends at its deadline or a step later, with the values of its own parent, whoever shares the timer.
func TestBounds(t *testing.T) {
	type key struct{}
	synctest.Test(t, func(t *testing.T) {
		var b sharedDeadlines
		until := time.Now().Add(time.Second)
		for i := range 300 { // many requests, a millisecond apart
			parent := context.WithValue(context.Background(), key{}, i)
			switch i % 3 {
			case 1:
				p, cancel := context.WithCancel(parent)
				defer cancel()
				parent = p
			case 2:
				parent = context.Background()
			}
			until := until.Add(time.Duration(i) * time.Millisecond)
			ctx, release := b.with(parent, until)
			defer release()
			at, ok := ctx.Deadline()
			if late := at.Sub(until); !ok || late < 0 || late > deadlineStep {
				t.Errorf("the deadline is %s late (%t)", late, ok)
			}
			if i%3 < 2 && ctx.Value(key{}) != i {
				t.Errorf("the value is %v, not %d", ctx.Value(key{}), i)
			}
			go func() {
				<-ctx.Done()
				if late := time.Since(until); late < 0 || late > deadlineStep || !errors.Is(ctx.Err(), context.DeadlineExceeded) {
					t.Errorf("it ended %s late with %v", late, ctx.Err())
				}
			}()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		ctx, release := b.with(context.Background(), time.Now().Add(time.Second)) // after a pause
		defer release()
		if ctx.Err() != nil {
			t.Errorf("it had ended before: %v", ctx.Err())
		}
	})
}

func BenchmarkBounds(b *testing.B) {
	var shared sharedDeadlines
	until := time.Now().Add(time.Hour)
	b.ReportAllocs()
	for b.Loop() {
		_, release := shared.with(context.Background(), until)
		release()
	}
}
