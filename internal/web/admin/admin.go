// Package admin serves the admin pages: sales, products and their import, stock, orders, customers, keys, webhooks, dead letters, the
// audit and the audit log. Each subject has a file and its templates. The package holds no business rule: it calls the services that
// the API calls. Every change needs a reason, which goes into the audit log. Package site explains how to write a page.
package admin

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"io/fs"
	"net/http"
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

// Console checks roles and lays the pages out: see adminauth.Console.
type Console interface {
	Template(from fs.FS, names ...string) *template.Template
	Handle(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error)
	Stream(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error)
}

// Parts is what Pages needs.
type Parts struct {
	Console     Console
	Accounts    Accounts
	Sales       Sales
	Levels      sale.Availability
	Products    Products
	Catalogue   Catalogue
	Stock       Stock
	Orders      Orders
	Payments    Payments
	DeadLetters DeadLetters
	Webhooks    Webhooks
	// Events are the types of events that a webhook can subscribe to.
	Events  []string
	Auditor Auditor
	Clock   clock.Clock
	// PaymentWindow returns how long an order awaits payment in a sale without a window of its own.
	PaymentWindow func() time.Duration
	Currency      money.Currency
}

// Pages serves the admin pages of the console. Safe for concurrent use.
type Pages struct {
	Parts
	problem, sales, sale, terms, orders, order, customers, customer, products, product, newProduct, imports, stock *template.Template
	keys, webhooks, webhook, letters, letter, audit, log                                                           *template.Template

	importing sync.Mutex // held by the running import: it keeps rejected rows in memory, so there is one at a time
}

// Mount adds the pages to the console.
func Mount(p Parts) {
	d := &Pages{Parts: p}
	for name, t := range map[string]**template.Template{
		"problem.html": &d.problem, "sales.html": &d.sales, "sale.html": &d.sale, "terms.html": &d.terms,
		"orders.html": &d.orders, "order.html": &d.order, "products.html": &d.products, "product.html": &d.product,
		"stock.html": &d.stock, "keys.html": &d.keys, "letters.html": &d.letters, "letter.html": &d.letter,
		"audit.html": &d.audit, "log.html": &d.log, "customers.html": &d.customers, "customer.html": &d.customer,
		"import.html": &d.imports, "newproduct.html": &d.newProduct, "webhooks.html": &d.webhooks, "webhook.html": &d.webhook,
	} {
		*t = p.Console.Template(files, "parts.html", name)
	}
	d.mountSales()
	d.mountProducts()
	d.mountImport()
	d.mountOrders()
	d.mountCustomers()
	d.mountWebhooks()
	d.mountShop()
}

// request is a visit by an operator who has the role of the page.
type request struct {
	*site.Visit
	who account.Admin
}

// page registers a page that needs a key with the role. An error below 500 shows the fault's own text, in English: it names the field
// and the value.
func (d *Pages) page(pattern string, role account.Role, handler func(*request) error) {
	d.Console.Handle(pattern, role, func(v *site.Visit, who account.Admin) error {
		r := &request{v, who}
		err := handler(r)
		if f, ok := errors.AsType[*fault.Error](err); ok && f.Code.Row().Status < 500 {
			return r.Show(f.Code.Row().Status, d.problem, r.Lang.T("admin.problem"), f)
		}
		return err
	})
}

// act registers a form that changes something. The verb is the operationId of the API. The audit log records verb, subject (the id in
// the path) and reason. The handler returns the address to redirect to.
func (d *Pages) act(pattern string, role account.Role, verb string, handler func(ctx context.Context, r *request) (string, error)) {
	d.page(pattern, role, func(r *request) error {
		ctx, err := d.withActor(r, verb, r.Request.PathValue("id"))
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

// withActor reads the form and returns the context of a change that is logged with its operator and reason. It returns fault.Invalid
// without a reason, or fault.BodyTooLarge.
func (d *Pages) withActor(r *request, verb, subject string) (context.Context, error) {
	if _, tooLarge := errors.AsType[*http.MaxBytesError](r.Request.ParseForm()); tooLarge {
		return nil, fault.New(fault.BodyTooLarge, "The form is too large.")
	}
	reason, err := auditlog.RequiredReason("reason", r.Form("reason"))
	if err != nil {
		return nil, err
	}
	return d.Accounts.WithActor(r.Request.Context(), r.who, verb, subject, reason), nil
}
