package sqlite

import (
	"context"
	"fmt"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/store/engine"
)

// Jobs that wait while orders are committed share the next transaction. With a transaction each, they would alternate
// with batches of orders, and in a rush a payment would wait for seconds behind a hundred other jobs.
const (
	// jobsMax bounds the jobs of one transaction.
	jobsMax = 256
	// jobsMillisecondsMax is the time after which a transaction takes no further job. It is about the duration of a
	// batch of orders, so that orders and jobs each get half of a busy writer.
	jobsMillisecondsMax = 10
)

// job is a write other than orders, and its result.
type job struct {
	fn       func(tx engine.Tx) error
	done     chan struct{} // closed when the result is set
	err      error
	panicked error
}

// jobLine is the queue of waiting jobs.
type jobLine struct {
	mu      sync.Mutex
	waiting []*job
	served  bool // a goroutine serves the queue
}

// take removes the first job; nil if there is none.
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

// JobsWaiting returns the number of waiting jobs.
func (e *Engine) JobsWaiting() int {
	e.writer.line.mu.Lock()
	defer e.writer.line.mu.Unlock()
	return len(e.writer.line.waiting)
}

// withdraw removes a waiting job. It returns false if the job has started.
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

// job waits for the writer and runs fn in a transaction, possibly together with other jobs. A failed job is undone
// alone, and no job reports success before all are on disk. See Write for the errors.
func (e *Engine) job(ctx context.Context, fn func(tx engine.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return engine.Busy(err)
	}
	j := &job{fn: fn, done: make(chan struct{})}
	line := &e.writer.line
	line.mu.Lock()
	line.waiting = append(line.waiting, j)
	if !line.served {
		line.served = true
		go e.serveJobs()
	}
	line.mu.Unlock()
	select {
	case <-j.done:
	case <-ctx.Done():
		if line.withdraw(j) {
			return engine.Busy(ctx.Err())
		}
		<-j.done
	}
	if j.panicked != nil {
		panic(j.panicked)
	}
	return j.err
}

// serveJobs runs jobs, one turn for each group, until none waits.
func (e *Engine) serveJobs() {
	w := e.writer
	for {
		_ = w.turn.enter(context.Background(), engine.Jobs) // never cancelled
		if first := w.line.take(); first != nil {
			e.carryOut(first)
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

// carryOut runs a job and those waiting behind it in one transaction. The caller has the turn.
//
// The first job has no savepoint: if it fails, the transaction ends with it. A savepoint makes SQLite copy every page
// that is changed, and most jobs run alone.
func (e *Engine) carryOut(first *job) {
	group := []*job{first}
	began := time.Now()
	err := e.transaction(engine.Jobs, func(tx engine.Tx) error {
		if err := first.run(tx); err != nil {
			return err
		}
		for len(group) < jobsMax && time.Since(began).Milliseconds() < jobsMillisecondsMax {
			next := e.writer.line.take()
			if next == nil {
				return nil
			}
			group = append(group, next)
			failed, err := engine.Apart(tx, func() error { return next.run(tx) })
			if err != nil {
				return err
			}
			next.err = writeError(failed)
		}
		return nil
	})
	for _, j := range group {
		if err != nil {
			j.err = err // even for a refused job: what it read has been rolled back
		}
		close(j.done)
	}
}

// run runs the job. It keeps a panic for the job's caller.
func (j *job) run(tx engine.Tx) (err error) {
	defer func() {
		if p := recover(); p != nil {
			j.panicked = caught(p)
			err = j.panicked
		}
	}()
	return j.fn(tx)
}

// caught converts a panic to an error that includes the stack, which would otherwise be lost.
func caught(p any) error {
	if err, ok := p.(error); ok {
		return fmt.Errorf("%w\n%s", err, debug.Stack())
	}
	return fmt.Errorf("%v\n%s", p, debug.Stack())
}
