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

// control lets a test make the sandbox misbehave for one payment, which the token of its cashier selects. It is for
// operators: see Parts.Allow. The cashier's page, where the shopper pays or declines, needs only the token.
//
//	POST /sandbox/pay/{token}/control
//	Authorization: Bearer <admin key>
//	{"settle": "paid", "notifications": [{...}, ...]}
//
// settle (paid, declined or ended) moves the payment to that state from any other, which no honest provider does: a
// closed or declined payment becomes paid. notifications lists what is sent to the shop: if absent, one correct
// notification; if [], none; two equal entries are one notification sent twice. An entry is {} or says what is wrong
// with it:
//
//	"state": "declined"    reports another state (for a notification out of order: declined, delayed, after paid)
//	"delay_ms": 2000       is sent later by that time
//	"age_ms": 360000       has a timestamp older than its sending by that time (negative: in the future)
//	"forged": true         is signed with another secret
//	"minor": 1             has another amount; "currency": "EUR" another currency
//	"order_id": "1"        has another order; "attempt_id": "1" another attempt
//
// Without settle, a waiting payment keeps the notifications until it settles at the cashier, and a settled one sends
// them now. The answer is 204, or problem details.
func (p *Provider) control(w http.ResponseWriter, r *http.Request) {
	if err := p.runCommand(w, r); err != nil {
		f := fault.As(err)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(f.Code.Row().Status)
		problem := map[string]any{"code": f.Code.String(), "number": f.Code.Row().Number, "status": f.Code.Row().Status, "title": f.Code.Row().Title, "detail": f.Detail, "field": f.Field}
		_ = json.NewEncoder(w).Encode(problem) // an error means that the client has left
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

// transitionsMax bounds the tries of a control to move a payment that others move concurrently.
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
