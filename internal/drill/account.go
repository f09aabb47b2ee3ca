package drill

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// settleAll settles accounts: every answer against the orders that the shop shows, some of them as their shoppers see them,
// and the shop's own audit.
func (d *drill) settleAll(ctx context.Context, all []*preparedSale, r *Result) error {
	for _, s := range all {
		d.progress.say("settling %d purchases of the sale %s", len(s.books.state), s.books.Sale.SaleId)
		settlement, err := d.compare(ctx, s.books)
		if err != nil {
			return fmt.Errorf("settle accounts: %w", plainError(err))
		}
		d.readBack(ctx, s, settlement)
		r.InDatabase += settlement.InDatabase
		for status, n := range settlement.ByStatus {
			r.ByStatus[status] += n
		}
		r.Violations = r.plus(settlement.Violations)
		r.Examples = append(r.Examples, settlement.Examples...)
	}
	r.Audit = d.audit(ctx)
	r.OK = r.Violations.Sum() == 0 && (!r.Audit.Ran || r.Audit.OK)
	return nil
}

// decisionPatience is how long it may take until the cashier tells the shop of one more payment.
const decisionPatience = 10 * time.Second

// compare compares a sale's books with its orders. Where the shop has not heard of every payment yet, it looks again, for as long as the
// shop hears of more.
func (d *drill) compare(ctx context.Context, b *PurchaseLog) (*Settlement, error) {
	deadline, fewest := time.Now().Add(decisionPatience), len(b.state)
	for {
		s := newSettlement(b)
		if err := d.client.orders(ctx, b.Sale.SaleId, s.add); err != nil {
			return nil, err
		}
		if s.unheard < fewest {
			deadline, fewest = time.Now().Add(decisionPatience), s.unheard
		}
		if s.unheard == 0 || time.Now().After(deadline) {
			s.close()
			return s, nil
		}
		time.Sleep(decisionPatience / 50)
	}
}

// readBackMax is how many accepted orders of a sale are also asked for as their shoppers would.
const readBackMax = 100

// readBack reads some accepted orders through the shop's public side, evenly over the sale.
func (d *drill) readBack(ctx context.Context, s *preparedSale, settlement *Settlement) {
	total := s.books.count()[Accepted]
	every := max(1, total/readBackMax)
	n := 0
	for purchase := range s.books.state {
		if s.books.Outcome(purchase) != Accepted || !settlement.own[purchase] {
			continue // what is not there at all has been counted
		}
		if n++; n%every != 0 {
			continue
		}
		order := id.Order(s.books.order[purchase])
		_, err := d.client.readable(ctx, order, s.tokens.of(purchase/s.books.Keys))
		var no *refusal
		if errors.As(err, &no) && no.status == http.StatusNotFound {
			settlement.violate(&settlement.Violations.Lost, 1, "order %s was answered with 201 and its shopper cannot read it", order)
		}
	}
}

// audit asks the shop for its own audit. A key that may not, and a shop that has none, are told and are no violation.
func (d *drill) audit(ctx context.Context) AuditVerdict {
	report, err := d.client.audit(ctx)
	if err != nil {
		var no *refusal
		if errors.As(err, &no) && no.status == http.StatusForbidden {
			return AuditVerdict{Violations: []string{}, Note: "the admin key has not the role all"}
		}
		return AuditVerdict{Violations: []string{}, Note: plainError(err).Error()}
	}
	v := AuditVerdict{Ran: true, OK: report.Ok, Violations: []string{}}
	for _, one := range report.Invariants {
		v.Violations = append(v.Violations, violationTexts(one)...)
	}
	return v
}

// violationTexts returns the violations of an invariant with its name before each.
func violationTexts(one api.Invariant) []string {
	all := make([]string, 0, len(one.Violations))
	for _, v := range one.Violations {
		all = append(all, one.Id+": "+v.Subject+": "+v.Detail)
	}
	return all
}
