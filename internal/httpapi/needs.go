package httpapi

import (
	"context"
	"net/http"
	"net/netip"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/audit"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/payment"
	"github.com/tidegate/tidegate/internal/points"
	"github.com/tidegate/tidegate/internal/rehearsal"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/setting"
	"github.com/tidegate/tidegate/internal/webhook"
)

// Callers says who is asking. The first two methods return fault.Unauthenticated.
type Callers interface {
	// Authenticate checks a customer's access token, without I/O.
	Authenticate(token string) (account.Principal, error)
	// AuthenticateAdmin checks an admin key.
	AuthenticateAdmin(ctx context.Context, key string) (account.Admin, error)
	// Watch returns a context that ends within a second of the right that still asks for: see account.Service.
	Watch(ctx context.Context, still func(context.Context) error) (watched context.Context, stop func())
	// CheckSession asks the store whether a session is still open, SessionEnded what this process knows of it. Both return
	// fault.Unauthenticated where it has ended.
	CheckSession(ctx context.Context, session id.Session) error
	SessionEnded(session id.Session, issued time.Time) error
	// WithActor puts what an admin does into the audit log, with what is written under the context.
	WithActor(ctx context.Context, who account.Admin, verb, subject, reason string) context.Context
}

// Orders is what the order routes need: see order.Service.
type Orders interface {
	Place(ctx context.Context, r order.Request) (order.Placed, error)
	Get(ctx context.Context, c id.Customer, o id.Order, wait time.Duration) (order.Placed, error)
	Ticket(text string) (order.Ticket, error)
	// Bind returns a ticket that ends with the session.
	Bind(ticket string, session id.Session) string
	Follow(ctx context.Context, t order.Ticket, wait time.Duration) (order.Placed, error)
	List(ctx context.Context, c id.Customer, before id.Order, limit int) ([]order.Order, error)
	Find(ctx context.Context, o id.Order) (order.Order, error)
	Search(ctx context.Context, f order.Filter) ([]order.Order, error)
	Fulfil(ctx context.Context, o id.Order) (order.Order, error)
}

// Auditor checks and repairs the shop's data. progress may be nil. Both return fault.Overloaded where one is under way.
type Auditor interface {
	Run(ctx context.Context, progress audit.Progress) (audit.Report, error)
	// Reconcile returns fault.Conflict where the ledger itself cannot be right.
	Reconcile(ctx context.Context, apply bool, progress audit.Progress) (audit.RepairReport, error)
}

// Closer ends orders that are not paid: see payment.Service.
type Closer interface {
	Cancel(ctx context.Context, who id.Customer, o id.Order) (order.Order, error)
	CancelAny(ctx context.Context, o id.Order, actor string) (order.Order, error)
}

// Payments is what the payment routes need: see payment.Service.
type Payments interface {
	Start(ctx context.Context, who id.Customer, o id.Order, provider string) (payment.Attempt, error)
	Attempts(ctx context.Context, who id.Customer, o id.Order) ([]payment.Attempt, error)
	Notify(ctx context.Context, provider string, header http.Header, body []byte) error
	Refund(ctx context.Context, r payment.RefundRequest) (payment.Refund, error)
	Refunds(ctx context.Context, f payment.RefundFilter) ([]payment.Refund, error)
}

// Sales is what the sale routes need: see sale.Service.
type Sales interface {
	Published(ctx context.Context, s id.Sale) (*sale.Sale, error)
	Open() []*sale.Sale
	Sale(ctx context.Context, s id.Sale) (*sale.Sale, error)
	List(ctx context.Context, before id.Sale, limit int) ([]*sale.Sale, error)
	Create(ctx context.Context, terms sale.Sale) (*sale.Sale, error)
	Replace(ctx context.Context, terms sale.Sale, version int64) (*sale.Sale, error)
	Change(ctx context.Context, c sale.Change) (*sale.Sale, error)
	Move(ctx context.Context, s id.Sale, to sale.Status, actor string) (*sale.Sale, error)
	Allocate(ctx context.Context, a sale.Allocation) (*sale.Sale, error)
	StopItem(ctx context.Context, s sale.Stop) (*sale.Sale, error)
}

