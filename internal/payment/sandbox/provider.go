package sandbox

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/payment"
)

var _ payment.Provider = (*Provider)(nil)

// Provider is the sandbox. It is safe for concurrent use.
type Provider struct {
	ledger Store
	secret string
	cash   func() string
	notify func() string
	clock  clock.Clock
	mint   *id.Mint
	log    *slog.Logger
	client *http.Client
	back   func(id.Order) string
	allow  func(r *http.Request, o id.Order) error
}

// Parts holds the dependencies of a Provider.
type Parts struct {
	Ledger Store
	Secret string        // see OpenSecret
	Base   func() string // this process's own public address, such as http://127.0.0.1:8080
	Clock  clock.Clock
	Mint   *id.Mint
	Log    *slog.Logger
	Config Config
	// Return returns the shop's address of an order, for the link back from the cashier; nil: no link.
	Return func(id.Order) string
	// Allow returns nil if the sender of a request may control the payment of an order. A nil Allow refuses everyone.
	Allow func(r *http.Request, o id.Order) error
}

// New returns a sandbox with these dependencies.
func New(p Parts) *Provider {
	return &Provider{
		ledger: p.Ledger, secret: p.Secret, clock: p.Clock, mint: p.Mint, log: p.Log, back: p.Return, allow: p.Allow,
		cash: address(p.Config.PublicURL, p.Base), notify: address(p.Config.NotifyURL, p.Base),
		client: &http.Client{Timeout: deliveryTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }},
	}
}

// address returns the configured address, or this process's own, which is known once it listens.
func address(configured string, own func() string) func() string {
	if configured == "" {
		return own
	}
	return func() string { return strings.TrimSuffix(configured, "/") }
}

func checkBase(text string) error {
	if text == "" {
		return nil
	}
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("an address such as http://127.0.0.1:8080, not %q", text)
	}
	return nil
}

// Name implements payment.Provider.
func (p *Provider) Name() string { return Name }

// Start implements payment.Provider.
func (p *Provider) Start(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	opened, err := p.ledger.SandboxOpen(ctx, p.payment(a, payment.Waiting))
	return p.reportOf(opened), err
}

// payment returns the sandbox's row of an attempt.
func (p *Provider) payment(a payment.Attempt, s payment.State) Payment {
	return Payment{
		Attempt: a.ID, Order: a.Order, Token: rand.Text(), Status: s, Amount: a.Amount,
		CreatedAt: p.clock.Now(), ExpiresAt: a.ExpiresAt,
	}
}

// reportOf reports a payment, with its payment page while it can be paid.
func (p *Provider) reportOf(one Payment) payment.Report {
	r := one.report()
	if one.Status == payment.Waiting {
		r.PayURL = p.cash() + pathPay + one.Token
	}
	return r
}

// Query implements payment.Provider.
func (p *Provider) Query(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	one, err := p.ledger.SandboxPayment(ctx, a.ID)
	if errors.Is(err, fault.NotFound) {
		return payment.Report{Attempt: a.ID, Order: a.Order, State: payment.Missing}, nil
	}
	return p.reportOf(one), err
}

// Close implements payment.Provider. It opens an unknown attempt as ended, so that it cannot be started any more.
func (p *Provider) Close(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	one, err := p.ledger.SandboxOpen(ctx, p.payment(a, payment.Ended))
	if err != nil || one.Status != payment.Waiting {
		return p.reportOf(one), err
	}
	one, _, err = p.ledger.SandboxTransition(ctx, Transition{Attempt: a.ID, From: payment.Waiting, To: payment.Ended, At: p.clock.Now()})
	return p.reportOf(one), err
}

// Refund implements payment.Provider. The sandbox refunds immediately.
func (p *Provider) Refund(ctx context.Context, a payment.Attempt, r payment.Refund) (bool, error) {
	err := p.ledger.SandboxRefund(ctx, r.Key(), a.ID, r.Amount, p.clock.Now())
	return err == nil, err
}

// queued makes the notifications for the notes of a script or a test.
func (p *Provider) queued(one *Payment, notes []Note) ([]Notification, error) {
	out := make([]Notification, len(notes))
	for i, n := range notes {
		var err error
		if out[i], err = n.notification(one, id.New[id.Notification](p.mint), p.clock.Now()); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// transition moves a payment and queues the notifications of its script. It returns false if the payment's status has
// changed meanwhile.
func (p *Provider) transition(ctx context.Context, one Payment, to payment.State, notes []Note) (Payment, bool, error) {
	next := one
	next.Status = to
	queued, err := p.queued(&next, notes)
	if err != nil {
		return one, false, err
	}
	return p.ledger.SandboxTransition(ctx, Transition{Attempt: one.Attempt, From: one.Status, To: to, At: p.clock.Now(), Notes: queued})
}
