// Package livesale serves the console page of a live sale: stock, answers and latencies second by second, and the controls to pause,
// end or change the sale. RateMeters count answers; everything else is read from the database and the gate.
package livesale

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/web/skuname"
)

//go:embed *.html
var files embed.FS

// Sales reads and changes sales: see sale.Service.
type Sales interface {
	Published(ctx context.Context, s id.Sale) (*sale.Sale, error)
	Open() []*sale.Sale
	Rehearsals() []*sale.Sale
	Change(ctx context.Context, c sale.Change) (*sale.Sale, error)
	Move(ctx context.Context, s id.Sale, to sale.Status, actor string) (*sale.Sale, error)
	Allocate(ctx context.Context, a sale.Allocation) (*sale.Sale, error)
}

// Orders lists the newest orders: see order.Service.
type Orders interface {
	Search(ctx context.Context, f order.Filter) ([]order.Order, error)
}

// SaleTotals reads the totals of a sale from the database.
type SaleTotals interface {
	// SaleStock returns the pools of a sale, by SKU.
	SaleStock(ctx context.Context, s id.Sale) ([]inventory.Stock, error)
	// SaleDue returns how many orders of the sale await payment, and how many of those expire before a moment.
	SaleDue(ctx context.Context, s id.Sale, before time.Time) (pending, due int64, err error)
}

// Log adds an audit log entry to the changes that are made with the returned context: see account.Service.
type Log interface {
	WithActor(ctx context.Context, who account.Admin, verb, subject, reason string) context.Context
}

// Console checks roles and lays the pages out: see adminauth.Console.
type Console interface {
	Template(from fs.FS, names ...string) *template.Template
	Handle(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error)
	Stream(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error)
}

// Parts is what a Page needs.
type Parts struct {
	Site       *site.Site
	Console    Console
	Sales      Sales
	Orders     Orders
	Totals     SaleTotals
	Levels     sale.Availability
	Products   skuname.Products
	Log        Log
	RateMeters *RateMeters
	Clock      clock.Clock
	Errors     *slog.Logger
}

// Page serves the list of live sales and the page of each. Safe for concurrent use.
type Page struct {
	Parts
	list, page *template.Template

	mu     sync.Mutex
	topics map[id.Sale]*topic
	before map[bool]reading // of real orders, and of rehearsal orders; for Step
}

// Mount adds the pages to the console.
func Mount(p Parts) *Page {
	n := &Page{Parts: p, topics: map[id.Sale]*topic{}, before: map[bool]reading{}}
	n.list, n.page = p.Console.Template(files, "list.html"), p.Console.Template(files, "sale.html")
	p.Console.Handle("GET /console/live-sales", account.RoleSales, n.showList)
	p.Console.Handle("GET /console/live-sales/{id}", account.RoleSales, n.show)
	p.Console.Stream("GET /console/live-sales/{id}/live", account.RoleSales, n.stream)
	p.Console.Handle("POST /console/live-sales/{id}/pause", account.RoleSales, n.mover(sale.Paused, "pauseSale"))
	p.Console.Handle("POST /console/live-sales/{id}/resume", account.RoleSales, n.mover(sale.Live, "resumeSale"))
	p.Console.Handle("POST /console/live-sales/{id}/end", account.RoleSales, n.mover(sale.Ended, "endSale"))
	p.Console.Handle("POST /console/live-sales/{id}/limit", account.RoleSales, n.setLimit)
	p.Console.Handle("POST /console/live-sales/{id}/stock", account.RoleSales, n.moveStock)
	return n
}

// rehearsalsMax bounds the list of rehearsals. Their sales stay open for a day.
const rehearsalsMax = 5

// listView is the data of the list.
type listView struct{ Sales, Rehearsals []*sale.Sale }

func (n *Page) showList(v *site.Visit, _ account.Admin) error {
	rehearsals := n.Sales.Rehearsals()
	page := listView{n.Sales.Open(), rehearsals[:min(len(rehearsals), rehearsalsMax)]}
	return v.Show(http.StatusOK, n.list, v.Lang.T("livesale.title"), page)
}

// saleView is the data of a sale's page before its first event arrives.
type saleView struct {
	*sale.Sale
	Phase sale.Status
	At    int64  // time of Phase, in Unix milliseconds
	Done  string // the change that the operator just made
	Names []named
}

// named is an item of the sale.
type named struct {
	SKU id.SKU
	skuname.Name
}

func (n *Page) sale(v *site.Visit) (*sale.Sale, error) {
	saleID, err := site.PathID[id.Sale](v, "id")
	if err != nil {
		return nil, err
	}
	return n.Sales.Published(v.Request.Context(), saleID)
}

