package storefront

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/lang"
	"github.com/tidegate/tidegate/internal/web/live"
	"github.com/tidegate/tidegate/internal/web/site"
)

const (
	// saleItems is how many items a page of a sale has: a large sale has several pages.
	saleItems = 24
	// unitsChoice is how many units the choice of a quantity goes up to.
	unitsChoice = 10
	// renderEvery is how often the page of a sale in which nothing happens is made anew: a product's new name is seen then.
	renderEvery = 30 * time.Second
)

// The states of a button beside the sale's own phases: see the template.
const (
	stateSoldOut = "soldout"
	stateLimit   = "limit"
	stateWaiting = "waiting"
)

// salePage is what the page of a sale shows.
type salePage struct {
	*live.Moment
	Items []saleItem
	Mine  mine
	// Key makes pressing twice, and reloading, one order.
	Key  string
	Told string // what the shopper is told of what they just tried: a fault's slug
	Next string // the address of the sale's next page; empty: there is none
}

// saleItem is an item of the sale with what the shopper may do about it.
type saleItem struct {
	sale.Item
	Title, Variant, Handle string
	Pictures               []catalog.Picture
	Left                   shownLeft
	Saves                  int64
	State                  string // the button's, as the page is sent
	Mine                   string // the state that this shopper has of their own, whatever the sale does
	Waiting                *order.Order
	Units                  []int64 // quantities to choose from
	most                   int64   // of these; zero: the units left are not known, or not told
}

// mine is what a shopper has in a sale.
type mine struct {
	Orders []order.Order // newest first
	Used   int64         // units of their allowance
}

// mineOf reads what the shopper has in the sale.
func (s *Storefront) mineOf(ctx context.Context, c id.Customer, sl id.Sale) (mine, error) {
	found, err := s.Orders.Search(ctx, order.Filter{Sale: sl, Customer: c, Limit: inventory.OrdersMax})
	m := mine{Orders: found}
	for i := range found {
		if st := found[i].Status; st != order.Expired && st != order.Cancelled {
			m.Used += found[i].Units
		}
	}
	return m, err
}

// keyAfter is the idempotency key of a shopper's next order in a sale: it says after which order of theirs it comes. So it is
// the same on every page they have open until one order is made, and pressing each of the buttons makes that one. It is
// no secret, for keys are each customer's own.
func keyAfter(orders []order.Order) string {
	last := id.Order(0)
	if len(orders) > 0 {
		last = orders[0].ID
	}
	return "page-after-" + last.String()
}

// waiting returns the shopper's order of a SKU that waits for payment; nil where there is none.
func (m *mine) waiting(sku id.SKU) *order.Order {
	for i := range m.Orders {
		if o := &m.Orders[i]; o.Status == order.Pending && slices.ContainsFunc(o.Lines, func(l order.Line) bool { return l.SKU == sku }) {
			return o
		}
	}
	return nil
}

// tellable are the refusals that the page of a sale says in its own words.
var tellable = []fault.Code{
	fault.SoldOut, fault.FewerLeft, fault.LimitReached, fault.TooManyOrders, fault.TooManyUnpaid, fault.SaleNotOpen, fault.SaleEnded, fault.SalePaused, fault.NotInSale, fault.Overloaded,
	fault.TooManyRequests, fault.PaymentRefused, fault.StoreUnavailable, fault.StoreFull, fault.TimedOut,
}

// turnedAway reports whether a refusal says to come back: its page has the status and the Retry-After that the API answers.
func turnedAway(code fault.Code) bool {
	status := code.Row().Status
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable
}

func toldOf(slug string) string {
	if slug == "" {
		return "" // as most have it
	}
	for _, c := range tellable {
		if c.String() == slug {
			return slug
		}
	}
	return ""
}

