// Package desk is the console's pages besides the night: sales, products and their import, stock, orders, customers, keys, webhooks,
// dead letters, the audit and the audit log; a file for each kind, with its templates beside it. It holds no rule of the shop: a page reads and calls the
// services that the API calls. What it changes is asked for once, with a reason, and written to the audit log with it. See
// site for how a page is made.
package desk

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/site"
)

//go:embed *.html
var files embed.FS

// Frame is the console that the pages stand in: it finds out who asks, and refuses who may not.
type Frame interface {
	Template(from fs.FS, names ...string) *template.Template
	Handle(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error)
	Stream(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error)
}

// Parts is what a Desk is made of.
type Parts struct {
	Frame     Frame
	Accounts  Accounts
	Sales     Sales
	Levels    sale.Levels
	Products  Products
	Catalogue Catalogue
	Stock     Stock
	Orders    Orders
	Payments  Payments
	Letters   Letters
	Webhooks  Webhooks
	// Events are the types of events that webhooks can want.
	Events  []string
	Auditor Auditor
	Clock   clock.Clock
	// PaymentWindow is how long an order of a sale that says nothing of it is held for payment.
	PaymentWindow time.Duration
	Currency      money.Currency
}

// Desk is the pages. Safe for concurrent use.
type Desk struct {
	Parts
	problem, sales, sale, terms, orders, order, customers, customer, products, product, newProduct, imports, stock *template.Template
	keys, webhooks, webhook, letters, letter, audit, log                                                           *template.Template

	importing sync.Mutex // held by the one import that is under way: it keeps its refused rows in memory
}

// Mount adds the pages to the console.
func Mount(p Parts) {
	d := &Desk{Parts: p}
	for name, t := range map[string]**template.Template{
		"problem.html": &d.problem, "sales.html": &d.sales, "sale.html": &d.sale, "terms.html": &d.terms,
		"orders.html": &d.orders, "order.html": &d.order, "products.html": &d.products, "product.html": &d.product,
		"stock.html": &d.stock, "keys.html": &d.keys, "letters.html": &d.letters, "letter.html": &d.letter,
		"audit.html": &d.audit, "log.html": &d.log, "customers.html": &d.customers, "customer.html": &d.customer,
		"import.html": &d.imports, "newproduct.html": &d.newProduct, "webhooks.html": &d.webhooks, "webhook.html": &d.webhook,
	} {
		*t = p.Frame.Template(files, "parts.html", name)
	}
	d.mountSales()
	d.mountProducts()
	d.mountImport()
	d.mountOrders()
	d.mountCustomers()
	d.mountWebhooks()
	d.mountShop()
}

// request is a visit by an admin who may see the page.
type request struct {
	*site.Visit
	who account.Admin
}

// reason returns why something is changed, as the audit log keeps it.
func (r *request) reason() string {
	return auditlog.CleanReason(strings.TrimSpace(strings.ToValidUTF8(r.Request.PostFormValue("reason"), "")))
}

// page registers a page for those whose key has the role. What was refused is told in the words of the fault, which name the
// field and the value: operators read them as they are, in English.
func (d *Desk) page(pattern string, role account.Role, handler func(*request) error) {
	d.Frame.Handle(pattern, role, func(v *site.Visit, who account.Admin) error {
		r := &request{v, who}
		err := handler(r)
		if f, ok := errors.AsType[*fault.Error](err); ok && f.Code.Row().Status < 500 {
			return r.Show(f.Code.Row().Status, d.problem, r.Lang.T("desk.problem"), f)
		}
		return err
	})
}

// act registers what changes something, named as the contract names it. The subject is the id in the path. What it did
// stands in the audit log with the reason that was given; where the page asks for one, it must not be blank. Then the browser
// is sent to the address that the handler returns.
func (d *Desk) act(pattern string, role account.Role, verb string, handler func(ctx context.Context, r *request) (string, error)) {
	d.page(pattern, role, func(r *request) error {
		ctx, err := d.acting(r, verb, r.Request.PathValue("id"))
		if err != nil {
			return err
		}
		to, err := handler(ctx, r)
		if err != nil {
			return err
		}
		return r.Redirect(to)
	})
}

// acting reads the form, and returns the context of a change, with who makes it and why. It returns fault.Invalid without a reason,
// and fault.BodyTooLarge.
func (d *Desk) acting(r *request, verb, subject string) (context.Context, error) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](r.Request.ParseForm()); tooLarge {
		return nil, fault.New(fault.BodyTooLarge, "The form is too large.")
	}
	reason := r.reason()
	if reason == "" {
		return nil, fault.Bad("reason", "Say why: it is kept in the audit log.")
	}
	return d.Accounts.Acting(r.Request.Context(), r.who, verb, subject, reason), nil
}
