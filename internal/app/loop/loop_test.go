package loop

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// believedAfter is how long the clock of a loop under test may be wrong.
const believedAfter = time.Minute

// startLoop runs one loop under a fake clock and returns its log and what was observed.
func startLoop(t *testing.T, one Loop) (stop func(), log *bytes.Buffer, seen *[]error) {
	t.Helper()
	log, seen = new(bytes.Buffer), new([]error)
	began := time.Now()
	l := &Runner{
		Log:       slog.New(slog.NewTextHandler(log, nil)),
		Confirmed: func() bool { return time.Since(began) >= believedAfter },
		Observe:   func(_ string, _ int, _ time.Duration, err error) { *seen = append(*seen, err) },
	}
	ctx, cancel := context.WithCancel(t.Context())
	l.Start(ctx, one)
	return func() { cancel(); l.Wait() }, log, seen
}

func TestALoopGoesOnWhileThereIsWorkAndRestsWhenThereIsNone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		left := 3
		var calls atomic.Int64
		wake := make(chan struct{})
		stop, _, _ := startLoop(t, Loop{Name: "x", Every: time.Minute, Wake: wake, Step: func(context.Context) (int, error) {
			calls.Add(1)
			if left > 0 {
				left--
				return 1, nil
			}
			return 0, nil
		}})
		synctest.Wait()
		if calls.Load() != 4 {
			t.Fatalf("%d calls at once, want 4: three with work and one without", calls.Load())
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if calls.Load() != 5 {
			t.Errorf("%d calls after a minute, want 5", calls.Load())
		}
		wake <- struct{}{}
		synctest.Wait()
		if calls.Load() != 6 {
			t.Errorf("%d calls after a wake, want 6", calls.Load())
		}
		stop()
	})
}

func TestALoopOutlivesErrorsAndPanics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		var times []time.Time
		stop, log, seen := startLoop(t, Loop{Name: "x", Every: time.Hour, Step: func(context.Context) (int, error) {
			calls++
			times = append(times, time.Now())
			switch {
			case calls == 1:
				panic("a bad row")
			case calls < 6:
				return 0, errors.New("the disk is gone")
			}
			return 0, nil
		}})
		time.Sleep(time.Minute)
		synctest.Wait()
		if calls != 6 {
			t.Fatalf("%d calls in a minute, want 6", calls)
		}
		for i := 1; i < 5; i++ {
			pause := times[i].Sub(times[i-1])
			whole := min(backoffMax, backoffMin<<(i-1))
			if pause < whole/2 || pause > whole+time.Millisecond {
				t.Errorf("pause %d is %v, want between %v and %v", i, pause, whole/2, whole)
			}
		}
		if (*seen)[0] == nil || (*seen)[5] != nil {
			t.Errorf("observed %v", *seen)
		}
		if !strings.Contains(log.String(), "a bad row") || !strings.Contains(log.String(), "loop_test.go") || !strings.Contains(log.String(), "the disk is gone") {
			t.Errorf("the log does not say what happened: %s", log)
		}
		stop()
	})
}

func TestBackoffIsBounded(t *testing.T) {
	t.Parallel()
	for failures := 1; failures < 200; failures++ {
		if got := backoff(failures, 0); got < backoffMin/2 || got > backoffMax {
			t.Fatalf("after %d failures: %v", failures, got)
		}
		if got := backoff(failures, time.Second); got < backoffMin/2 || got > time.Second {
			t.Fatalf("after %d failures, at most a second: %v", failures, got)
		}
	}
}

func TestAStoppedStepIsNoFailure(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stop, log, seen := startLoop(t, Loop{Name: "x", Every: time.Hour, Step: func(ctx context.Context) (int, error) {
			<-ctx.Done()
			return 0, ctx.Err()
		}})
		synctest.Wait()
		stop()
		if len(*seen) != 0 || log.Len() != 0 {
			t.Errorf("observed %v, logged %s", *seen, log)
		}
	})
}

func TestALoopThatEndsThingsWaitsForTheClock(t *testing.T) {
	t.Parallel()
	for _, ends := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			var ran atomic.Int64
			stop, _, _ := startLoop(t, Loop{Name: "x", Every: time.Second, Ends: ends, Step: func(context.Context) (int, error) {
				ran.Add(1)
				return 0, nil
			}})
			time.Sleep(believedAfter - time.Second)
			synctest.Wait()
			before := ran.Load()
			if early := before > 0; early == ends {
				t.Errorf("ends %t: it ran %d times while the clock may have been wrong", ends, before)
			}
			time.Sleep(10 * time.Second)
			stop()
			if ran.Load() == before {
				t.Errorf("ends %t: it does not run when the clock is believed", ends)
			}
		})
	}
}
