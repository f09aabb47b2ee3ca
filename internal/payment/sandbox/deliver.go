package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

const (
	deliveryTimeout = 5 * time.Second
	deliveriesMax   = 32      // concurrent, and in one step
	triesMax        = 12      // over about two hours, by backoff
	answerBytesMax  = 4 << 10 // read of an answer, so that its connection can be reused
	notifyPath      = "/v1/payments/" + Name + "/notifications"
)

// DeliverStep sends the notifications that are due and records the shop's answers. It returns how many it sent. A
// failed delivery is repeated with growing delays; one that the shop rejects as wrong (4xx) is not.
func (p *Provider) DeliverStep(ctx context.Context) (int, error) {
	due, err := p.ledger.SandboxDue(ctx, p.clock.Now(), deliveriesMax)
	if err != nil {
		return 0, err
	}
	errs := make([]error, len(due))
	var sending sync.WaitGroup
	for i, n := range due {
		sending.Go(func() {
			errs[i] = fault.Safely(func() error {
				p.deliver(ctx, &n)
				return p.ledger.SandboxSent(context.WithoutCancel(ctx), n)
			})
		})
	}
	sending.Wait()
	return len(due), errors.Join(errs...)
}

// deliver sends a notification once and records the outcome in it.
func (p *Provider) deliver(ctx context.Context, n *Notification) {
	status, err := p.post(ctx, n)
	n.Tries++
	n.Answer = fmt.Sprint(status)
	if err != nil {
		n.Answer = err.Error()
	}
	now := p.clock.Now()
	refused := status >= 400 && status < 500 && status != http.StatusTooManyRequests && status != http.StatusRequestTimeout
	switch {
	case err == nil && (refused || status >= 200 && status < 300):
		n.DoneAt = now
	case n.Tries >= triesMax:
		n.DoneAt = now
		p.log.WarnContext(ctx, "the sandbox stopped retrying a notification", "notification", n.ID, "attempt", n.Attempt, "tries", n.Tries, "answer", n.Answer)
	default:
		n.DueAt = now.Add(time.Second << n.Tries)
	}
}

func (p *Provider) post(ctx context.Context, n *Notification) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.notify()+notifyPath, bytes.NewReader(n.Body))
	if err != nil {
		return 0, err
	}
	secret := p.secret
	if n.Forged {
		secret = "not the secret that the shop knows"
	}
	r.Header.Set("Content-Type", "application/json")
	Sign(r.Header, secret, n.Body, p.clock.Now().Add(-n.Age))
	answer, err := p.client.Do(r)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }() // the body has been read, or does not matter
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, answerBytesMax))
	return answer.StatusCode, err
}
