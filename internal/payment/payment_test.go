package payment_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func TestEdges(t *testing.T) {
	legal := map[payment.Status]string{
		payment.Starting: "open succeeded failed closed", payment.Open: "succeeded failed closed",
		payment.Failed: "succeeded", payment.Closed: "succeeded", payment.Succeeded: "",
	}
	all := []payment.Status{payment.Starting, payment.Open, payment.Succeeded, payment.Failed, payment.Closed}
	for _, from := range all {
		got := ""
		for _, to := range all {
			if from.CanBecome(to) {
				if got != "" {
					got += " "
				}
				got += string(to)
			}
		}
		if got != legal[from] {
			t.Errorf("%s may become %q, want %q", from, got, legal[from])
		}
		if live := from == payment.Starting || from == payment.Open; from.Live() != live {
			t.Errorf("%s is live: %v", from, from.Live())
		}
	}
	for _, c := range []struct {
		from, to payment.RefundStatus
		legal    bool
	}{
		{payment.Requested, payment.Refunded, true}, {payment.Requested, payment.RefundFailed, true}, {payment.RefundFailed, payment.Requested, true},
		{payment.Refunded, payment.Requested, false}, {payment.Refunded, payment.RefundFailed, false}, {payment.RefundFailed, payment.Refunded, false},
	} {
		if c.from.CanBecome(c.to) != c.legal {
			t.Errorf("a refund that is %s may become %s: %v", c.from, c.to, !c.legal)
		}
	}
}

func TestAfter(t *testing.T) {
	for _, c := range []struct {
		is    payment.Status
		word  payment.State
		to    payment.Status
		moves bool
	}{
		{payment.Starting, payment.Waiting, payment.Open, true},
		{payment.Starting, payment.Paid, payment.Succeeded, true},
		{payment.Starting, payment.Missing, "", false},
		{payment.Open, payment.Waiting, payment.Open, false},
		{payment.Open, payment.Declined, payment.Failed, true},
		{payment.Open, payment.Ended, payment.Closed, true},
		{payment.Succeeded, payment.Paid, payment.Succeeded, false},
		{payment.Succeeded, payment.Declined, payment.Failed, false}, // an outdated report
		{payment.Succeeded, payment.Waiting, payment.Open, false},
		{payment.Failed, payment.Paid, payment.Succeeded, true},
		{payment.Closed, payment.Paid, payment.Succeeded, true},
		{payment.Closed, payment.Waiting, payment.Open, false},
		{payment.Open, "nonsense", "", false},
	} {
		a := payment.Attempt{Status: c.is}
		if to, moves := a.StatusAfter(c.word); moves != c.moves || moves && to != c.to {
			t.Errorf("%s, told %s: %s %v, want %s %v", c.is, c.word, to, moves, c.to, c.moves)
		}
	}
}

func TestCheck(t *testing.T) {
	a := payment.Attempt{ID: 1, Order: 2, Amount: money.Of(1250, "GBP"), Reference: "r"}
	fits := payment.Report{Attempt: 1, Order: 2, State: payment.Paid, Amount: money.Of(1250, "GBP"), Reference: "r"}
	if err := a.Check(fits); err != nil {
		t.Errorf("a report that fits: %v", err)
	}
	for field, change := range map[string]func(*payment.Report){
		"attempt":   func(r *payment.Report) { r.Attempt = 9 },
		"order":     func(r *payment.Report) { r.Order = 9 },
		"amount":    func(r *payment.Report) { r.Amount.Minor-- },
		"currency":  func(r *payment.Report) { r.Amount.Currency = "EUR" },
		"reference": func(r *payment.Report) { r.Reference = "x" },
	} {
		wrong := fits
		change(&wrong)
		err := a.Check(wrong)
		if !errors.Is(err, fault.AmountMismatch) || fault.As(err).Field != field {
			t.Errorf("another %s: %v", field, err)
		}
	}
	if fault.AmountMismatch.Row().Grade != fault.P2 || fault.BadSignature.Row().Grade != fault.P2 {
		t.Error("a report that does not fit, and a forged one, are of grade P2")
	}
}

func TestEffect(t *testing.T) {
	want := map[order.Status]payment.Effect{
		order.Pending: payment.Pay, order.Expired: payment.Honour, order.Paid: payment.RefundPayment, order.Fulfilled: payment.RefundPayment,
		order.Cancelled: payment.RefundPayment, order.Refunded: payment.RefundPayment,
	}
	for _, s := range order.Statuses() {
		if got := payment.EffectOf(s); got != want[s] {
			t.Errorf("a payment of an order that is %s: %d, want %d", s, got, want[s])
		}
	}
}

func TestPace(t *testing.T) {
	p := payment.RetrySchedule{QueryAfter: 30 * time.Second, Lease: 6 * time.Second}
	end := noon.Add(window)
	a := &payment.Attempt{CreatedAt: noon, ExpiresAt: end}
	for _, c := range []struct {
		name    string
		now     time.Time
		pending bool
		want    time.Time
	}{
		{"early", noon.Add(30 * time.Second), true, noon.Add(60 * time.Second)},
		{"later, twice as long", noon.Add(time.Minute), true, noon.Add(2 * time.Minute)},
		{"at most five minutes", noon.Add(8 * time.Minute), true, noon.Add(13 * time.Minute)},
		{"the end before the next", noon.Add(12 * time.Minute), true, end},
		{"the end, also within the lease", end.Add(-time.Second), true, end},
		{"over: the lease", end, true, end.Add(6 * time.Second)},
		{"over for long", end.Add(time.Minute), true, end.Add(90 * time.Second)},
		{"over for a day", end.Add(24 * time.Hour), true, end.Add(24*time.Hour + time.Minute)},
		{"no order waits for it", noon, false, noon.Add(6 * time.Second)},
	} {
		if got := p.NextPoll(a, c.pending, c.now); !got.Equal(c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	hasty := payment.RetrySchedule{QueryAfter: time.Second, Lease: 6 * time.Second}
	if got := hasty.NextPoll(a, true, noon.Add(2*time.Second)); !got.Equal(noon.Add(8 * time.Second)) {
		t.Errorf("never within the lease: %s", got)
	}
	if got := p.FirstPoll(noon, end); !got.Equal(noon.Add(30 * time.Second)) {
		t.Errorf("the first look: %s", got)
	}
	if got := p.FirstPoll(end.Add(-20*time.Second), end); !got.Equal(end) {
		t.Errorf("the first look near the end: %s", got)
	}
}

func TestConfig(t *testing.T) {
	if err := payment.DefaultConfig().Validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	for field, change := range map[string]func(*payment.Config){
		"provider":     func(c *payment.Config) { c.Provider = "piggybank" },
		"call_timeout": func(c *payment.Config) { c.CallTimeout = 2 * time.Minute },
		"calls_max":    func(c *payment.Config) { c.CallsMax = 0 },
		"workers":      func(c *payment.Config) { c.Workers = 17 },
		"query_after":  func(c *payment.Config) { c.QueryAfter = time.Millisecond },
	} {
		c := payment.DefaultConfig()
		change(&c)
		if err := c.Validate(); err == nil || fault.As(err).Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
