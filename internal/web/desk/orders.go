package desk

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/web/site"
)

func (d *Desk) mountOrders() {
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
		_, err := d.Payments.Refund(ctx, payment.RefundRequest{Order: o, Reason: r.Form("reason"), Actor: r.who.Name})
		return err
	}))
}

// ordersPage is the orders that were asked for.
type ordersPage struct {
	Sale     id.Sale
	Customer id.Customer
	Status   order.Status
	Statuses []order.Status
	Orders   []order.Order
	Next     id.Order
}

func (d *Desk) showOrders(r *request) error {
	if text := r.Query("order"); text != "" {
		o, err := queryID[id.Order](r, "order")
		if err != nil {
			return err
		}
		return r.Redirect("/console/orders/" + o.String())
	}
	page := ordersPage{Status: order.Status(r.Query("status")), Statuses: order.Statuses()}
	var before id.Order
	var err error
	if page.Sale, err = queryID[id.Sale](r, "sale"); err != nil {
		return err
	}
	if page.Customer, err = queryID[id.Customer](r, "customer"); err != nil {
		return err
	}
	if before, err = queryID[id.Order](r, "before"); err != nil {
		return err
	}
	if !slices.Contains(page.Statuses, page.Status) {
		page.Status = ""
	}
	page.Orders, err = d.Orders.Search(r.Request.Context(), order.Filter{
		Sale: page.Sale, Customer: page.Customer, Status: page.Status, Before: before, Limit: rowsOnPage + 1,
	})
	if err != nil {
		return err
	}
	if len(page.Orders) > rowsOnPage {
		page.Orders = page.Orders[:rowsOnPage]
		page.Next = page.Orders[rowsOnPage-1].ID
	}
	return r.Show(http.StatusOK, d.orders, "Orders", page)
}

// orderPage is the story of an order.
type orderPage struct {
	order.Order
	Lines   []orderLine
	Story   []moment
	Refunds bool // the admin may refund
}

type orderLine struct {
	order.Line
	Price, Subtotal money.Amount
}

// moment is something that happened to an order.
type moment struct {
	At         time.Time
	What, More string
}

func (d *Desk) showOrder(r *request) error {
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
		page.Lines = append(page.Lines, orderLine{
			Line: l, Price: money.Of(l.UnitPrice, page.Total.Currency), Subtotal: money.Of(l.UnitPrice*l.Units, page.Total.Currency),
		})
	}
	if page.Story, err = d.storyOf(ctx, &page.Order); err != nil {
		return err
	}
	return r.Show(http.StatusOK, d.order, "Order "+o.String(), page)
}

// storyOf tells what happened to an order, from first to last: its own moments, its payments and refunds, and what admins did.
func (d *Desk) storyOf(ctx context.Context, o *order.Order) ([]moment, error) {
	story := []moment{{o.CreatedAt, "Placed", "paid for until " + o.ExpiresAt.Format(time.RFC3339)}}
	attempts, err := d.Payments.Attempts(ctx, o.Customer, o.ID)
	if err != nil {
		return nil, err
	}
	for _, a := range attempts {
		story = append(story, moment{a.CreatedAt, "Payment begun", a.Provider + " " + a.ID.String()})
		if !a.SettledAt.IsZero() {
			story = append(story, moment{a.SettledAt, "Payment " + string(a.Status), a.Provider + " " + a.ID.String()})
		}
	}
	if !o.PaidAt.IsZero() {
		story = append(story, moment{o.PaidAt, "Paid", ""})
	}
	if !o.ClosedAt.IsZero() {
		story = append(story, moment{o.ClosedAt, "Closed", "its units went back"})
	}
	refunds, err := d.Payments.Refunds(ctx, payment.RefundFilter{Order: o.ID, Limit: payment.RefundsMax})
	if err != nil {
		return nil, err
	}
	for _, f := range refunds {
		story = append(story, moment{f.CreatedAt, "Refund requested", f.Actor + ": " + f.Reason})
		if !f.SettledAt.IsZero() {
			story = append(story, moment{f.SettledAt, "Refund " + string(f.Status), f.Refusal})
		}
	}
	entries, err := d.Accounts.Log(ctx, auditlog.Filter{Subject: o.ID.String(), Limit: rowsOnPage})
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		story = append(story, moment{e.At, e.Actor + ": " + e.Verb, e.Reason})
	}
	slices.SortStableFunc(story, func(a, b moment) int { return cmp.Compare(a.At.UnixMilli(), b.At.UnixMilli()) })
	return story, nil
}

// orderAct makes the handler of a change to the order in the path, which leads back to it.
func (d *Desk) orderAct(do func(ctx context.Context, r *request, o id.Order) error) func(context.Context, *request) (string, error) {
	return func(ctx context.Context, r *request) (string, error) {
		o, err := site.PathID[id.Order](r.Visit, "id")
		if err == nil {
			err = do(ctx, r, o)
		}
		return "/console/orders/" + o.String(), err
	}
}
