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

// Parts is what a Service is made of.
type Parts struct {
	Store  Store
	Sender Sender
	Config Config
	Clock  clock.Clock
	Log    *slog.Logger
}

// Service records what shoppers are to be told, and tells them. Safe for concurrent use.
type Service struct{ Parts }

// NewService returns the module. Nothing is sent before SendStep is driven.
func NewService(p Parts) *Service { return &Service{p} }

// Apply records what shoppers are to be told of events, in one transaction, once for each event. It returns fault.Invalid
// for an event that cannot be read.
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
	// sendMax bounds one step, and sendAtOnce the mails under way.
	sendMax    = 64
	sendAtOnce = 8
)

// SendStep sends what is due and returns how much it settled or put off.
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
				after[i] = n // cut off because the process stops: it is tried again
			}
		})
	}
	working.Wait()
	// What was sent was sent: the record of it is not given up because the process stops.
	return len(due), s.Store.SettleNotifications(context.WithoutCancel(ctx), after)
}

// titles reads what the SKUs of all these orders are called.
func (s *Service) titles(ctx context.Context, due []Notification) (map[id.SKU]string, error) {
	var skus []id.SKU
	seen := map[id.SKU]bool{}
	for _, n := range due {
		var o told
		if json.Unmarshal(n.Payload, &o) != nil {
			continue // send says so
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

// deliverable returns an address with its domain as mail servers have it.
func deliverable(address string) string {
	at := strings.LastIndexByte(address, '@') + 1
	domain, err := hostname.ASCII(address[at:])
	if err != nil {
		return address // of one label, such as localhost
	}
	return address[:at] + domain
}

// settledKept is how long notifications are kept after they were settled: longer than any bus keeps an event, so that one
// that comes again finds that it was told.
const settledKept = 31 * 24 * time.Hour

// cleanMax bounds one step of cleaning.
const cleanMax = 1000

// CleanStep deletes notifications that were settled long ago, and returns how many.
func (s *Service) CleanStep(ctx context.Context) (int, error) {
	return s.Store.CleanNotifications(ctx, s.Clock.Now().Add(-settledKept), cleanMax)
}
