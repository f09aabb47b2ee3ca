package storefront

import (
	"context"
	"net/netip"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
)

// Accounts signs shoppers up, in and out: see account.Service.
type Accounts interface {
	Register(ctx context.Context, r account.Registration, client netip.Addr) (account.Customer, error)
	Login(ctx context.Context, email, password string, client netip.Addr, device string) (account.Grant, error)
	Logout(ctx context.Context, p account.Principal) error
}

// Orders places and reads orders: see order.Service.
type Orders interface {
	Place(ctx context.Context, r order.Request) (order.Placed, error)
	Get(ctx context.Context, c id.Customer, o id.Order, wait time.Duration) (order.Placed, error)
	Ticket(text string) (order.Ticket, error)
	// Bind returns a ticket that ends with the session.
	Bind(ticket string, session id.Session) string
	Follow(ctx context.Context, t order.Ticket, wait time.Duration) (order.Placed, error)
	List(ctx context.Context, c id.Customer, before id.Order, limit int) ([]order.Order, error)
	Search(ctx context.Context, f order.Filter) ([]order.Order, error)
}

// Payments starts payments, and ends orders that are not paid: see payment.Service.
type Payments interface {
	Start(ctx context.Context, who id.Customer, o id.Order, provider string) (payment.Attempt, error)
	Cancel(ctx context.Context, who id.Customer, o id.Order) (order.Order, error)
}

// Sales finds what is on and what is coming: see sale.Service.
type Sales interface {
	Published(ctx context.Context, s id.Sale) (*sale.Sale, error)
	Open() []*sale.Sale
}

// Products is what shoppers read of the catalogue, from memory: see catalog.Reader.
type Products interface {
	Product(ctx context.Context, product id.Product) (*catalog.Page, error)
	ProductByHandle(ctx context.Context, handle string) (*catalog.Page, error)
	List(ctx context.Context, q catalog.ListQuery) (*catalog.Page, error)
	Categories(ctx context.Context) (*catalog.Page, error)
	Offer(ctx context.Context, sku id.SKU) (id.Product, money.Amount, error)
}

// Streams bounds the streams that each client address has open. Safe for concurrent use.
type Streams interface {
	// Enter counts one more, and reports whether it may. Who has entered must leave.
	Enter(client netip.Addr) bool
	Leave(client netip.Addr)
}
