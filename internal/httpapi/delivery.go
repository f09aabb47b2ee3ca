package httpapi

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// viewLetter shows a dead letter: whole, or as a line of a list.
func viewLetter(l *delivery.DeadLetter, whole bool) api.DeadLetter {
	v := api.DeadLetter{
		Number: l.Number, Topic: l.Topic, ConsumerGroup: l.Group, MessageId: l.ID, Key: l.Key, Type: l.Type, OccurredAt: api.At(l.At),
		Attempts: l.Tries, LastError: l.Reason, FailedAt: api.At(l.DiedAt),
	}
	if !whole {
		v.LastError, _, _ = strings.Cut(v.LastError, "\n")
		return v
	}
	if v.Payload = l.Payload; !json.Valid(l.Payload) {
		v.Payload, _ = json.Marshal(string(l.Payload)) // a text always can be
	}
	return v
}

// ListDeadLetters implements api.ServerInterface.
func (s *Server) ListDeadLetters(w http.ResponseWriter, r *http.Request, params api.ListDeadLettersParams) {
	limit, after, err := pageOf[int64](w, r, params.Limit, params.Cursor)
	if strings.Trim(params.ConsumerGroup, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		err = fault.Bad("consumer_group", "A group's name is lower-case letters, digits and hyphens, such as webhook, not %q.", params.ConsumerGroup)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	found, err := s.DeadLetters.DeadLetters(r.Context(), params.ConsumerGroup, after, limit+1)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next := page(w, r, found, limit, func(l *delivery.DeadLetter) int64 { return l.Number })
	answer := api.DeadLetterPage{Items: make([]api.DeadLetter, len(items)), NextCursor: next}
	for i := range items {
		answer.Items[i] = viewLetter(&items[i], false)
	}
	s.answer(w, r, http.StatusOK, answer)
}

// GetDeadLetter implements api.ServerInterface.
func (s *Server) GetDeadLetter(w http.ResponseWriter, r *http.Request, number api.LetterPath) {
	err := checkNumber(number)
	var l delivery.DeadLetter
	if err == nil {
		l, err = s.DeadLetters.DeadLetter(r.Context(), number)
	}
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, viewLetter(&l, true))
}

// ReplayDeadLetter implements api.ServerInterface.
func (s *Server) ReplayDeadLetter(w http.ResponseWriter, r *http.Request, number api.LetterPath) {
	err := checkNumber(number)
	if err == nil {
		err = s.DeadLetters.Replay(r.Context(), number)
	}
	s.answerGone(w, r, err)
}

// DropDeadLetter implements api.ServerInterface.
func (s *Server) DropDeadLetter(w http.ResponseWriter, r *http.Request, number api.LetterPath) {
	err := checkNumber(number)
	if err == nil {
		err = s.DeadLetters.Drop(r.Context(), number)
	}
	s.answerGone(w, r, err)
}

func checkNumber(number int64) error {
	if number < 1 {
		return fault.Bad("number", "It must be a whole number from 1.")
	}
	return nil
}
