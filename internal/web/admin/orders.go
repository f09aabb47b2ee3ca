package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/web/lang"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/web/skuname"
)

func (d *Pages) mountOrders() {
	d.page("GET /console/orders", account.RoleOrders, d.showOrders)
	d.page("GET /console/orders/{id}", account.RoleOrders, d.showOrder)
	d.act("POST /console/orders/{id}/cancel", account.RoleOrders, "adminCancelOrder", d.orderAct(func(ctx context.Context, r *request, o id.Order) error {
		_, err := d.Payments.CancelAny(ctx, o, r.who.Name)
		return err
	}))
	d.act("POST /console/orders/{id}/fulfil", account.RoleOrders, "fulfilOrder", d.orderAct(func(ctx context.Context, _ *request, o id.Order) error {
		_, err := d.Orders.Fulfil(ctx, o)
		return err
	}))
	d.act("POST /console/orders/{id}/refund", account.RolePayments, "refundOrder", d.orderAct(func(ctx context.Context, r *request, o id.Order) error {
		restock := r.Form("restock")
		if restock != "yes" && restock != "no" {
			return fault.Bad("restock", "Say whether the units go back to general stock: yes or no.")
		}
		_, err := d.Payments.Refund(ctx, payment.RefundRequest{Order: o, Reason: r.Form("reason"), Restock: restock == "yes", Actor: r.who.Name})
		return err
	}))
}

// ordersPage is the orders that were asked for.
type ordersPage struct {
	Sale     id.Sale
	Customer id.Customer
	Asked    string // the customer, as they were asked for
	From, To string // as datetime-local, in the shop's zone
	Status   order.Status
	Statuses []order.Status
	Orders   []order.Order
	Next     string // the address of the next page; empty: there is none
}

// ordersPath is where the list of orders is.
const ordersPath = "/console/orders"

func (d *Pages) showOrders(r *request) error {
	if text := r.Query("order"); text != "" {
		o, err := queryID[id.Order](r, "order")
		if err != nil {
			return err
		}
		return r.Redirect("/console/orders/" + o.String())
	}
	f, page, err := d.ordersAsked(r)
	if err != nil {
		return err
	}
	if page.Asked == "" || page.Customer != 0 { // who is asked for by an address that nobody has has no orders
		if page.Orders, err = d.Orders.Search(r.Request.Context(), f); err != nil {
			return err
		}
	}
	page.Orders, page.Next = site.Next(r.List(ordersPath), page.Orders, rowsOnPage, func(o *order.Order) id.Order { return o.ID })
	return r.Show(http.StatusOK, d.orders, r.Lang.T("admin.orders"), page)
}

// ordersAsked reads what the address asks for. It returns fault.NotFound for what is no id, and fault.Invalid for what is no moment.
func (d *Pages) ordersAsked(r *request) (f order.Filter, page ordersPage, err error) {
	page = ordersPage{
		Asked: r.Query("customer"), From: r.Query("from"), To: r.Query("to"), Status: order.Status(r.Query("status")), Statuses: order.Statuses(),
	}
	if !slices.Contains(page.Statuses, page.Status) {
		page.Status = ""
	}
	f = order.Filter{Status: page.Status, Limit: rowsOnPage + 1}
	if page.Sale, err = queryID[id.Sale](r, "sale"); err != nil {
		return f, page, err
	}
	if page.Customer, err = d.customerAsked(r, "customer"); err != nil {
		return f, page, err
	}
	f.Sale, f.Customer = page.Sale, page.Customer
	if f.Before, err = site.Place[id.Order](r.List(ordersPath)); err != nil {
		return f, page, err
	}
	for _, bound := range []struct {
		field, text string
		at          *time.Time
	}{{"from", page.From, &f.From}, {"to", page.To, &f.To}} {
		if bound.text == "" {
			continue
		}
		if *bound.at, err = moment(bound.field, bound.text, r.Zone()); err != nil {
			return f, page, err
		}
	}
	return f, page, nil
}

// orderPage is the story of an order.
type orderPage struct {
	order.Order
	Lines   []orderLine
	Story   []happening
	Refunds bool // the admin may refund
	// Refunding is the order's refund that its provider has not confirmed yet; nil where there is none. Until then neither another
	// one nor fulfilment is offered.
	Refunding *payment.Refund
}

type orderLine struct {
	order.Line
	skuname.Name
	Price, Subtotal money.Amount
}

// happening is something that happened to an order: what, in the words of the language, by whom, and more about it.
type happening struct {
	At        time.Time
	What, Who string
	More      string
	Until     time.Time // what More is, where it is a moment
}

