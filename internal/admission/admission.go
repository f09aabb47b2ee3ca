// Package admission decides which requests are served. Table defines one order of checks for the API, the express lane
// and the pages. The listeners limit connections before that, when only an address is known.
package admission

import (
	"net/netip"
	"slices"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// Purpose is the purpose of a request. Some entries of the table apply only to some purposes.
type Purpose uint8

// The purposes.
const (
	// Request is any request without a purpose of its own below.
	Request Purpose = iota
	// Order places an order.
	Order
	// Notification comes from a payment provider. No entry applies to it: a rejected one could hide a payment from the
	// shop.
	Notification
)

// Visitor is a request as its transport sees it. One goroutine calls the methods.
type Visitor interface {
	// Client returns the client's address, behind trusted proxies. It is called only if addresses are limited.
	Client() netip.Addr
	// Authenticate authenticates the caller. It returns fault.Unauthenticated or fault.Forbidden if the route requires
	// more.
	Authenticate() error
	// Customer returns the authenticated customer; zero for administrators and anonymous callers.
	Customer() id.Customer
}

// Limits limits requests: see limit.Requests. It is safe for concurrent use.
type Limits interface {
	LimitsClients() bool
	// Client and Customer count a request. They return fault.TooManyRequests.
	Client(client netip.Addr) error
	Customer(customer id.Customer) error
}

// Control applies the table. Its fields must not change once requests arrive. It is safe for concurrent use and
// allocates nothing.
type Control struct {
	// Limits holds the rate limits; nil: none.
	Limits Limits
	// Able returns a fault with a retry time while the shop can accept no orders; nil: it always can. It does no I/O.
	Able func() error
}

// Stage is the point at which an entry is checked.
type Stage uint8

// The stages, in their order.
const (
	// Arrival is checked first, when only the address of a request is known.
	Arrival Stage = iota
	// Entrance is checked once the route is known, before the body is read.
	Entrance
	// Key is checked last. Its refusal takes effect only if the request's idempotency key has no order: a request whose
	// key has one is never refused.
	Key
)

// Entry is one check.
type Entry struct {
	Name     string
	Stage    Stage
	Purposes []Purpose
	Check    func(*Control, Visitor) error
}

// Table returns the checks in their order, cheap ones first. A waiting room's pass and a challenge will precede "able".
func Table() []Entry { return slices.Clone(table) }

var table = []Entry{
	{"client limit", Arrival, []Purpose{Request, Order}, (*Control).checkClient},
	{"caller", Entrance, []Purpose{Request, Order, Notification}, func(_ *Control, v Visitor) error { return v.Authenticate() }},
	{"customer limit", Entrance, []Purpose{Request, Order}, (*Control).checkCustomer},
	{"able", Key, []Purpose{Order}, (*Control).checkAble},
}

// checks holds the table by stage and purpose, so that a request runs only its own entries.
var checks = func() (all [Key + 1][Notification + 1][]func(*Control, Visitor) error) {
	for _, e := range table {
		for _, p := range e.Purposes {
			all[e.Stage][p] = append(all[e.Stage][p], e.Check)
		}
	}
	return all
}()

func (c *Control) run(s Stage, p Purpose, v Visitor) error {
	if c == nil {
		c = &open
	}
	for _, check := range checks[s][p] {
		if err := check(c, v); err != nil {
			return err
		}
	}
	return nil
}

// open is the control of a transport without one: it only authenticates.
var open Control

// Arrive runs the checks of stage Arrival. It returns fault.TooManyRequests.
func (c *Control) Arrive(p Purpose, v Visitor) error { return c.run(Arrival, p, v) }

// Enter runs the checks of stage Entrance. It returns fault.Unauthenticated, fault.Forbidden or fault.TooManyRequests.
func (c *Control) Enter(p Purpose, v Visitor) error { return c.run(Entrance, p, v) }

// Hold runs the checks of stage Key. Pass its refusal on as order.Request.Refusal. It returns fault.Overloaded or nil.
func (c *Control) Hold(p Purpose, v Visitor) error { return c.run(Key, p, v) }

func (c *Control) checkClient(v Visitor) error {
	if c.Limits == nil || !c.Limits.LimitsClients() {
		return nil
	}
	return c.Limits.Client(v.Client())
}

func (c *Control) checkCustomer(v Visitor) error {
	customer := v.Customer()
	if c.Limits == nil || customer.IsZero() {
		return nil
	}
	return c.Limits.Customer(customer)
}

func (c *Control) checkAble(Visitor) error {
	if c.Able == nil {
		return nil
	}
	return c.Able()
}
