package admin

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/site"
	"github.com/tidegate/tidegate/internal/web/skuname"
)

// rowsOnPage is how many rows a list of the console has.
const rowsOnPage = 50

func (d *Pages) mountSales() {
	d.page("GET /console/sales", account.RoleSales, d.showSales)
	d.page("GET /console/sales/new", account.RoleSales, d.showNewSale)
	d.page("GET /console/sales/{id}", account.RoleSales, d.showSale)
	d.page("GET /console/sales/{id}/terms", account.RoleSales, d.showTerms)
	d.act("POST /console/sales", account.RoleSales, "createSale", d.createSale)
	d.act("POST /console/sales/{id}/terms", account.RoleSales, "replaceSale", d.replaceSale)
	for _, m := range []struct {
		path, verb string
		to         sale.Status
	}{{"schedule", "scheduleSale", sale.Scheduled}, {"pause", "pauseSale", sale.Paused}, {"resume", "resumeSale", sale.Live}, {"end", "endSale", sale.Ended}} {
		d.act("POST /console/sales/{id}/"+m.path, account.RoleSales, m.verb, func(ctx context.Context, r *request) (string, error) {
			return d.changed(r, func(s id.Sale) error {
				_, err := d.Sales.Move(ctx, s, m.to, r.who.Name)
				return err
			})
		})
	}
	d.act("POST /console/sales/{id}/limit", account.RoleSales, "amendSale", d.changeLimit)
	d.act("POST /console/sales/{id}/allocation", account.RoleSales, "changeAllocation", d.changeAllocation)
	d.act("POST /console/sales/{id}/stop-item", account.RoleSales, "stopSaleItem", d.stopItem)
}

// salesPage is the list of sales.
type salesPage struct {
	Sales []saleRow
	Next  string // the address of the next page; empty: there is none
}

type saleRow struct {
	*sale.Sale
	Phase      sale.Status
	Allocation int64
}

func (d *Pages) rowOf(s *sale.Sale) saleRow {
	row := saleRow{Sale: s, Phase: s.Phase(d.Clock.Now())}
	for _, it := range s.Items {
		row.Allocation += it.Allocation
	}
	return row
}

func (d *Pages) showSales(r *request) error {
	list := r.List("/console/sales")
	before, err := site.Place[id.Sale](list)
	if err != nil {
		return err
	}
	found, err := d.Sales.List(r.Request.Context(), before, rowsOnPage+1)
	if err != nil {
		return err
	}
	page := salesPage{}
	found, page.Next = site.Next(list, found, rowsOnPage, func(s **sale.Sale) id.Sale { return (*s).ID })
	for _, s := range found {
		page.Sales = append(page.Sales, d.rowOf(s))
	}
	return r.Show(http.StatusOK, d.sales, r.Lang.T("admin.sales"), page)
}

// queryID reads an id in the address; zero where there is none. It returns fault.NotFound.
func queryID[T ~int64](r *request, name string) (T, error) {
	text := r.Query(name)
	if text == "" {
		return 0, nil
	}
	n, err := id.Parse[T](text)
	if err != nil {
		return 0, fault.New(fault.NotFound, "%q is not an id: digits alone.", text)
	}
	return n, nil
}

// salePage is one sale.
type salePage struct {
	saleRow
	Items []saleItem
}

type saleItem struct {
	sale.Item
	skuname.Name
	Left  int64
	Known bool // the gate holds the pool
}

func (d *Pages) showSale(r *request) error {
	s, err := d.saleOf(r)
	if err != nil {
		return err
	}
	page := salePage{saleRow: d.rowOf(s)}
	for _, it := range s.Items {
		row := saleItem{Item: it}
		if s.Status != sale.Ended { // an ended sale has none left, but not because they were sold
			row.Left, row.Known = d.Levels.Available(inventory.Pool{Sale: s.ID, SKU: it.SKU})
		}
		if row.Name, err = skuname.Find(r.Request.Context(), d.Products, it.Product, it.SKU); err != nil {
			return err
		}
		page.Items = append(page.Items, row)
	}
	return r.Show(http.StatusOK, d.sale, s.Title, page)
}

func (d *Pages) saleOf(r *request) (*sale.Sale, error) {
	s, err := site.PathID[id.Sale](r.Visit, "id")
	if err != nil {
		return nil, err
	}
	return d.Sales.Sale(r.Request.Context(), s)
}

