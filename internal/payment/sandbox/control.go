package sandbox

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/payment"
)

// control is how a test makes the sandbox misbehave, one payment at a time, by the token of its cashier. It is for operators: see
// Parts.Allow. The cashier's page, where the shopper pays or declines, needs the token alone.
//
//	POST /sandbox/pay/{token}/control
//	Authorization: Bearer <admin key>
//	{"settle": "paid", "notifications": [{...}, ...]}
//
// settle (paid, declined or ended) brings the payment to that state whatever it was before, which no honest provider does:
// a payment that was closed is paid late, one that was declined is paid all the same. notifications is what the shop is
// told: absent is one, as it should be; [] is none; two that are alike are one sent twice. An entry is {} or what is to be
// wrong with it:
//
//	"state": "declined"    says another state (out of order: a declined one with a delay after a paid one)
//	"delay_ms": 2000       is sent so much later
//	"age_ms": 360000       has a timestamp so much older than the moment it is sent (negative: from the future)
//	"forged": true         is signed with another secret
//	"minor": 1             names another amount; "currency": "EUR" another currency
//	"order_id": "1"        names another order; "attempt_id": "1" another attempt
//
// Without settle, a payment that waits keeps the notifications for when it settles at the cashier; one that has settled sends
// them now. The answer is 204, or problem details.
func (p *Provider) control(w http.ResponseWriter, r *http.Request) {
	if err := p.runCommand(w, r); err != nil {
		f := fault.As(err)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(f.Code.Row().Status)
		problem := map[string]any{"code": f.Code.String(), "number": f.Code.Row().Number, "status": f.Code.Row().Status, "title": f.Code.Row().Title, "detail": f.Detail, "field": f.Field}
		_ = json.NewEncoder(w).Encode(problem) // who has gone away misses nothing
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// command is the body of a control.
type command struct {
	Settle        payment.State `json:"settle"`
	Notifications []Note        `json:"notifications"`
}

func readCommand(body io.Reader) (o command, notes []Note, err error) {
	d := json.NewDecoder(body)
	d.DisallowUnknownFields()
	if err := d.Decode(&o); err != nil {
		return o, nil, fault.Wrap(fault.BadRequest, err, "The body must be an object with settle and notifications.")
	}
	switch o.Settle {
	case "", payment.Paid, payment.Declined, payment.Ended:
	default:
		return o, nil, fault.Bad("settle", "must be paid, declined or ended")
	}
	if len(o.Notifications) > notesMax {
		return o, nil, fault.Bad("notifications", "must be at most %d", notesMax)
	}
	for i, n := range o.Notifications {
		if err := n.check(i); err != nil {
			return o, nil, err
		}
	}
	if o.Notifications == nil {
		return o, []Note{{}}, nil
	}
	return o, o.Notifications, nil
}

// transitionsMax bounds how often a control tries to move a payment that others move, too.
const transitionsMax = 5

func (p *Provider) runCommand(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	known, err := p.ledger.SandboxPaymentByToken(ctx, r.PathValue("token"))
	if err != nil {
		return err
	}
	if err := p.mayControl(r, known.Order); err != nil {
		return err
	}
	o, notes, err := readCommand(http.MaxBytesReader(w, r.Body, formBytesMax))
	if err != nil {
		return err
	}
	for range transitionsMax {
		one, err := p.ledger.SandboxPaymentByToken(ctx, r.PathValue("token"))
		if err != nil {
			return err
		}
		switch {
		case o.Settle != "" && o.Settle != one.Status:
			if _, moved, err := p.transition(ctx, one, o.Settle, notes); err != nil || moved {
				return err
			}
		case one.Status == payment.Waiting:
			script, err := json.Marshal(notes)
			return errors.Join(err, p.ledger.SandboxScript(ctx, one.Attempt, script))
		default:
			queued, err := p.queued(&one, notes)
			if err != nil {
				return err
			}
			return p.ledger.SandboxQueue(ctx, queued)
		}
	}
	return fault.New(fault.Conflict, "The payment keeps changing; try again.")
}

// mayControl returns fault.Unauthenticated or fault.Forbidden if the caller may not control the payment of the order.
func (p *Provider) mayControl(r *http.Request, o id.Order) error {
	if p.allow == nil {
		return fault.New(fault.Forbidden, "The sandbox of this shop takes no controls.")
	}
	return p.allow(r, o)
}
