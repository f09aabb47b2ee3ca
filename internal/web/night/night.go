// Package night is one screen of the console for a live sale: what it sells and answers, second by second, and the operator's hand
// on the switch. It counts nothing of its own but what a Meter is told; everything else it reads where it is kept.
package night

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
	"github.com/tidegate/tidegate/internal/kernel/clock"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/entry"
	"github.com/tidegate/tidegate/internal/web/site"
)

//go:embed *.html
var files embed.FS

// Sales steers sales: see sale.Service.
type Sales interface {
	Published(ctx context.Context, s id.Sale) (*sale.Sale, error)
	Open() []*sale.Sale
	Rehearsals() []*sale.Sale
	Change(ctx context.Context, c sale.Change) (*sale.Sale, error)
	Move(ctx context.Context, s id.Sale, to sale.Status, actor string) (*sale.Sale, error)
	Allocate(ctx context.Context, a sale.Allocation) (*sale.Sale, error)
}

// Orders lists the orders that pass: see order.Service.
type Orders interface {
	Search(ctx context.Context, f order.Filter) ([]order.Order, error)
}

// Books is what the database holds of a sale.
type Books interface {
	// SaleStock returns the pools of a sale, by SKU.
	SaleStock(ctx context.Context, s id.Sale) ([]inventory.Stock, error)
	// SaleDue returns how many orders of the sale wait for payment, and how many of them expire before the moment.
	SaleDue(ctx context.Context, s id.Sale, before time.Time) (pending, due int64, err error)
}

// Log puts who does what, and why, beside the change that is made under the context: see account.Service.
type Log interface {
	Acting(ctx context.Context, who account.Admin, verb, subject, reason string) context.Context
}

// Frame is the console that the screen stands in: it finds out who asks, and refuses who may not.
type Frame interface {
	Template(from fs.FS, names ...string) *template.Template
	Handle(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error)
	Stream(pattern string, role account.Role, handler func(*site.Visit, account.Admin) error)
}

// Parts is what a Night is made of.
type Parts struct {
	Site   *site.Site
	Frame  Frame
	Sales  Sales
	Orders Orders
	Books  Books
	Levels sale.Levels
	// Products name what is sold.
	Products entry.Products
	Log      Log
	Meter    *Meter
	Clock    clock.Clock
	Errors   *slog.Logger
}

// Night serves the screen. Safe for concurrent use.
type Night struct {
	Parts
	list, page *template.Template

	mu     sync.Mutex
	topics map[id.Sale]*topic
}

// Mount adds the screen to the console.
func Mount(p Parts) *Night {
	n := &Night{Parts: p, topics: map[id.Sale]*topic{}}
	n.list, n.page = p.Frame.Template(files, "nights.html"), p.Frame.Template(files, "night.html")
	p.Frame.Handle("GET /console/night", account.RoleSales, n.showList)
	p.Frame.Handle("GET /console/night/{id}", account.RoleSales, n.show)
	p.Frame.Stream("GET /console/night/{id}/live", account.RoleSales, n.tell)
	p.Frame.Handle("POST /console/night/{id}/pause", account.RoleSales, n.mover(sale.Paused, "pauseSale"))
	p.Frame.Handle("POST /console/night/{id}/resume", account.RoleSales, n.mover(sale.Live, "resumeSale"))
	p.Frame.Handle("POST /console/night/{id}/end", account.RoleSales, n.mover(sale.Ended, "endSale"))
	p.Frame.Handle("POST /console/night/{id}/limit", account.RoleSales, n.setLimit)
	p.Frame.Handle("POST /console/night/{id}/stock", account.RoleSales, n.moveStock)
	return n
}

// rehearsalsMax bounds the rehearsals that are listed: their sales are open for a day.
const rehearsalsMax = 5

// nightsPage is what can be watched.
type nightsPage struct{ Sales, Rehearsals []*sale.Sale }

func (n *Night) showList(v *site.Visit, _ account.Admin) error {
	rehearsals := n.Sales.Rehearsals()
	page := nightsPage{n.Sales.Open(), rehearsals[:min(len(rehearsals), rehearsalsMax)]}
	return v.Show(http.StatusOK, n.list, v.Lang.T("night.title"), page)
}

// nightPage is what the screen shows before the first second is told.
type nightPage struct {
	*sale.Sale
	Phase sale.Status
	At    int64  // when that was so, in Unix milliseconds
	Told  string // what the operator has just done
	Names []named
}