// changed carries out a change of the sale in the path and leads back to it.
func (d *Pages) changed(r *request, change func(id.Sale) error) (string, error) {
	s, err := site.PathID[id.Sale](r.Visit, "id")
	if err == nil {
		err = change(s)
	}
	return "/console/sales/" + s.String(), err
}

func (d *Pages) changeLimit(ctx context.Context, r *request) (string, error) {
	return d.changed(r, func(s id.Sale) error {
		limit, err := site.Number("limit_per_customer", r.Form("limit"), 0, sale.LimitMax, -1)
		if err != nil {
			return err
		}
		if limit < 0 {
			return fault.Bad("limit_per_customer", "Say how many; 0 is no limit.")
		}
		_, err = d.Sales.Change(ctx, sale.Change{Sale: s, Limit: &limit})
		return err
	})
}

func (d *Pages) changeAllocation(ctx context.Context, r *request) (string, error) {
	return d.changed(r, func(s id.Sale) error {
		sku, err := id.Parse[id.SKU](r.Form("sku"))
		if err != nil {
			return fault.Bad("sku_id", "Choose an item.")
		}
		units, err := site.Number("units", r.Form("units"), -sale.AllocationMax, sale.AllocationMax, 0)
		if err != nil {
			return err
		}
		_, err = d.Sales.Allocate(ctx, sale.Allocation{Sale: s, SKU: sku, Units: units, Reason: r.Form("reason"), Actor: r.who.Name})
		return err
	})
}

func (d *Pages) stopItem(ctx context.Context, r *request) (string, error) {
	return d.changed(r, func(s id.Sale) error {
		sku, err := id.Parse[id.SKU](r.Form("sku"))
		if err != nil {
			return fault.Bad("sku_id", "Choose an item.")
		}
		_, err = d.Sales.StopItem(ctx, sale.Stop{Sale: s, SKU: sku, Reason: r.Form("reason"), Actor: r.who.Name})
		return err
	})
}

// termsPage is the form of a sale's terms. Items is a line for each: stock code, price, units.
type termsPage struct {
	Sale                  *sale.Sale // being changed; nil for a new one
	Action                string
	Title, Items          string
	StartsAt, EndsAt      string // as datetime-local, in the shop's zone
	Limit, PaymentSeconds int64
	ShowsLeft             sale.Shows
	Currency              money.Currency
}

// formTime is how a browser writes a datetime-local field.
const formTime = "2006-01-02T15:04:05"

// showNewSale shows an empty form, or, with the parameter from, the terms of another sale a week later.
func (d *Pages) showNewSale(r *request) error {
	opens := d.Clock.Now().Add(24 * time.Hour).Truncate(time.Hour)
	page := termsPage{
		Action: "/console/sales", StartsAt: opens.In(r.Zone()).Format(formTime), EndsAt: opens.Add(time.Hour).In(r.Zone()).Format(formTime),
		PaymentSeconds: int64(d.PaymentWindow().Seconds()), ShowsLeft: sale.Exact, Currency: d.Currency,
	}
	from, err := queryID[id.Sale](r, "from")
	if err != nil {
		return err
	}
	if from != 0 {
		s, err := d.Sales.Sale(r.Request.Context(), from)
		if err != nil {
			return err
		}
		if err := d.fill(r.Request.Context(), &page, s, r.Zone()); err != nil {
			return err
		}
		length := s.EndsAt.Sub(s.StartsAt)
		page.StartsAt, page.EndsAt = opens.In(r.Zone()).Format(formTime), opens.Add(length).In(r.Zone()).Format(formTime)
	}
	return r.Show(http.StatusOK, d.terms, r.Lang.T("admin.sale.new"), page)
}

func (d *Pages) showTerms(r *request) error {
	s, err := d.saleOf(r)
	if err != nil {
		return err
	}
	page := termsPage{Sale: s, Action: "/console/sales/" + s.ID.String() + "/terms", Currency: d.Currency}
	if err := d.fill(r.Request.Context(), &page, s, r.Zone()); err != nil {
		return err
	}
	return r.Show(http.StatusOK, d.terms, s.Title, page)
}