func (s *Storefront) showSale(v *site.Visit) error {
	saleID, err := site.PathID[id.Sale](v, "id")
	if err != nil {
		return err
	}
	from, err := site.Number("from", v.Query("from"), 0, sale.ItemsMax, 0)
	if err != nil {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	m, err := s.board.Look(v.Request.Context(), saleID, v.Now())
	if err != nil {
		return err
	}
	page := salePage{Moment: m, Told: toldOf(v.Notice())}
	if who, ok := v.Who(); ok && !s.HasNothing(v.Request.Context(), saleID, who.Customer) {
		if page.Mine, err = s.mineOf(v.Request.Context(), who.Customer, saleID); err != nil {
			return err
		}
	}
	if page.Told != "" || len(page.Mine.Orders) > 0 {
		page.Key = keyAfter(page.Mine.Orders)
		if err := s.fillSale(v.Request.Context(), v.Lang, &page, from); err != nil {
			return err
		}
		return v.Show(200, s.sale, m.Sale.Title, page)
	}
	// Whoever has nothing in the sale yet gets what everyone gets.
	path := v.Request.URL.Path // an id is written in one way
	if from > 0 {
		path += "?from=" + strconv.FormatInt(from, 10)
	}
	return v.Keep(path, site.Source{Revision: m.Revision, Period: period(v.Now())}, s.sale, func() (string, any, error) {
		page.Key = keyAfter(nil)
		err := s.fillSale(context.WithoutCancel(v.Request.Context()), v.Lang, &page, from)
		return m.Sale.Title, page, err
	})
}

// period is which of the times between two renderings it is.
func period(now time.Time) int64 { return now.Unix() / int64(renderEvery/time.Second) }

// fillSale adds the items from one on.
func (s *Storefront) fillSale(ctx context.Context, l *lang.Language, page *salePage, from int64) error {
	all := page.Sale.Items
	if from >= int64(len(all)) {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	to := min(from+saleItems, int64(len(all)))
	if to < int64(len(all)) {
		page.Next = "/sales/" + page.Sale.ID.String() + "?from=" + strconv.FormatInt(to, 10)
	}
	for i := from; i < to; i++ {
		it := saleItem{Item: all[i], Left: leftOf(l, page.Moment, int(i)), Saves: saves(all[i])}
		if page.Phase == sale.Live && page.Sale.ShowsLeft != sale.Coarse {
			it.most = max(page.Left[i], 0)
		}
		p, err := s.productOf(ctx, all[i].Product)
		switch {
		case errors.Is(err, fault.NotFound): // taken off the shelves meanwhile: it is still sold here
			it.Title = page.Sale.Title
		case err != nil:
			return err
		default:
			it.describe(&p)
		}
		it.decide(page)
		page.Items = append(page.Items, it)
	}
	return nil
}

// Name is the item's title with its variant: no two items of a sale share it.
func (it *saleItem) Name() string {
	if it.Variant == "" {
		return it.Title
	}
	return it.Title + ", " + it.Variant
}

func (it *saleItem) describe(p *catalog.View) {
	it.Title, it.Handle, it.Pictures = p.Title, p.Handle, p.Pictures
	if w := variant(p, it.SKU); w != nil && len(w.Options) > 0 {
		it.Variant = w.Title
	}
}

// decide chooses what the button says, from what the services say: the phase, what is left, and what the shopper has.
func (it *saleItem) decide(page *salePage) {
	limit := page.Sale.Limit
	room := int64(unitsChoice)
	if it.most > 0 {
		room = min(room, it.most)
	}
	if limit > 0 {
		room = min(room, limit-page.Mine.Used)
	}
	if it.Waiting = page.Mine.waiting(it.SKU); it.Waiting != nil {
		it.Mine = stateWaiting
	} else if room < 1 {
		it.Mine = stateLimit
	}
	for n := int64(1); n <= room; n++ {
		it.Units = append(it.Units, n)
	}
	switch it.State = string(page.Phase); {
	case it.Mine == stateWaiting:
		it.State = stateWaiting
	case page.Phase == sale.Live && it.Mine == stateLimit:
		it.State = stateLimit
	case page.Phase == sale.Live && it.Left.Sold:
		it.State = stateSoldOut
	}
}

// buyInSale takes the order of the page's form.
func (s *Storefront) buyInSale(v *site.Visit) error {
	saleID, err := site.PathID[id.Sale](v, "id")
	if err != nil {
		return err
	}
	back := "/sales/" + saleID.String()
	who, ok := v.Who()
	if !ok {
		return v.Redirect("/signin?next=" + url.QueryEscape(back))
	}
	req, err := requestOf(v, who.Customer)
	if err != nil {
		return err
	}
	req.Sale = saleID
	placed, err := s.Orders.Place(v.Request.Context(), req)
	switch code := fault.CodeOf(err); {
	case err == nil:
		return v.Redirect(s.pageOf(&placed, who.Session))
	case turnedAway(code):
		return err
	case code == fault.KeyReused: // they have bought something else meanwhile, on another page
		return s.toNewest(v, who.Customer, saleID)
	case slices.Contains(tellable, code):
		return v.RedirectWithNotice(back, code.String())
	}
	return err
}

// toNewest shows the shopper the order that they have just made.
func (s *Storefront) toNewest(v *site.Visit, c id.Customer, sl id.Sale) error {
	m, err := s.Orders.Search(v.Request.Context(), order.Filter{Sale: sl, Customer: c, Limit: 1})
	if err != nil {
		return err
	}
	if len(m) == 0 {
		return v.Redirect("/orders")
	}
	return v.Redirect("/orders/" + m[0].ID.String())
}

// requestOf reads what is bought from a form: the SKU of the button that was pressed, and the quantity chosen beside it.
func requestOf(v *site.Visit, c id.Customer) (order.Request, error) {
	sku, err := id.Parse[id.SKU](v.Form("sku"))
	if err != nil {
		return order.Request{}, fault.Bad("sku", "It must be the id of a SKU.")
	}
	units, err := site.Number("units", v.Form("units-"+sku.String()), 1, order.UnitsMax, 1)
	if err != nil {
		return order.Request{}, err
	}
	return order.Request{Customer: c, Refusal: v.Refusal(), Key: v.Form("key"), Lines: []inventory.Line{{SKU: sku, Units: units}}}, nil
}
