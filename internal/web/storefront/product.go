package storefront

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/web/site"
)

// productPage is what the page of a product shows.
type productPage struct {
	catalog.View
	// OnOffer says of each variant whether it may be ordered from general stock: not where none is known to be left.
	OnOffer []bool
	Known   bool // what is left of one of them is known
	// Any says whether there is any of any.
	Any   bool
	Sales []productSale
	Words []string // the description's paragraphs, as text
	Path  []catalog.Category
	More  []catalog.View // from the same shelf
}

// moreProducts is how many further products of its shelf a product's page shows: one row.
const moreProducts = 4

// productSale is a sale that has the product.
type productSale struct {
	saleCard
	Offer int // the item's place in the sale
}

func (s *Storefront) showProduct(v *site.Visit) error {
	handle := v.PathValue("handle")
	if !catalog.IsHandle(handle) {
		return fault.New(fault.NotFound, "There is no such product.")
	}
	ctx := v.Request.Context()
	found, err := s.Products.ProductByHandle(ctx, handle)
	if err != nil {
		return err
	}
	// What is in stock is part of what the page is made of, and so is what is on: both come from memory.
	var source strings.Builder
	source.WriteString(found.ETag)
	page := productPage{OnOffer: make([]bool, len(found.SKUs()))}
	for i, sku := range found.SKUs() {
		left, known := s.Levels.Available(inventory.Pool{SKU: sku})
		page.OnOffer[i] = !known || left > 0
		page.Any = page.Any || page.OnOffer[i]
		page.Known = page.Known || known
		fmt.Fprint(&source, page.OnOffer[i], known)
	}
	cards, open := s.openSales(ctx, v.Now())
	source.WriteString(open)
	categories, err := s.Products.Categories(ctx)
	if err != nil {
		return err
	}
	source.WriteString(categories.ETag)
	// What else its shelf has is looked at anew every so often.
	made := site.Source{Text: source.String(), Period: period(v.Now())}
	return v.Keep("/products/"+handle, made, s.product, func() (string, any, error) {
		var err error
		if page.View, err = read[catalog.View](found, nil); err != nil {
			return "", nil, err
		}
		for _, c := range cards {
			for i, it := range c.Sale.Items {
				if it.Product == page.ID {
					if err := s.fill(context.WithoutCancel(ctx), &c); err != nil {
						return "", nil, err
					}
					page.Sales = append(page.Sales, productSale{c, i})
					break
				}
			}
		}
		page.Words = paragraphs(page.Description)
		if len(page.Categories) > 0 {
			all, err := read[list[catalog.Category]](categories, nil)
			if err != nil {
				return "", nil, err
			}
			page.Path = pathTo(all.Items, page.Categories[0])
			if page.More, err = s.beside(context.WithoutCancel(ctx), &page.View); err != nil {
				return "", nil, err
			}
		}
		return page.Title, page, nil
	})
}

// beside returns products that stand beside one on its shelf: those after it, and then those from the shelf's beginning.
func (s *Storefront) beside(ctx context.Context, p *catalog.View) (all []catalog.View, _ error) {
	for _, after := range []id.Product{p.ID, 0} {
		found, err := read[list[catalog.View]](s.Products.List(ctx, catalog.ListQuery{Category: p.Categories[0], After: after, Limit: moreProducts + 1}))
		if err != nil {
			return nil, err
		}
		for _, v := range found.Items {
			isIt := func(other catalog.View) bool { return other.ID == v.ID }
			if len(all) < moreProducts && v.ID != p.ID && !slices.ContainsFunc(all, isIt) {
				all = append(all, v)
			}
		}
	}
	return all, nil
}

// paragraphs returns a description as text: what it has of HTML is taken out, for nobody has looked at it.
func paragraphs(description string) []string {
	var text strings.Builder
	for rest := description; rest != ""; {
		before, after, found := strings.Cut(rest, "<")
		text.WriteString(before)
		if !found {
			break
		}
		tag, after, found := strings.Cut(after, ">")
		if !found {
			break
		}
		if isBreak(tag) {
			text.WriteString("\n")
		}
		rest = after
	}
	var all []string
	for line := range strings.SplitSeq(text.String(), "\n") {
		if line = strings.TrimSpace(unescape.Replace(line)); line != "" {
			all = append(all, line)
		}
	}
	return all
}

var unescape = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">", "&quot;", `"`, "&#39;", "'", "&nbsp;", " ")

func isBreak(tag string) bool {
	name := strings.ToLower(strings.Trim(strings.TrimSpace(tag), "/"))
	name, _, _ = strings.Cut(name, " ")
	switch name {
	case "p", "br", "div", "li", "ul", "ol", "h1", "h2", "h3", "h4", "tr":
		return true
	}
	return false
}