// fill puts a sale's terms into the form.
func (d *Pages) fill(ctx context.Context, page *termsPage, s *sale.Sale, zone *time.Location) error {
	page.Title, page.Limit, page.PaymentSeconds, page.ShowsLeft = s.Title, s.Limit, int64(s.PaymentWindow.Seconds()), s.ShowsLeft
	page.StartsAt, page.EndsAt = s.StartsAt.In(zone).Format(formTime), s.EndsAt.In(zone).Format(formTime)
	var lines strings.Builder
	for _, it := range s.Items {
		name, err := skuname.Find(ctx, d.Products, it.Product, it.SKU)
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%s %s %d\n", name.Code, it.Price.Decimal(), it.Allocation)
	}
	page.Items = lines.String()
	return nil
}

func (d *Pages) createSale(ctx context.Context, r *request) (string, error) {
	terms, err := d.termsOf(ctx, r)
	if err != nil {
		return "", err
	}
	made, err := d.Sales.Create(ctx, terms)
	if err != nil {
		return "", err
	}
	return "/console/sales/" + made.ID.String(), nil
}

func (d *Pages) replaceSale(ctx context.Context, r *request) (string, error) {
	return d.changed(r, func(s id.Sale) error {
		terms, err := d.termsOf(ctx, r)
		if err != nil {
			return err
		}
		version, err := site.Number("version", r.Form("version"), 1, 1<<62, 0)
		if err != nil {
			return err
		}
		terms.ID = s
		_, err = d.Sales.Replace(ctx, terms, version)
		return err
	})
}

// termsOf reads the form of a sale's terms. It returns fault.Invalid, naming the field.
func (d *Pages) termsOf(ctx context.Context, r *request) (terms sale.Sale, err error) {
	terms = sale.Sale{Title: r.Form("title"), ShowsLeft: sale.Shows(r.Form("stock_display"))}
	if terms.StartsAt, err = moment("starts_at", r.Form("starts_at"), r.Zone()); err != nil {
		return terms, err
	}
	if terms.EndsAt, err = moment("ends_at", r.Form("ends_at"), r.Zone()); err != nil {
		return terms, err
	}
	if terms.Limit, err = site.Number("limit_per_customer", r.Form("limit_per_customer"), 0, sale.LimitMax, 0); err != nil {
		return terms, err
	}
	seconds, err := site.Number("payment_window_seconds", r.Form("payment_window_seconds"), int64(sale.PaymentMin.Seconds()), int64(sale.PaymentMax.Seconds()), int64(d.PaymentWindow().Seconds()))
	if err != nil {
		return terms, err
	}
	terms.PaymentWindow = time.Duration(seconds) * time.Second
	n := 0
	for line := range strings.Lines(r.Form("items")) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		n++
		it, err := d.itemOf(ctx, line)
		if err != nil {
			return terms, fmt.Errorf("line %d of the items: %w", n, err)
		}
		terms.Items = append(terms.Items, it)
	}
	return terms, nil
}

// itemOf reads a line of the items: stock code, price, units. A code may have spaces.
func (d *Pages) itemOf(ctx context.Context, line string) (it sale.Item, err error) {
	words := strings.Fields(line)
	if len(words) < 3 {
		return it, fault.Bad("items", "%q is not a stock code, a price and a number of units.", line)
	}
	code, price, units := strings.Join(words[:len(words)-2], " "), words[len(words)-2], words[len(words)-1]
	if it.Price, err = money.Parse(price, d.Currency); err != nil {
		return it, fault.Bad("items", "%q is not a price: %s", price, err)
	}
	if it.Allocation, err = site.Number("items", units, 1, sale.AllocationMax, 0); err != nil {
		return it, err
	}
	v, err := skuname.DecodeView(d.Products.ProductByCode(ctx, code))
	if fault.CodeOf(err) == fault.NotFound {
		return it, fault.Bad("items", "Nothing on the shelves has the stock code %q.", code)
	}
	if err != nil {
		return it, err
	}
	for _, w := range v.Variants {
		if w.Code == code {
			it.SKU = w.SKU
		}
	}
	return it, nil
}

// moment reads what a datetime-local field has sent, in the shop's zone. It returns fault.Invalid of the field.
func moment(field, text string, zone *time.Location) (time.Time, error) {
	for _, form := range []string{formTime, "2006-01-02T15:04"} {
		if t, err := time.ParseInLocation(form, text, zone); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fault.Bad(field, "%q is not a moment such as 2026-11-27T20:00:00.", text)
}
