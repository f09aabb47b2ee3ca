package delivery

import (
	"context"
	"errors"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// DeadLettersMax bounds a page of letters, and the letters that one call replays or deletes.
const DeadLettersMax = 500

// Service lists, replays and deletes dead letters. It is safe for concurrent use.
type Service struct {
	store Store
	bus   Bus
}

// NewService returns the service.
func NewService(s Store, b Bus) *Service { return &Service{store: s, bus: b} }

// DeadLetters lists up to limit letters with numbers above after, oldest first. group, if not empty, selects one group.
func (s *Service) DeadLetters(ctx context.Context, group string, after int64, limit int) ([]DeadLetter, error) {
	return s.store.DeadLetters(ctx, group, after, min(limit, DeadLettersMax))
}

// DeadLetter returns a letter. It returns fault.NotFound.
func (s *Service) DeadLetter(ctx context.Context, number int64) (DeadLetter, error) {
	return s.store.DeadLetter(ctx, number)
}

// Replay hands a letter's message to its group again, as new, and deletes the letter. If the process dies in between,
// the letter stays, and replaying it again delivers the message twice, which consumers tolerate. It returns
// fault.NotFound, and fault.Overloaded if the bus does not accept the message.
func (s *Service) Replay(ctx context.Context, number int64) error {
	l, err := s.store.DeadLetter(ctx, number)
	if err != nil {
		return err
	}
	if err := s.bus.Redeliver(ctx, l.Topic, l.Group, l.Message); err != nil {
		if errors.As(err, new(*fault.Error)) {
			return err
		}
		return fault.Wrap(fault.Overloaded, err, "The bus does not take the message at the moment; the dead letter is kept. Try again.")
	}
	_, err = s.store.DeleteDeadLetters(ctx, []int64{number})
	return err
}

// Drop deletes a dead letter. It returns fault.NotFound.
func (s *Service) Drop(ctx context.Context, number int64) error {
	n, err := s.store.DeleteDeadLetters(ctx, []int64{number})
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "There is no dead letter %d.", number)
	}
	return err
}