func (n *Page) show(v *site.Visit, _ account.Admin) error {
	sl, err := n.sale(v)
	if err != nil {
		return err
	}
	v.TellTime()
	now := n.Clock.Now()
	page := saleView{Sale: sl, Phase: sl.Phase(now), At: now.UnixMilli(), Done: v.Notice()}
	if !v.Lang.Has("livesale.did." + page.Done) {
		page.Done = ""
	}
	for _, it := range sl.Items {
		name, err := skuname.Find(v.Request.Context(), n.Products, it.Product, it.SKU)
		if err != nil {
			return err
		}
		page.Names = append(page.Names, named{it.SKU, name})
	}
	return v.Show(http.StatusOK, n.page, sl.Title, page)
}

// done redirects back to the page, which then says what was done.
func done(v *site.Visit, s id.Sale, did string, err error) error {
	if err != nil {
		return err
	}
	return v.RedirectWithNotice("/console/live-sales/"+s.String(), did)
}

// withActor returns the context of a change that is logged with its operator and reason. It returns fault.Invalid without a reason.
func (n *Page) withActor(v *site.Visit, who account.Admin, verb string, s id.Sale) (context.Context, error) {
	reason, err := auditlog.RequiredReason("reason", v.Form("reason"))
	if err != nil {
		return nil, err
	}
	return n.Log.WithActor(v.Request.Context(), who, verb, s.String(), reason), nil
}

// mover returns a handler that changes the status of a sale.
func (n *Page) mover(to sale.Status, verb string) func(*site.Visit, account.Admin) error {
	return func(v *site.Visit, who account.Admin) error {
		sl, err := n.sale(v)
		if err != nil {
			return err
		}
		ctx, err := n.withActor(v, who, verb, sl.ID)
		if err != nil {
			return err
		}
		_, err = n.Sales.Move(ctx, sl.ID, to, who.Name)
		return done(v, sl.ID, string(to), err)
	}
}

func (n *Page) setLimit(v *site.Visit, who account.Admin) error {
	sl, err := n.sale(v)
	if err != nil {
		return err
	}
	ctx, err := n.withActor(v, who, "amendSale", sl.ID)
	if err != nil {
		return err
	}
	limit, err := site.Number("limit", v.Form("limit"), 0, sale.LimitMax, sl.Limit)
	if err == nil {
		_, err = n.Sales.Change(ctx, sale.Change{Sale: sl.ID, Limit: &limit})
	}
	return done(v, sl.ID, "limit", err)
}

func (n *Page) moveStock(v *site.Visit, who account.Admin) error {
	sl, err := n.sale(v)
	if err != nil {
		return err
	}
	ctx, err := n.withActor(v, who, "changeAllocation", sl.ID)
	if err != nil {
		return err
	}
	sku, err := id.Parse[id.SKU](v.Form("sku"))
	if err != nil {
		return fault.Bad("sku", "It must be the id of a SKU.")
	}
	units, err := site.Number("units", v.Form("units"), -sale.AllocationMax, sale.AllocationMax, 0)
	if err == nil {
		_, err = n.Sales.Allocate(ctx, sale.Allocation{Sale: sl.ID, SKU: sku, Units: units, Actor: who.Name, Reason: v.Form("reason")})
	}
	return done(v, sl.ID, "stock", err)
}

// writeTimeout is how long a browser may take to receive one event before its connection is closed.
const writeTimeout = 10 * time.Second

// stream sends the history of the sale, so that the plots are full, and then one server-sent event a second.
func (n *Page) stream(v *site.Visit, _ account.Admin) error {
	sl, err := n.sale(v)
	if err != nil {
		return err
	}
	h := v.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	c := http.NewResponseController(v)
	if err := c.SetReadDeadline(time.Time{}); err != nil {
		return err
	}
	t := n.join(sl.ID, sl.Rehearsal)
	defer t.leave()
	message, sent := t.sofar()
	for {
		if len(message) > 0 {
			if err := c.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
				return err
			}
			if v.Request.Context().Err() != nil {
				return nil // checked after setting the deadline, which would otherwise undo the short deadline set at cancellation
			}
			if _, err := v.Write(message); err != nil {
				return nil // the browser has left
			}
			if err := c.Flush(); err != nil {
				return nil
			}
		}
		newest, ok, changed := t.after(sent)
		message = nil
		if ok {
			message, sent = newest.message, newest.number
			continue
		}
		select {
		case <-changed:
		case <-v.Request.Context().Done():
			return nil
		case <-n.Site.Closing():
			return nil
		}
	}
}

// second is the event of one second, encoded once for all viewers.
type second struct {
	number  int64
	message []byte
}

// encode returns a value as a server-sent event with a name; most have none.
func encode(name string, of any) []byte {
	text, err := json.Marshal(of)
	if err != nil {
		panic(err) // texts and numbers marshal
	}
	if name != "" {
		return append(append([]byte("event: "+name+"\ndata: "), text...), "\n\n"...)
	}
	return append(append([]byte("data: "), text...), "\n\n"...)
}

// gone reports whether err only says that the sale is no longer published.
func gone(err error) bool { return errors.Is(err, fault.NotFound) }