func (d *Pages) showOrder(r *request) error {
	o, err := site.PathID[id.Order](r.Visit, "id")
	if err != nil {
		return err
	}
	ctx := r.Request.Context()
	page := orderPage{Refunds: r.who.May(account.RolePayments)}
	if page.Order, err = d.Orders.Find(ctx, o); err != nil {
		return err
	}
	for _, l := range page.Order.Lines {
		line := orderLine{Line: l, Price: money.Of(l.UnitPrice, page.Total.Currency), Subtotal: money.Of(l.UnitPrice*l.Units, page.Total.Currency)}
		if line.Name, err = skuname.Find(ctx, d.Products, 0, l.SKU); err != nil {
			return err
		}
		page.Lines = append(page.Lines, line)
	}
	refunds, err := d.Payments.Refunds(ctx, payment.RefundFilter{Order: o, Limit: payment.RefundsMax})
	if err != nil {
		return err
	}
	for i := range refunds {
		if refunds[i].Kind == payment.OfOrder && refunds[i].Status == payment.Requested {
			page.Refunding = &refunds[i]
		}
	}
	if page.Story, err = d.storyOf(ctx, r.Lang, &page.Order, refunds); err != nil {
		return err
	}
	return r.Show(http.StatusOK, d.order, r.Lang.T("order.title", "id", o), page)
}

// storyOf tells what happened to an order, from first to last: its own moments, its payments and refunds, and what admins did. What
// an admin did to it is told once: by the moment or the refund that came of it, with who and why.
func (d *Pages) storyOf(ctx context.Context, l *lang.Language, o *order.Order, refunds []payment.Refund) ([]happening, error) {
	story := []happening{{At: o.CreatedAt, What: l.T("story.placed"), More: l.T("story.pay_before"), Until: o.ExpiresAt}}
	attempts, err := d.Payments.Attempts(ctx, o.Customer, o.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		by := a.Provider + " " + a.ID.String()
		story = append(story, happening{At: a.CreatedAt, What: l.T("story.payment_begun"), More: by})
		if !a.SettledAt.IsZero() {
			story = append(story, happening{At: a.SettledAt, What: l.T("story.payment", "status", l.Word("attempt", string(a.Status))), More: by})
		}
	}
	if !o.PaidAt.IsZero() {
		story = append(story, happening{At: o.PaidAt, What: l.T("story.paid")})
	}
	for i := range refunds {
		story = append(story, ofRefund(l, &refunds[i])...)
	}
	entries, err := d.Accounts.Log(ctx, auditlog.Filter{Subject: o.ID.String(), Limit: rowsOnPage})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if !refundTells(refunds, &e) {
			story = append(story, happening{At: e.At, What: l.Word("verb", e.Verb), Who: e.Actor, More: e.Reason})
		}
	}
	if !o.ClosedAt.IsZero() && o.Status != order.Refunded { // a refund tells its own end
		story = append(story, happening{At: o.ClosedAt, What: l.Word("status", string(o.Status)), More: l.T("story.returned")})
	}
	slices.SortStableFunc(story, func(a, b happening) int { return cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli()) })
	return story, nil
}

// ofRefund tells of a refund: who asked for it and why, and how it ended.
func ofRefund(l *lang.Language, f *payment.Refund) []happening {
	story := []happening{{At: f.CreatedAt, What: l.T("story.refund_requested"), Who: f.Actor, More: f.Reason}}
	if f.SettledAt.IsZero() {
		return story
	}
	more := f.Refusal
	if f.Kind == payment.OfOrder && f.Status == payment.Refunded {
		more = l.T("story.not_restocked")
		if f.Restock {
			more = l.T("story.restocked")
		}
	}
	return append(story, happening{At: f.SettledAt, What: l.T("story.refund", "status", l.Word("refund", string(f.Status))), More: more})
}

// refundTells reports whether an entry of the audit log is what a refund says already. One that was asked for again says the newest
// wish; those before it are in the log alone.
func refundTells(refunds []payment.Refund, e *auditlog.Entry) bool {
	return e.Verb == "refundOrder" && slices.ContainsFunc(refunds, func(f payment.Refund) bool {
		return f.Kind == payment.OfOrder && f.Actor == e.Actor && f.Reason == e.Reason
	})
}

// orderAct makes the handler of a change to the order in the path, which leads back to it.
func (d *Pages) orderAct(do func(ctx context.Context, r *request, o id.Order) error) func(context.Context, *request) (string, error) {
	return func(ctx context.Context, r *request) (string, error) {
		o, err := site.PathID[id.Order](r.Visit, "id")
		if err == nil {
			err = do(ctx, r, o)
		}
		return "/console/orders/" + o.String(), err
	}
}
