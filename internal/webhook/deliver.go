package webhook

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Limits of one DeliverStep.
const (
	// deliveriesMax bounds one step. If the endpoint answers within 50 ms, it takes a fifth of a second.
	deliveriesMax = 32
	// perEndpoint bounds the concurrent requests to one endpoint.
	perEndpoint = 8
	// answerBytesMax bounds how much of an answer is read, so that its connection can be reused.
	answerBytesMax = 64 << 10
	// slowAfter is when an endpoint counts as slow.
	slowAfter = 2 * time.Second
)

// DeliverStep sends one endpoint its due deliveries, and returns their number. Config.Workers workers run it.
func (s *Service) DeliverStep(ctx context.Context) (int, error) {
	now := s.Clock.Now()
	if !s.turns.mayBeDue(now) {
		return 0, nil
	}
	due, err := s.Store.DueEndpoints(ctx, now)
	if err != nil {
		return 0, err
	}
	e, ok := s.turns.take(due, s.Config.Workers)
	if !ok {
		s.turns.noneDue(now)
		return 0, nil
	}
	slow := false
	defer func() { s.turns.release(e.ID, slow) }()
	limit := deliveriesMax
	if !e.FailingSince.IsZero() {
		limit = 1 // one trial until it succeeds
	}
	waiting, err := s.Store.DueDeliveries(ctx, e.ID, s.Clock.Now(), limit)
	if err != nil || len(waiting) == 0 {
		return 0, err
	}
	began := time.Now()
	results := s.deliverBatch(ctx, &e, waiting)
	slow = time.Since(began) > slowAfter
	settled := make([]Delivery, len(results))
	for i := range results {
		settled[i] = results[i].delivery()
	}
	after := e.withResults(results)
	if after.Status == Paused {
		s.Log.WarnContext(ctx, "a webhook endpoint is paused", "endpoint", e.ID.String(), "reason", after.PausedReason)
	}
	if len(results) == 0 {
		return 0, ctx.Err()
	}
	// Record the results even if the process is stopping: the requests have been sent.
	return len(results), s.Store.SettleDeliveries(context.WithoutCancel(ctx), after, settled)
}

// deliverBatch tries deliveries, perEndpoint of them concurrently, and returns the results in their order. It omits
// requests that the end of the process cut off: they are retried under the same id.
func (s *Service) deliverBatch(ctx context.Context, e *Endpoint, waiting []Delivery) []Result {
	all := make([]Result, len(waiting))
	var working sync.WaitGroup
	places := make(chan struct{}, perEndpoint)
	for i := range waiting {
		places <- struct{}{}
		working.Go(func() {
			defer func() { <-places }()
			if err := fault.Safely(func() error {
				all[i] = s.attempt(ctx, e, waiting[i])
				return nil
			}); err != nil {
				all[i] = Result{Delivery: waiting[i], Error: reasonOf(err), At: s.Clock.Now()}
			}
		})
	}
	working.Wait()
	ended := all[:0]
	for _, r := range all {
		if r.Error == "" || ctx.Err() == nil {
			ended = append(ended, r)
		}
	}
	return ended
}

// attempt makes one request.
func (s *Service) attempt(ctx context.Context, e *Endpoint, d Delivery) Result {
	ctx, cancel := context.WithTimeout(ctx, s.Config.Timeout)
	defer cancel()
	r := Result{Delivery: d}
	answer, err := s.send(ctx, e, &d)
	r.At = s.Clock.Now()
	if err != nil {
		r.Error = reasonOf(err)
		return r
	}
	defer func() { _ = answer.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, answerBytesMax)) // the body is ignored
	r.Status = answer.StatusCode
	switch {
	case answer.StatusCode >= 200 && answer.StatusCode < 300:
		return r
	case answer.StatusCode >= 300 && answer.StatusCode < 400:
		r.Error = fmt.Sprintf("it answered %d: redirects are not followed, register the address itself", answer.StatusCode)
	default:
		r.Error = fmt.Sprintf("it answered %d", answer.StatusCode)
	}
	r.Gone = answer.StatusCode == http.StatusGone
	if seconds, err := strconv.Atoi(answer.Header.Get("Retry-After")); err == nil && seconds > 0 {
		r.RetryAfter = time.Duration(min(seconds, 24*3600)) * time.Second
	}
	return r
}

func (s *Service) send(ctx context.Context, e *Endpoint, d *Delivery) (*http.Response, error) {
	to, err := url.Parse(e.URL)
	if err != nil {
		return nil, err
	}
	text := body(d)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, e.URL, bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	now, name := s.Clock.Now(), MessageID(d.Position)
	signature, err := e.sign(name, now, text)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Tidegate-Webhooks/1")
	r.Header.Set(headerID, name)
	r.Header.Set(headerTimestamp, strconv.FormatInt(now.Unix(), 10))
	r.Header.Set(headerSignature, signature)
	if to.Scheme == "http" {
		return s.plain.Do(r)
	}
	return s.encrypted.Do(r)
}
