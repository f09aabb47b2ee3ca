package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/event"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/hostname"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Parts holds the dependencies of a Service.
type Parts struct {
	Store  Store
	Sender Sender
	Config Config
	Clock  clock.Clock
	Log    *slog.Logger
}

// Service records notifications and sends them. It is safe for concurrent use.
type Service struct{ Parts }

// NewService returns a Service. SendStep sends the notifications.
func NewService(p Parts) *Service { return &Service{p} }

// Apply records the notifications of events in one transaction, one for each event. It returns fault.Invalid for an
// unreadable event.
func (s *Service) Apply(ctx context.Context, events []event.Event) error {
	now := s.Clock.Now()
	all := make([]Notification, 0, len(events))
	for _, e := range events {
		n, err := newNotification(e, now)
		if err != nil {
			return err
		}
		all = append(all, n)
	}
	return s.Store.AddNotifications(ctx, all)
}

const (
	// sendMax bounds the mails of one step, and sendAtOnce the concurrent ones.
	sendMax    = 64
	sendAtOnce = 8
)

// SendStep sends the due mails. It returns the number it settled or postponed.
func (s *Service) SendStep(ctx context.Context) (int, error) {
	due, err := s.Store.DueNotifications(ctx, s.Clock.Now(), sendMax)
	if err != nil || len(due) == 0 {
		return 0, err
	}
	titles, err := s.titles(ctx, due)
	if err != nil {
		return 0, err
	}
	after := make([]Notification, len(due))
	var working sync.WaitGroup
	places := make(chan struct{}, sendAtOnce)
	for i, n := range due {
		if n.Email == "" {
			n.State, n.SettledAt = Nobody, s.Clock.Now()
			after[i] = n
			continue
		}
		places <- struct{}{}
		working.Go(func() {
			defer func() { <-places }()
			err := fault.Safely(func() error { return s.send(ctx, &n, titles) })
			after[i] = n.withResult(err, s.Clock.Now())
			if after[i].State == Failed {
				s.Log.WarnContext(ctx, "a shopper could not be told", "order", n.Order.String(), "event", n.Type, "error", err)
			}
			if err != nil && ctx.Err() != nil {
				after[i] = n // cut off by the end of the process: it is retried
			}
		})
	}
	working.Wait()
	// Record the results even if the process is stopping: the mails have been sent.
	return len(due), s.Store.SettleNotifications(context.WithoutCancel(ctx), after)
}

// titles returns the titles of the SKUs of all these orders.
func (s *Service) titles(ctx context.Context, due []Notification) (map[id.SKU]string, error) {
	var skus []id.SKU
	seen := map[id.SKU]bool{}
	for _, n := range due {
		var o told
		if json.Unmarshal(n.Payload, &o) != nil {
			continue // send reports the error
		}
		for _, l := range o.Lines {
			if !seen[l.SKU] {
				seen[l.SKU] = true
				skus = append(skus, l.SKU)
			}
		}
	}
	return s.Store.SKUTitles(ctx, skus)
}

// sendTimeout bounds one mail.
const sendTimeout = 30 * time.Second

func (s *Service) send(ctx context.Context, n *Notification, titles map[id.SKU]string) error {
	var o told
	if err := json.Unmarshal(n.Payload, &o); err != nil {
		return &PermanentError{err}
	}
	m, err := write(s.Config, n.Type, &o, titles)
	if err != nil {
		return &PermanentError{err}
	}
	from, err := mail.ParseAddress(s.Config.From)
	if err != nil {
		return err
	}
	from.Address = deliverable(from.Address)
	m.From, m.To, m.At = *from, mail.Address{Address: deliverable(n.Email)}, s.Clock.Now()
	m.ID = fmt.Sprintf("%d.%s@%s", n.Position, o.ID, from.Address[strings.LastIndexByte(from.Address, '@')+1:])
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	return s.Sender.Send(ctx, m)
}

// deliverable returns an address with its domain in the form of mail servers.
func deliverable(address string) string {
	at := strings.LastIndexByte(address, '@') + 1
	domain, err := hostname.ASCII(address[at:])
	if err != nil {
		return address // of one label, such as localhost
	}
	return address[:at] + domain
}

// settledKept is how long settled notifications are kept. It is longer than any bus keeps an event, so a repeated event
// is recognised.
const settledKept = 31 * 24 * time.Hour

// cleanMax bounds one step of cleaning.
const cleanMax = 1000

// CleanStep deletes notifications that were settled long ago, and returns their number.
func (s *Service) CleanStep(ctx context.Context) (int, error) {
	return s.Store.CleanNotifications(ctx, s.Clock.Now().Add(-settledKept), cleanMax)
}