// Rehearsals is what the rehearsal routes need: see rehearsal.Service.
type Rehearsals interface {
	Create(ctx context.Context, in rehearsal.Input, actor string) (rehearsal.Created, error)
	List(ctx context.Context, before id.Sale, limit int) ([]rehearsal.Rehearsal, error)
	MintTokens(ctx context.Context, s id.Sale, first, count int) ([]string, time.Time, error)
	Orders(ctx context.Context, s id.Sale, yield func([]rehearsal.KeyedOrder) error) error
}

// DeadLetters is what the dead-letter routes need: see delivery.Service.
type DeadLetters interface {
	DeadLetters(ctx context.Context, group string, after int64, limit int) ([]delivery.DeadLetter, error)
	DeadLetter(ctx context.Context, number int64) (delivery.DeadLetter, error)
	Replay(ctx context.Context, number int64) error
	Drop(ctx context.Context, number int64) error
}

// Webhooks is what the webhook routes need: see webhook.Service.
type Webhooks interface {
	Create(ctx context.Context, in webhook.Input) (webhook.Endpoint, error)
	Endpoints(ctx context.Context) ([]webhook.Endpoint, error)
	Endpoint(ctx context.Context, e id.Endpoint) (webhook.Endpoint, error)
	Delete(ctx context.Context, e id.Endpoint) error
	Pause(ctx context.Context, e id.Endpoint, why string) (webhook.Endpoint, error)
	Resume(ctx context.Context, e id.Endpoint) (webhook.Endpoint, error)
	Rotate(ctx context.Context, e id.Endpoint) (webhook.Endpoint, error)
	Deliveries(ctx context.Context, e id.Endpoint, state webhook.State, before int64, limit int) ([]webhook.Delivery, error)
	Retry(ctx context.Context, e id.Endpoint, number int64) error
}

// Points is what the points route needs: see points.Service.
type Points interface {
	Points(ctx context.Context, c id.Customer, before id.Order, limit int) (points.Balance, error)
}

// Settings is what the routes of settings need: see setting.Service.
type Settings interface {
	Settings() setting.State
	Set(ctx context.Context, e setting.Edit) (setting.Change, error)
	Undo(ctx context.Context, u setting.Undo) (setting.Change, error)
	Changes(ctx context.Context, before int64, limit int) ([]setting.Listed, error)
	Describe(ctx context.Context, c setting.Change) (setting.Listed, error)
}

// Stock is what the stock routes need: see inventory.Service.
type Stock interface {
	Adjust(ctx context.Context, a inventory.Adjustment) (inventory.Stock, error)
	Pools(ctx context.Context, sku id.SKU) ([]inventory.Stock, error)
	Movements(ctx context.Context, sku id.SKU, before id.Movement, limit int) ([]inventory.Movement, error)
}

// Recorder is told of every answered request of one route. It is safe for concurrent use.
type Recorder interface {
	Done(ctx context.Context, status int, took time.Duration)
}

// Products is what shoppers read of the catalogue, from memory: see catalog.Reader.
type Products interface {
	Product(ctx context.Context, product id.Product) (*catalog.Page, error)
	ProductByCode(ctx context.Context, code string) (*catalog.Page, error)
	ProductByHandle(ctx context.Context, handle string) (*catalog.Page, error)
	List(ctx context.Context, q catalog.ListQuery) (*catalog.Page, error)
	Categories(ctx context.Context) (*catalog.Page, error)
	Brands(ctx context.Context) (*catalog.Page, error)
}

// Catalogue is what operators do with the catalogue: see catalog.Service.
type Catalogue interface {
	Currency() money.Currency
	Create(ctx context.Context, in catalog.Input) (catalog.View, error)
	Replace(ctx context.Context, product id.Product, version int64, in catalog.Input) (catalog.View, error)
	Retire(ctx context.Context, product id.Product, version int64) error
	Get(ctx context.Context, product id.Product) (catalog.View, error)
	List(ctx context.Context, status catalog.Status, q catalog.ListQuery) (items []catalog.View, next string, err error)
	AddCategory(ctx context.Context, c catalog.Category) (catalog.Category, error)
	AddBrand(ctx context.Context, b catalog.Brand) (catalog.Brand, error)
	Import(ctx context.Context, src catalog.Source, o catalog.ImportOptions) (catalog.ImportReport, error)
	Export(ctx context.Context, write func(p *catalog.Product, brand string, categories [][]string) error) error
}

// Streams bounds the streams that each client address has open. Safe for concurrent use.
type Streams interface {
	// Enter counts one more, and reports whether it may. Who has entered must leave.
	Enter(client netip.Addr) bool
	Leave(client netip.Addr)
}
