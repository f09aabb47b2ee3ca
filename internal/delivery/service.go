package delivery

import (
	"context"
	"errors"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// LettersMax bounds a page of letters, and what one call replays or drops.
const LettersMax = 500

// Service looks after dead letters. Safe for concurrent use.
type Service struct {
	store Store
	bus   Bus
}

// NewService returns the service.
func NewService(s Store, b Bus) *Service { return &Service{store: s, bus: b} }

// Letters lists up to limit letters, oldest first, with numbers above after; of one group where that is not empty.
func (s *Service) Letters(ctx context.Context, group string, after int64, limit int) ([]Letter, error) {
	return s.store.Letters(ctx, group, after, min(limit, LettersMax))
}

// Letter reads one. It returns fault.NotFound.
func (s *Service) Letter(ctx context.Context, number int64) (Letter, error) {
	return s.store.Letter(ctx, number)
}

// Replay hands a letter's message to its group again, as new, and takes the letter away. Where the process dies in between,
// both are there: the group gets the message once more when it is replayed again, as any message may come twice. It
// returns fault.NotFound, and fault.Overloaded where the bus does not take it.
func (s *Service) Replay(ctx context.Context, number int64) error {
	l, err := s.store.Letter(ctx, number)
	if err != nil {
		return err
	}
	if err := s.bus.Redeliver(ctx, l.Topic, l.Group, l.Message); err != nil {
		if errors.As(err, new(*fault.Error)) {
			return err
		}
		return fault.Wrap(fault.Overloaded, err, "The message cannot be handed to the group at the moment; the dead letter is kept. Try again.")
	}
	_, err = s.store.DropLetters(ctx, []int64{number})
	return err
}

// Drop deletes a letter for good. It returns fault.NotFound.
func (s *Service) Drop(ctx context.Context, number int64) error {
	n, err := s.store.DropLetters(ctx, []int64{number})
	if err == nil && n == 0 {
		err = fault.New(fault.NotFound, "There is no dead letter %d.", number)
	}
	return err
}
