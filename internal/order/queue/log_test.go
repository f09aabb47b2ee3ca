package queue_test

import (
	"context"
	"errors"
	"sync"
	"time"
)

// memoryLog is a log in memory whose appends a test can make fail in every way that a broker's do.
type memoryLog struct {
	mu       sync.Mutex
	messages [][]byte
	numbers  []int64
	settled  int
	// before is asked of each append; its error is returned, and the message is kept where keep says so.
	before func() (keep bool, err error)
}

func (l *memoryLog) Append(_ context.Context, number int64, intents []byte, _ time.Time) error {
	l.mu.Lock()
	before := l.before
	l.mu.Unlock()
	keep, err := true, error(nil)
	if before != nil {
		keep, err = before()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if keep {
		l.messages, l.numbers = append(l.messages, append([]byte(nil), intents...)), append(l.numbers, number)
	}
	return err
}

func (l *memoryLog) Waiting(context.Context) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return int64(len(l.messages) - l.settled), nil
}

// fails says how each append ends from now on.
func (l *memoryLog) fails(before func() (bool, error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = before
}

func (l *memoryLog) all() [][]byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([][]byte(nil), l.messages...)
}

var (
	errNoConfirm = errors.New("the confirm did not come")
)

// quiet observes nothing.
type quiet struct{}

func (quiet) Appended(int, time.Duration, error) {}
func (quiet) Settled(int, int)                   {}
