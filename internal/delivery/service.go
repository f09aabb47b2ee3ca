package delivery

import (
	"context"
	"errors"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// DeadLettersMax bounds a page of letters, and what one call replays or drops.
const DeadLettersMax = 500

// Service lists, replays and deletes dead letters. Safe for concurrent use.
type Service struct {
	store Store
	bus   Bus
}

// NewService returns the service.
func NewService(s Store, b Bus) *Service { return &Service{store: s, bus: b} }

// DeadLetters lists up to limit letters, oldest first, with numbers above after; of one group where that is not empty.
func (s *Service) DeadLetters(ctx context.Context, group string, after int64, limit int) ([]DeadLetter, error) {
	return s.store.DeadLetters(ctx, group, after, min(limit, DeadLettersMax))
}

// DeadLetter reads one. It returns fault.NotFound.
func (s *Service) DeadLetter(ctx context.Context, number int64) (DeadLetter, error) {
	return s.store.DeadLetter(ctx, number)
}

// Replay hands a letter's message to its group again, as new, and takes the letter away. Where the process dies in between,
// both are there: the group gets the message once more when it is replayed again, as any message may come twice. It
// returns fault.NotFound, and fault.Overloaded where the bus does not take it.
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
