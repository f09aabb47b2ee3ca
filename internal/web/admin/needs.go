package admin

import (
	"context"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/skuname"
	"github.com/tidegate/tidegate/internal/webhook"
)

// Accounts looks after customers and keys, and after what is written down of admins: see account.Service.
type Accounts interface {
	Find(ctx context.Context, email string, before id.Customer, limit int) ([]account.Customer, error)
	Customer(ctx context.Context, customer id.Customer) (account.Customer, error)
	Sessions(ctx context.Context, customer id.Customer) ([]account.Session, error)
	EndSession(ctx context.Context, customer id.Customer, session id.Session) error
	EndSessions(ctx context.Context, customer id.Customer) (int, error)
	Block(ctx context.Context, customer id.Customer) (account.Customer, error)
	Unblock(ctx context.Context, customer id.Customer) (account.Customer, error)
	WithActor(ctx context.Context, who account.Admin, verb, subject, reason string) context.Context
	Log(ctx context.Context, f auditlog.Filter) ([]auditlog.Entry, error)
	CreateKey(ctx context.Context, name string, roles []string) (account.Key, string, error)
	Keys(ctx context.Context, after id.AdminKey, limit int) ([]account.Key, error)
	RevokeKey(ctx context.Context, key id.AdminKey) (account.Key, error)
}

// Sales makes and steers sales: see sale.Service.
type Sales interface {
	Sale(ctx context.Context, s id.Sale) (*sale.Sale, error)
	List(ctx context.Context, before id.Sale, limit int) ([]*sale.Sale, error)
	Create(ctx context.Context, terms sale.Sale) (*sale.Sale, error)
	Replace(ctx context.Context, terms sale.Sale, version int64) (*sale.Sale, error)
	Change(ctx context.Context, c sale.Change) (*sale.Sale, error)
	Move(ctx context.Context, s id.Sale, to sale.Status, actor string) (*sale.Sale, error)
	Allocate(ctx context.Context, a sale.Allocation) (*sale.Sale, error)
	StopItem(ctx context.Context, s sale.Stop) (*sale.Sale, error)
}

// Products is what is on sale, from memory: see catalog.Reader.
type Products interface {
	skuname.Products
	ProductByCode(ctx context.Context, code string) (*catalog.Page, error)
}

// Catalogue is what operators do with the catalogue: see catalog.Service.
type Catalogue interface {
	List(ctx context.Context, status catalog.Status, q catalog.ListQuery) (items []catalog.View, next string, err error)
	Get(ctx context.Context, product id.Product) (catalog.View, error)
	Create(ctx context.Context, in catalog.Input) (catalog.View, error)
	Replace(ctx context.Context, product id.Product, version int64, in catalog.Input) (catalog.View, error)
	Import(ctx context.Context, src catalog.Source, o catalog.ImportOptions) (catalog.ImportReport, error)
}

// Stock is the pools and their ledger: see inventory.Service.
type Stock interface {
	Adjust(ctx context.Context, a inventory.Adjustment) (inventory.Stock, error)
	Pools(ctx context.Context, sku id.SKU) ([]inventory.Stock, error)
	Movements(ctx context.Context, sku id.SKU, before id.Movement, limit int) ([]inventory.Movement, error)
}

// Orders finds orders: see order.Service.
type Orders interface {
	Find(ctx context.Context, o id.Order) (order.Order, error)
	Search(ctx context.Context, f order.Filter) ([]order.Order, error)
	List(ctx context.Context, c id.Customer, before id.Order, limit int) ([]order.Order, error)
	Fulfil(ctx context.Context, o id.Order) (order.Order, error)
}

// Payments ends orders and gives money back: see payment.Service.
type Payments interface {
	Attempts(ctx context.Context, who id.Customer, o id.Order) ([]payment.Attempt, error)
	CancelAny(ctx context.Context, o id.Order, actor string) (order.Order, error)
	Refund(ctx context.Context, r payment.RefundRequest) (payment.Refund, error)
	Refunds(ctx context.Context, f payment.RefundFilter) ([]payment.Refund, error)
}

// DeadLetters looks after dead letters: see delivery.Service.
type DeadLetters interface {
	DeadLetters(ctx context.Context, group string, after int64, limit int) ([]delivery.DeadLetter, error)
	DeadLetter(ctx context.Context, number int64) (delivery.DeadLetter, error)
	Replay(ctx context.Context, number int64) error
	Drop(ctx context.Context, number int64) error
}

// Webhooks looks after the addresses that are told of events: see webhook.Service.
type Webhooks interface {
	Create(ctx context.Context, in webhook.Input) (webhook.Endpoint, error)
	Endpoints(ctx context.Context) ([]webhook.Endpoint, error)
	Endpoint(ctx context.Context, e id.Endpoint) (webhook.Endpoint, error)
	Pause(ctx context.Context, e id.Endpoint, why string) (webhook.Endpoint, error)
	Resume(ctx context.Context, e id.Endpoint) (webhook.Endpoint, error)
	Rotate(ctx context.Context, e id.Endpoint) (webhook.Endpoint, error)
	Delete(ctx context.Context, e id.Endpoint) error
	Deliveries(ctx context.Context, e id.Endpoint, state webhook.State, before int64, limit int) ([]webhook.Delivery, error)
	Retry(ctx context.Context, e id.Endpoint, number int64) error
}

// Auditor checks the shop's data: see audit.Service.
type Auditor interface {
	Run(ctx context.Context, progress audit.Progress) (audit.Report, error)
}
