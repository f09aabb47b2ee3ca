package simulation

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/payment"
)

// company is a payment provider: it outlives the shop's process, and counts the money itself.
type company struct {
	w        *world
	mu       sync.Mutex
	accounts map[id.Attempt]*account
	notes    []payment.Report // notifications on their way, in no order
}

// account is what the company knows of an attempt.
type account struct {
	report  payment.Report
	refunds map[string]bool // keys under which its money was given back
}

func newCompany(w *world) *company { return &company{w: w, accounts: map[id.Attempt]*account{}} }

// open opens the attempt in a state, or returns what there is of it.
func (c *company) open(a payment.Attempt, s payment.State) *account {
	if c.accounts[a.ID] == nil {
		c.accounts[a.ID] = &account{payment.Report{Attempt: a.ID, Order: a.Order, State: s, Amount: a.Amount, Reference: "ref" + a.ID.String()}, map[string]bool{}}
	}
	return c.accounts[a.ID]
}

// Name implements payment.Provider.
func (c *company) Name() string { return pace.Provider }

// Start implements payment.Provider.
func (c *company) Start(_ context.Context, a payment.Attempt) (payment.Report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open(a, payment.Waiting).report, nil
}

// Query implements payment.Provider.
func (c *company) Query(_ context.Context, a payment.Attempt) (payment.Report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known := c.accounts[a.ID]; known != nil {
		return known.report, nil
	}
	return payment.Report{Attempt: a.ID, Order: a.Order, State: payment.Missing}, nil
}

// Close implements payment.Provider.
func (c *company) Close(_ context.Context, a payment.Attempt) (payment.Report, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.open(a, payment.Ended)
	if known.report.State == payment.Waiting {
		known.report.State = payment.Ended
	}
	return known.report, nil
}

// Refund implements payment.Provider.
func (c *company) Refund(_ context.Context, a payment.Attempt, r payment.Refund) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	known := c.accounts[a.ID]
	if known == nil || known.report.State != payment.Paid {
		c.w.fail("I5: a refund is asked for of attempt %s, which nobody paid", a.ID)
		return false, errors.New("nobody paid it")
	}
	known.refunds[r.Key()] = true
	return true, nil
}

// VerifyNotification implements payment.Provider.
func (c *company) VerifyNotification(_ http.Header, body []byte, _ time.Time) (r payment.Report, err error) {
	var n struct {
		Attempt   id.Attempt
		Order     id.Order
		State     payment.State
		Minor     int64
		Reference string
	}
	err = json.Unmarshal(body, &n)
	return payment.Report{Attempt: n.Attempt, Order: n.Order, State: n.State, Amount: money.Of(n.Minor, currency), Reference: n.Reference}, err
}

// body is the notification of a report.
func body(r payment.Report) []byte {
	b, _ := json.Marshal(map[string]any{"Attempt": r.Attempt, "Order": r.Order, "State": r.State, "Minor": r.Amount.Minor, "Reference": r.Reference})
	return b
}

// cashier lets a shopper pay, or be refused, at an attempt that waits; now and then the company takes the money of one that
// it had closed or refused.
func (c *company) cashier() {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := slices.Sorted(maps.Keys(c.accounts))
	if len(all) == 0 {
		return
	}
	known := c.accounts[all[c.w.random.IntN(len(all))]]
	switch s := known.report.State; {
	case s == payment.Waiting && c.w.chance(5):
		known.report.State = payment.Declined
	case s == payment.Waiting, s != payment.Paid && c.w.chance(4):
		known.report.State = payment.Paid
	default:
		return
	}
	c.w.note("cashier: attempt %s is %s", known.report.Attempt, known.report.State)
	for range c.w.random.IntN(3) { // lost, sent once, or twice
		c.notes = append(c.notes, known.report)
	}
}

// note takes a notification from those on their way, not always the oldest; some are sent again.
func (c *company) note() (payment.Report, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.notes) == 0 {
		return payment.Report{}, false
	}
	i := c.w.random.IntN(len(c.notes))
	n := c.notes[i]
	if !c.w.chance(4) {
		c.notes = slices.Delete(c.notes, i, i+1)
	}
	return n, true
}

// seamProvider is the line to the company.
type seamProvider struct {
	*company
	p *process
}

var errLost = errors.New("the answer was lost")

func (s seamProvider) Start(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	return through(ctx, s.p, "provider: start "+a.ID.String(), errLost, func() (payment.Report, error) { return s.company.Start(ctx, a) })
}

func (s seamProvider) Query(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	return through(ctx, s.p, "provider: query "+a.ID.String(), errLost, func() (payment.Report, error) { return s.company.Query(ctx, a) })
}

func (s seamProvider) Close(ctx context.Context, a payment.Attempt) (payment.Report, error) {
	return through(ctx, s.p, "provider: close "+a.ID.String(), errLost, func() (payment.Report, error) { return s.company.Close(ctx, a) })
}

func (s seamProvider) Refund(ctx context.Context, a payment.Attempt, r payment.Refund) (bool, error) {
	return through(ctx, s.p, "provider: refund "+r.Key(), errLost, func() (bool, error) { return s.company.Refund(ctx, a, r) })
}
