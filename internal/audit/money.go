package audit

import (
	"context"

	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
)

// attempt takes a payment attempt and the refund of it.
func (p *orderRange) attempt(a *Attempt) error {
	p.tick()
	p.saw(i5, 1)
	subject := orderSubject(a.Order)
	s := p.find(a.Order)
	if s == nil {
		p.violated(i5, subject, "payment attempt %s is for it, and the order is not there", a.ID)
		return nil
	}
	sum := &s.attempts
	if a.Status.Live() {
		sum.live++
	}
	if a.Status.Live() == a.Settled {
		p.violated(i9, subject, "payment attempt %s is %s, and its time of settling says otherwise", a.ID, a.Status)
	}
	if a.Pays {
		sum.pays++
		sum.wrong = sum.wrong || a.Amount != p.total(s) || a.Status != payment.Succeeded
	}
	if a.Refund != nil {
		p.refund(a, sum)
	} else if a.Status == payment.Succeeded && !a.Pays {
		sum.unclaimed++
	}
	return nil
}

// refund checks that a refund gives back what its attempt took, and for the reason that it says.
func (p *orderRange) refund(a *Attempt, sum *attempts) {
	r := a.Refund
	subject := orderSubject(a.Order)
	switch {
	case a.Status != payment.Succeeded:
		p.violated(i5, subject, "refund %s is of payment attempt %s, which is %s", r.ID, a.ID, a.Status)
	case r.Order != a.Order || r.Amount != a.Amount:
		p.violated(i5, subject, "refund %s is not of what payment attempt %s took", r.ID, a.ID)
	case a.Pays != (r.Kind == payment.OfOrder):
		p.violated(i5, subject, "refund %s is of kind %s, and payment attempt %s is not", r.ID, r.Kind, a.ID)
	case a.Pays && r.Status == payment.Refunded:
		sum.repaid = true
	}
	if (r.Status == payment.Requested) == r.Settled {
		p.violated(i9, subject, "refund %s is %s, and its time of settling says otherwise", r.ID, r.Status)
	}
	if r.Status == payment.RefundFailed {
		p.refused++
	}
}

// judgeMoney checks that a paid order is paid once and for what it costs, and that no other payment is left without a
// refund.
func (p *orderRange) judgeMoney(s *orderState) {
	p.saw(i5, 1)
	subject, a, st := orderSubject(s.id), s.attempts, s.row.is()
	if a.unclaimed > 0 {
		p.violated(i5, subject, "it is %s: %d payments for it have succeeded that neither paid it nor are being refunded", st, a.unclaimed)
	}
	switch st {
	case order.Paid, order.Fulfilled, order.Refunded:
		if a.pays == 0 && s.total != 0 || a.pays > 1 {
			p.violated(i5, subject, "it is %s, by %d payments instead of one", st, a.pays)
		}
		if a.wrong {
			p.violated(i5, subject, "it is %s, and what paid it is not a payment of %d %s", st, s.total, p.currencies[s.currency])
		}
		if a.pays > 0 && a.repaid != (st == order.Refunded) {
			p.violated(i5, subject, "it is %s, and that its payment was given back is %t", st, a.repaid)
		}
	default:
		if a.pays > 0 {
			p.violated(i5, subject, "it is %s, and a payment says that it paid it", st)
		}
		if st != order.Pending && a.live > 0 {
			p.violated(i5, subject, "it is %s, and can still be paid", st)
		}
	}
}

// checkRefunds looks for refunds that are of nothing.
func (r *run) checkRefunds(ctx context.Context) error {
	err := r.snap.LostRefunds(ctx, func(v *Refund) error {
		r.tick()
		r.violated(i5, orderSubject(v.Order), "refund %s is of payment attempt %s, which is not there", v.ID, v.Attempt)
		return nil
	})
	if r.refused > 0 {
		r.note(i5, "The provider has refused %d refunds: an operator must ask again.", r.refused)
	}
	return err
}
