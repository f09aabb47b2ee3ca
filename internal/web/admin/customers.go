package admin

import (
	"context"
	"net/http"
	"strings"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/web/site"
)

func (d *Pages) mountCustomers() {
	d.page("GET /console/customers", account.RoleOrders, d.showCustomers)
	d.page("GET /console/customers/{id}", account.RoleOrders, d.showCustomer)
	d.act("POST /console/customers/{id}/block", account.RoleOrders, "blockCustomer", d.customerAct(func(ctx context.Context, c id.Customer, _ *request) error {
		_, err := d.Accounts.Block(ctx, c)
		return err
	}))
	d.act("POST /console/customers/{id}/unblock", account.RoleOrders, "unblockCustomer", d.customerAct(func(ctx context.Context, c id.Customer, _ *request) error {
		_, err := d.Accounts.Unblock(ctx, c)
		return err
	}))
	d.act("POST /console/customers/{id}/sessions/end", account.RoleOrders, "endCustomerSessions", d.customerAct(func(ctx context.Context, c id.Customer, _ *request) error {
		_, err := d.Accounts.EndSessions(ctx, c)
		return err
	}))
	d.act("POST /console/customers/{id}/sessions/{session}/end", account.RoleOrders, "endCustomerSession", d.customerAct(func(ctx context.Context, c id.Customer, r *request) error {
		session, err := site.PathID[id.Session](r.Visit, "session")
		if err != nil {
			return err
		}
		return d.Accounts.EndSession(ctx, c, session)
	}))
}

// customersPage is the customers that were asked for.
type customersPage struct {
	Asked     string
	Customers []account.Customer
	Next      string // the address of the next page; empty: there is none
}

// showCustomers lists customers, newest first. Who is asked for by number or by e-mail is shown at once.
func (d *Pages) showCustomers(r *request) error {
	list := r.List("/console/customers")
	before, err := site.Place[id.Customer](list)
	if err != nil {
		return err
	}
	page := customersPage{Asked: r.Query("customer")}
	if page.Asked != "" {
		c, err := d.customerAsked(r, "customer")
		switch {
		case fault.CodeOf(err) == fault.NotFound, err == nil && c == 0:
			return r.Show(http.StatusOK, d.customers, r.Lang.T("admin.customers"), page)
		case err != nil:
			return err
		}
		return r.Redirect("/console/customers/" + c.String())
	}
	if page.Customers, err = d.Accounts.Find(r.Request.Context(), "", before, rowsOnPage+1); err != nil {
		return err
	}
	page.Customers, page.Next = site.Next(list, page.Customers, rowsOnPage, func(c *account.Customer) id.Customer { return c.ID })
	return r.Show(http.StatusOK, d.customers, r.Lang.T("admin.customers"), page)
}

// customerAsked returns who a parameter of the address names, by number or by e-mail; zero where nobody has that address. It returns
// fault.NotFound for what is neither, and fault.Invalid for an address that is none.
func (d *Pages) customerAsked(r *request, name string) (id.Customer, error) {
	text := r.Query(name)
	if !strings.Contains(text, "@") {
		return queryID[id.Customer](r, name)
	}
	found, err := d.Accounts.Find(r.Request.Context(), text, 0, 1)
	if err != nil || len(found) == 0 {
		return 0, err
	}
	return found[0].ID, nil
}

// customerPage is one customer.
type customerPage struct {
	account.Customer
	Sessions []account.Session
	Orders   []order.Order
	More     bool // there are older orders
}

// ordersOfCustomer is how many of a customer's orders their page shows.
const ordersOfCustomer = 20

func (d *Pages) showCustomer(r *request) error {
	c, err := site.PathID[id.Customer](r.Visit, "id")
	if err != nil {
		return err
	}
	ctx := r.Request.Context()
	page := customerPage{}
	page.Customer, err = d.Accounts.Customer(ctx, c)
	if fault.CodeOf(err) == fault.NotFound { // a shopper of a rehearsal has orders, and no account
		return r.Redirect("/console/orders?customer=" + c.String())
	}
	if err != nil {
		return err
	}
	if page.Sessions, err = d.Accounts.Sessions(ctx, c); err != nil {
		return err
	}
	if page.Orders, err = d.Orders.List(ctx, c, 0, ordersOfCustomer+1); err != nil {
		return err
	}
	if len(page.Orders) > ordersOfCustomer {
		page.Orders, page.More = page.Orders[:ordersOfCustomer], true
	}
	return r.Show(http.StatusOK, d.customer, page.Email, page)
}

// customerAct makes the handler of a change to the customer in the path, which leads back to them.
func (d *Pages) customerAct(do func(ctx context.Context, c id.Customer, r *request) error) func(context.Context, *request) (string, error) {
	return func(ctx context.Context, r *request) (string, error) {
		c, err := site.PathID[id.Customer](r.Visit, "id")
		if err == nil {
			err = do(ctx, c, r)
		}
		return "/console/customers/" + c.String(), err
	}
}
