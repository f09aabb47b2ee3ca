package store

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/store/sqlite"
)

func openForJobs(t *testing.T) *Store {
	t.Helper()
	c := DefaultConfig()
	c.Path = filepath.Join(t.TempDir(), c.Path)
	s, err := Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return s
}

func note(tx *Tx, n int) error {
	_, err := tx.Exec("INSERT INTO brand (id, handle, title) VALUES (?, ?, ?)", n, string(rune('a'+n)), string(rune('a'+n)))
	return err
}

func (s *Store) noted(t *testing.T) (n int) {
	t.Helper()
	if err := s.queryRow(t.Context(), "SELECT COUNT(*) FROM brand", nil, &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// hold takes the writer's turn until the returned function is called. That returns once the turn has been given up.
func (s *Store) hold(t *testing.T) (release func()) {
	t.Helper()
	began, end, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		_ = s.write(context.Background(), orders, func(*Tx) error {
			close(began)
			<-end
			return nil
		})
	}()
	<-began
	return func() { close(end); <-ended }
}

func (s *Store) waitForJobs(n int) {
	for s.engine.(*sqlite.Engine).JobsWaiting() != n {
		time.Sleep(time.Millisecond)
	}
}

// Waiting jobs run together, each with its own result: a job that fails or panics is undone alone.
func TestJobsShareATransaction(t *testing.T) {
	s := openForJobs(t)
	refused := errors.New("refused")
	release := s.hold(t)
	errs, panics := make([]error, 10), make([]any, 10)
	var jobsDone sync.WaitGroup
	for i := range errs {
		jobsDone.Go(func() {
			defer func() { panics[i] = recover() }()
			errs[i] = s.write(t.Context(), jobs, func(tx *Tx) error {
				if err := note(tx, i); err != nil {
					return err
				}
				switch i {
				case 3:
					return refused
				case 5:
					panic("a defect")
				}
				return nil
			})
		})
	}
	s.waitForJobs(len(errs))
	release()
	jobsDone.Wait()
	for i := range errs {
		switch {
		case i == 3 && !errors.Is(errs[i], refused):
			t.Errorf("job %d: %v", i, errs[i])
		case i == 5 && (panics[i] == nil || !strings.Contains(panics[i].(error).Error(), "a defect")):
			t.Errorf("job %d did not panic where it was asked for: %v", i, panics[i])
		case i != 3 && i != 5 && (errs[i] != nil || panics[i] != nil):
			t.Errorf("job %d: %v, %v", i, errs[i], panics[i])
		}
	}
	if n := s.noted(t); n != 8 {
		t.Errorf("%d of 8 jobs are in the database", n)
	}
}

// When orders want every turn, jobs get every second turn and as much time: a hundred waiting jobs do not wait for a
// hundred batches of orders.
func TestJobsAreNotStarvedByOrders(t *testing.T) {
	s := openForJobs(t)
	const many, batchTakes = 300, 5 * time.Millisecond
	stop := make(chan struct{})
	var pouring sync.WaitGroup
	batches := 0
	pouring.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			batches++
			if err := s.write(context.Background(), orders, func(*Tx) error { time.Sleep(batchTakes); return nil }); err != nil {
				t.Error(err)
			}
		}
	})
	var done sync.WaitGroup
	for range many {
		done.Go(func() {
			if err := s.write(t.Context(), jobs, func(tx *Tx) error { _, err := tx.Exec("DELETE FROM brand WHERE id = 1"); return err }); err != nil {
				t.Error(err)
			}
		})
	}
	done.Wait()
	close(stop)
	pouring.Wait()
	if batches > many/3 {
		t.Errorf("%d jobs waited for %d batches of orders", many, batches)
	}
}

// A job whose caller has left is not run. A job that has started is completed and reports so.
func TestJobOfACallerWhoLeaves(t *testing.T) {
	s := openForJobs(t)
	release := s.hold(t)
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { left <- s.write(ctx, jobs, func(tx *Tx) error { return note(tx, 1) }) }()
	s.waitForJobs(1)
	cancel()
	if err := <-left; !errors.Is(err, fault.TimedOut) {
		t.Errorf("got %v", err)
	}
	release()
	ctx, cancel = context.WithCancel(t.Context())
	if err := s.write(ctx, jobs, func(tx *Tx) error { cancel(); return note(tx, 2) }); err != nil {
		t.Error(err)
	}
	if n := s.noted(t); n != 1 {
		t.Errorf("%d rows, want the second job's alone", n)
	}
}

// A panic in the fast path of a transaction must not cost the writer its connection.
func TestWriterOutlivesAPanic(t *testing.T) {
	s := openForJobs(t)
	func() {
		defer func() {
			if p := recover(); p == nil {
				t.Error("the panic was swallowed")
			}
		}()
		_ = s.write(t.Context(), orders, func(tx *Tx) error {
			if err := note(tx, 1); err != nil {
				return err
			}
			return tx.Tx.(*sqlite.Tx).Many("DELETE FROM brand WHERE id = ?", 1, func(int) int { panic("a defect") }, nil, nil)
		})
	}()
	if err := s.write(t.Context(), orders, func(tx *Tx) error { return note(tx, 2) }); err != nil {
		t.Fatalf("the writer is dead: %v", err)
	}
	if n := s.noted(t); n != 1 {
		t.Errorf("%d rows, want the second transaction's alone", n)
	}
}
