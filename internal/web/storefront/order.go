package storefront

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/web/site"
)

// ordersOnPage is how many orders a page of a shopper's orders has.
const ordersOnPage = 20

// placingWait is how long the page of an order that is still being placed waits for its outcome before it is sent.
const placingWait = time.Second

// orderPage is what an order shows.
type orderPage struct {
	order.Order
	Placing bool   // its outcome is not known yet
	Ticket  string // to follow it by then
	Lines   []orderLine
	Told    string
}

// orderLine is an order line with what the page shows of its product.
type orderLine struct {
	order.Line
	Product         id.Product
	Pictures        []catalog.Picture
	Title, Variant  string
	Handle          string
	Price, Subtotal money.Amount
}

// showOrder shows an order of the shopper's own.
func (s *Storefront) showOrder(v *site.Visit) error {
	page, err := s.orderOf(v)
	if err != nil {
		return err
	}
	v.TellTime()
	return v.Show(http.StatusOK, s.order, v.Lang.T("order.title", "id", page.ID.String()), page)
}

// showStatus answers the page of an order that waits for news: nothing where there is none.
func (s *Storefront) showStatus(v *site.Visit) error {
	page, err := s.orderOf(v)
	if err != nil {
		return err
	}
	v.TellTime()
	if v.Query("was") == string(page.Status) {
		v.Header().Set("Cache-Control", "no-store")
		v.WriteHeader(http.StatusNoContent) // htmx leaves the page as it is
		return nil
	}
	return v.ShowPart(s.order, "order", page)
}

func (s *Storefront) orderOf(v *site.Visit) (page orderPage, err error) {
	orderID, err := site.PathID[id.Order](v, "id")
	if err != nil {
		return page, err
	}
	who, err := v.Must()
	if err != nil {
		return page, err
	}
	ctx := v.Request.Context()
	placed, err := s.placedOf(ctx, v, who.Customer, orderID)
	if err != nil {
		return page, err
	}
	page = orderPage{Order: placed.Order, Placing: placed.Undecided, Ticket: s.ticketOf(&placed, who.Session), Told: toldOf(v.Notice())}
	for _, l := range placed.Order.Lines {
		line := orderLine{Line: l, Price: money.Of(l.UnitPrice, page.Total.Currency)}
		line.Subtotal = money.Of(l.UnitPrice*l.Units, page.Total.Currency)
		if err := s.name(ctx, &line); err != nil {
			return page, err
		}
		page.Lines = append(page.Lines, line)
	}
	return page, nil
}

// placedOf reads an order, by the ticket of one that is still being placed where the address has it: then any process knows it.
func (s *Storefront) placedOf(ctx context.Context, v *site.Visit, c id.Customer, o id.Order) (order.Placed, error) {
	if text := v.Query("ticket"); text != "" {
		if t, err := s.Orders.Ticket(text); err == nil && t.Order == o && t.Customer == c {
			return s.Orders.Follow(ctx, t, placingWait)
		}
	}
	return s.Orders.Get(ctx, c, o, placingWait)
}

// pageOf returns the address of a shopper's order, with the ticket of one that is still being placed.
func (s *Storefront) pageOf(p *order.Placed, session id.Session) string {
	at := "/orders/" + p.Order.ID.String()
	if ticket := s.ticketOf(p, session); ticket != "" {
		at += "?ticket=" + ticket
	}
	return at
}

// ticketOf returns the ticket of an order that is still being placed, bound to the shopper's session; empty where there is none. It stands in
// addresses, and without the session the API would follow the order for whoever has one.
func (s *Storefront) ticketOf(p *order.Placed, session id.Session) string {
	if p.Ticket == "" {
		return ""
	}
	return s.Orders.Bind(p.Ticket, session)
}

// name says what a line is of. What is not sold any more goes by its number.
func (s *Storefront) name(ctx context.Context, l *orderLine) error {
	l.Title = l.SKU.String()
	product, _, err := s.Products.Offer(ctx, l.SKU)
	if errors.Is(err, fault.NotInSale) {
		return nil
	}
	if err != nil {
		return err
	}
	p, err := s.productOf(ctx, product)
	if errors.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	l.Product, l.Title, l.Handle, l.Pictures = p.ID, p.Title, p.Handle, p.Pictures
	if w := variant(&p, l.SKU); w != nil && len(w.Options) > 0 {
		l.Variant = w.Title
	}
	return nil
}

// ordersPage is a page of a shopper's orders.
type ordersPage struct {
	Orders []orderRow
	Next   string // the address of the next page; empty: there is none
}

// orderRow is an order in short.
type orderRow struct {
	order.Order
	First orderLine
	More  int // further lines
}

func (s *Storefront) showOrders(v *site.Visit) error {
	who, err := v.Must()
	if err != nil {
		return err
	}
	list := v.List("/orders", who.Customer.String())
	before, err := site.Place[id.Order](list)
	if err != nil {
		return err
	}
	found, err := s.Orders.List(v.Request.Context(), who.Customer, before, ordersOnPage+1)
	if err != nil {
		return err
	}
	var page ordersPage
	found, page.Next = site.Next(list, found, ordersOnPage, func(o *order.Order) id.Order { return o.ID })
	for _, o := range found {
		row := orderRow{Order: o, First: orderLine{Line: o.Lines[0]}, More: len(o.Lines) - 1}
		if err := s.name(v.Request.Context(), &row.First); err != nil {
			return err
		}
		page.Orders = append(page.Orders, row)
	}
	v.TellTime()
	return v.Show(http.StatusOK, s.orders, v.Lang.T("orders.title"), page)
}

// pay leads to the cashier. Pressed twice it is one payment: an attempt that is live is the one.
func (s *Storefront) pay(v *site.Visit) error {
	orderID, err := site.PathID[id.Order](v, "id")
	if err != nil {
		return err
	}
	who, ok := v.Who()
	if !ok {
		return v.Redirect("/signin?next=/orders/" + orderID.String())
	}
	attempt, err := s.Payments.Start(v.Request.Context(), who.Customer, orderID, "")
	switch code := fault.CodeOf(err); {
	case err == nil && attempt.PayURL != "":
		return v.Redirect(attempt.PayURL)
	case err == nil, code == fault.OrderClosed, code == fault.BadTransition:
		return v.Redirect("/orders/" + orderID.String()) // it says how it stands
	case toldOf(code.String()) != "":
		return v.RedirectWithNotice("/orders/"+orderID.String(), code.String())
	}
	return err
}

// cancel ends an order that is not paid.
func (s *Storefront) cancel(v *site.Visit) error {
	orderID, err := site.PathID[id.Order](v, "id")
	if err != nil {
		return err
	}
	who, ok := v.Who()
	if !ok {
		return v.Redirect("/signin?next=/orders/" + orderID.String())
	}
	_, err = s.Payments.Cancel(v.Request.Context(), who.Customer, orderID)
	switch code := fault.CodeOf(err); {
	case err == nil, code == fault.OrderClosed, code == fault.BadTransition:
		return v.Redirect("/orders/" + orderID.String())
	case toldOf(code.String()) != "":
		return v.RedirectWithNotice("/orders/"+orderID.String(), code.String())
	}
	return err
}
