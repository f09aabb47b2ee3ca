package store

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// The jobs that wait while orders are being committed share the next transaction: with one transaction each they would
// get one turn for every batch of orders, and on the night of a drop a payment would wait for seconds behind a hundred
// others.
const (
	// jobsMax bounds the jobs of one transaction.
	jobsMax = 256
	// jobsMillisecondsMax is when no further job is begun in the same transaction: about what a batch of orders takes, so that
	// orders and jobs have half of the writer each when both want all of it.
	jobsMillisecondsMax = 10
)

// job is a write that is no order, and what became of it.
type job struct {
	fn       func(tx *Tx) error
	done     chan struct{} // closed when the rest is set
	err      error
	panicked error
}

// jobLine is the jobs that wait for the writer, in the order of their arrival.
type jobLine struct {
	mu      sync.Mutex
	waiting []*job
	served  bool // a goroutine is at it
}

// take removes the first job; nil where none waits.
func (l *jobLine) take() *job {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		return nil
	}
	first := l.waiting[0]
	l.waiting[0] = nil
	l.waiting = l.waiting[1:]
	return first
}

// withdraw removes a job; false where it is being carried out already.
func (l *jobLine) withdraw(j *job) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	i := slices.Index(l.waiting, j)
	if i < 0 {
		return false
	}
	l.waiting = slices.Delete(l.waiting, i, i+1)
	return true
}

// job waits for the writer and runs fn in a transaction, alone or beside other jobs: each is undone by itself where it
// fails, and none is told that it succeeded before all are on disk. See write for its errors.
func (s *Store) job(ctx context.Context, fn func(tx *Tx) error) error {
	if err := ctx.Err(); err != nil {
		return busy(err)
	}
	j := &job{fn: fn, done: make(chan struct{})}
	line := &s.writer.line
	line.mu.Lock()
	line.waiting = append(line.waiting, j)
	if !line.served {
		line.served = true
		go s.serveJobs()
	}
	line.mu.Unlock()
	select {
	case <-j.done:
	case <-ctx.Done():
		if line.withdraw(j) {
			return busy(ctx.Err())
		}
		<-j.done
	}
	if j.panicked != nil {
		panic(j.panicked)
	}
	return j.err
}

func busy(err error) error {
	return fault.Wrap(fault.TimedOut, err, "The database is busy; nothing was changed. Try again.").After(time.Second)
}

// serveJobs carries out jobs, a turn for each group, until none waits.
func (s *Store) serveJobs() {
	w := s.writer
	for {
		_ = w.turn.enter(context.Background(), jobs) // which never ends
		if first := w.line.take(); first != nil {
			s.carryOut(first)
		}
		w.turn.leave()
		w.line.mu.Lock()
		if len(w.line.waiting) == 0 {
			w.line.served = false
			w.line.mu.Unlock()
			return
		}
		w.line.mu.Unlock()
	}
}

// carryOut runs a job, and those that wait behind it, in one transaction. The caller has the turn.
//
// The first needs no savepoint: where it fails, the transaction ends with it. SQLite copies every page that is changed
// under a savepoint, and mostly a job is alone.
func (s *Store) carryOut(first *job) {
	group := []*job{first}
	began := time.Now()
	err := s.transaction(jobs, func(tx *Tx) error {
		if err := first.run(tx); err != nil {
			return err
		}
		for len(group) < jobsMax && time.Since(began).Milliseconds() < jobsMillisecondsMax {
			next := s.writer.line.take()
			if next == nil {
				return nil
			}
			group = append(group, next)
			failed, err := tx.apart(func() error { return next.run(tx) })
			if err != nil {
				return err
			}
			next.err = writeError(failed)
		}
		return nil
	})
	for _, j := range group {
		if err != nil {
			j.err = err // also of one that was refused: what it was refused for has been undone
		}
		close(j.done)
	}
}

// run carries the job out. A panic is kept for whoever asked for it.
func (j *job) run(tx *Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			j.panicked = caught(p)
			err = j.panicked
		}
	}()
	return j.fn(tx)
}

// caught makes an error of a panic, with the stack that would be lost where it is thrown again.
func caught(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("%w\n%s", err, debug.Stack())
	}
	return fmt.Errorf("%v\n%s", p, debug.Stack())
}