// named is an item of the sale.
type named struct {
	SKU id.SKU
	entry.Name
}

func (n *Night) sale(v *site.Visit) (*sale.Sale, error) {
	saleID, err := site.PathID[id.Sale](v, "id")
	if err != nil {
		return nil, err
	}
	return n.Sales.Published(v.Request.Context(), saleID)
}

func (n *Night) show(v *site.Visit, _ account.Admin) error {
	sl, err := n.sale(v)
	if err != nil {
		return err
	}
	v.TellTime()
	now := n.Clock.Now()
	page := nightPage{Sale: sl, Phase: sl.Phase(now), At: now.UnixMilli(), Told: v.Query("did")}
	if !v.Lang.Has("night.did." + page.Told) {
		page.Told = ""
	}
	for _, it := range sl.Items {
		name, err := entry.NameOf(v.Request.Context(), n.Products, it.Product, it.SKU)
		if err != nil {
			return err
		}
		page.Names = append(page.Names, named{it.SKU, name})
	}
	return v.Show(http.StatusOK, n.page, sl.Title, page)
}

// done goes back to the screen, which says what was done.
func done(v *site.Visit, s id.Sale, did string, err error) error {
	if err != nil {
		return err
	}
	return v.Redirect("/console/night/" + s.String() + "?did=" + did)
}

// acting returns the context of a change, with who makes it and why. It returns fault.Invalid where no reason is given.
func (n *Night) acting(v *site.Visit, who account.Admin, verb string, s id.Sale) (context.Context, error) {
	reason := v.Form("reason")
	if reason == "" {
		return nil, fault.Bad("reason", "Say why, in a few words.")
	}
	return n.Log.Acting(v.Request.Context(), who, verb, s.String(), reason), nil
}

// mover changes a sale's status.
func (n *Night) mover(to sale.Status, verb string) func(*site.Visit, account.Admin) error {
	return func(v *site.Visit, who account.Admin) error {
		sl, err := n.sale(v)
		if err != nil {
			return err
		}
		ctx, err := n.acting(v, who, verb, sl.ID)
		if err != nil {
			return err
		}
		_, err = n.Sales.Move(ctx, sl.ID, to, who.Name)
		return done(v, sl.ID, string(to), err)
	}
}

func (n *Night) setLimit(v *site.Visit, who account.Admin) error {
	sl, err := n.sale(v)
	if err != nil {
		return err
	}
	ctx, err := n.acting(v, who, "amendSale", sl.ID)
	if err != nil {
		return err
	}
	limit, err := site.Number("limit", v.Form("limit"), 0, sale.LimitMax, sl.Limit)
	if err == nil {
		_, err = n.Sales.Change(ctx, sale.Change{Sale: sl.ID, Limit: &limit})
	}
	return done(v, sl.ID, "limit", err)
}

func (n *Night) moveStock(v *site.Visit, who account.Admin) error {
	sl, err := n.sale(v)
	if err != nil {
		return err
	}
	ctx, err := n.acting(v, who, "changeAllocation", sl.ID)
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

// tellWithin is how long an operator's browser may take to take a second of the night before it is let go.
const tellWithin = 10 * time.Second

// tell sends the night, second by second, as server-sent events: what was told before first, so that the plots are full.
func (n *Night) tell(v *site.Visit, _ account.Admin) error {
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
	t := n.join(sl.ID)
	defer t.leave()
	told := int64(0)
	for {
		seconds, changed := t.after(told)
		for _, s := range seconds {
			if err := c.SetWriteDeadline(time.Now().Add(tellWithin)); err != nil {
				return err
			}
			if _, err := v.Write(s.message); err != nil {
				return nil // they have left
			}
			told = s.number
		}
		if err := c.Flush(); err != nil {
			return nil
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

// second is a second of the night, encoded once for everyone.
type second struct {
	number  int64
	message []byte
}

// encode makes the message of a second.
func encode(of any) []byte {
	text, err := json.Marshal(of)
	if err != nil {
		panic(err) // texts and numbers marshal
	}
	return append(append([]byte("data: "), text...), "\n\n"...)
}

// gone says that a sale cannot be told of any more, and is no failure.
func gone(err error) bool { return errors.Is(err, fault.NotFound) }
