package storefront

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/sale"
	"github.com/tidegate/tidegate/internal/web/site"
)

// What the home page shows at most: a glance, and the shelves for the rest.
const (
	homeSalesMax    = 6
	homeProductsMax = 12
	cardPictures    = 3
)

// homePage is what the home page shows.
type homePage struct {
	On, Coming []saleCard
	Categories []catalog.Category
	Products   []catalog.View
}

// saleCard is the summary of a sale.
type saleCard struct {
	*sale.Sale
	Phase   sale.Status
	SoldOut bool
	From    money.Amount   // the lowest price
	Saves   int64          // percent off the list price, at most
	Shown   []catalog.View // some of what it sells, by title and pictures
	Items   int
}

// openSales returns the scheduled and live sales, by opening time, and a string that changes whenever they do.
func (s *Storefront) openSales(ctx context.Context, now time.Time) (cards []saleCard, source string) {
	var b strings.Builder
	for _, sl := range s.Sales.Open() {
		if len(cards) == homeSalesMax {
			break
		}
		m, err := s.board.Look(ctx, sl.ID, now)
		if err != nil || m.Phase == sale.Ended {
			continue
		}
		c := saleCard{Sale: m.Sale, Phase: m.Phase, SoldOut: m.SoldOut()}
		fmt.Fprint(&b, sl.ID, sl.Version, sl.UpdatedAt.UnixMilli(), c.Phase, c.SoldOut, " ")
		cards = append(cards, c)
	}
	return cards, b.String()
}

// fill adds the data of the sale's items to a card.
func (s *Storefront) fill(ctx context.Context, c *saleCard) error {
	c.Items = len(c.Sale.Items)
	c.From = c.Sale.Items[0].Price
	for _, it := range c.Sale.Items {
		if it.Price.Minor < c.From.Minor {
			c.From = it.Price
		}
		c.Saves = max(c.Saves, saves(it))
		isIt := func(p catalog.View) bool { return p.ID == it.Product }
		if len(c.Shown) == cardPictures || slices.ContainsFunc(c.Shown, isIt) {
			continue
		}
		p, err := s.productOf(ctx, it.Product)
		if err != nil && fault.CodeOf(err) != fault.NotFound { // withdrawn from the catalogue meanwhile, but still sold in the sale
			return err
		}
		p.ID = it.Product
		c.Shown = append(c.Shown, p)
	}
	return nil
}

// saves returns the discount of an item in percent of the list price.
func saves(it sale.Item) int64 {
	if it.ListPrice.Minor <= it.Price.Minor || it.ListPrice.Minor == 0 {
		return 0
	}
	return (it.ListPrice.Minor - it.Price.Minor) * 100 / it.ListPrice.Minor
}

func (s *Storefront) showHome(v *site.Visit) error {
	ctx := v.Request.Context()
	cards, source := s.openSales(ctx, v.Now())
	categories, err := s.Products.Categories(ctx)
	if err != nil {
		return err
	}
	newest, err := s.Products.List(ctx, catalog.ListQuery{Limit: homeProductsMax})
	if err != nil {
		return err
	}
	return v.Keep("/", site.Source{Text: source + categories.ETag + newest.ETag}, s.home, func() (string, any, error) {
		var page homePage
		for _, c := range cards {
			if err := s.fill(context.WithoutCancel(ctx), &c); err != nil {
				return "", nil, err
			}
			if c.Phase == sale.Scheduled {
				page.Coming = append(page.Coming, c)
			} else {
				page.On = append(page.On, c)
			}
		}
		if page.Categories, err = roots(categories); err != nil {
			return "", nil, err
		}
		found, err := read[list[catalog.View]](newest, nil)
		page.Products = found.Items
		return "", page, err
	})
}

// roots returns the categories at the top.
func roots(page *catalog.Page) ([]catalog.Category, error) {
	all, err := read[list[catalog.Category]](page, nil)
	return slices.DeleteFunc(all.Items, func(c catalog.Category) bool { return !c.Parent.IsZero() }), err
}
