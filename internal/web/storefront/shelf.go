package storefront

import (
	"errors"
	"net/url"
	"slices"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/web/site"
)

// shelfProducts is how many products a page of a shelf has: whole rows of two, three and four.
const shelfProducts = 24

// shelfPage is what a category and a search show.
type shelfPage struct {
	Query    string
	Category *catalog.Category
	Path     []catalog.Category // from the root down to the category
	Below    []catalog.Category
	Products []catalog.View
	Next     string // the address of the next page; empty: there is none
	Searched bool
}

func (s *Storefront) showSearch(v *site.Visit) error {
	q := v.Query("q")
	return s.showShelf(v, catalog.ListQuery{Name: q}, "/search?q="+url.QueryEscape(q), shelfPage{Query: q, Searched: true})
}

func (s *Storefront) showCategory(v *site.Visit) error {
	handle := v.Request.PathValue("handle")
	return s.showShelf(v, catalog.ListQuery{Category: handle}, "/categories/"+url.PathEscape(handle)+"?", shelfPage{})
}

func (s *Storefront) showShelf(v *site.Visit, q catalog.ListQuery, address string, page shelfPage) error {
	ctx := v.Request.Context()
	q.Limit = shelfProducts
	path := address
	if q.Cursor = v.Query("cursor"); q.Cursor != "" {
		path = address + "&cursor=" + url.QueryEscape(q.Cursor)
	}
	categories, err := s.Products.Categories(ctx)
	if err != nil {
		return err
	}
	found, err := s.Products.List(ctx, q)
	if errors.Is(err, fault.Invalid) {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	if err != nil {
		return err
	}
	return v.Keep(path, site.Source{Text: categories.ETag + found.ETag}, s.shelf, func() (string, any, error) {
		products, err := read[list[catalog.View]](found, nil)
		if err != nil {
			return "", nil, err
		}
		page.Products = products.Items
		if products.Next != "" {
			page.Next = address + "&cursor=" + products.Next
		}
		all, err := read[list[catalog.Category]](categories, nil)
		page.place(all.Items, q.Category)
		title := page.Query
		if page.Category != nil {
			title = page.Category.Title
		}
		return title, page, err
	})
}

// place finds where a category stands, and what is below it.
func (p *shelfPage) place(all []catalog.Category, handle string) {
	above := id.Category(0)
	if p.Path = pathTo(all, handle); len(p.Path) > 0 {
		p.Category = &p.Path[len(p.Path)-1]
		above = p.Category.ID
	}
	for _, c := range all {
		if c.Parent == above {
			p.Below = append(p.Below, c)
		}
	}
}

// pathTo returns the categories from the root down to the one with the handle; none where there is no such one.
func pathTo(all []catalog.Category, handle string) (path []catalog.Category) {
	is := func(c catalog.Category) bool { return c.Handle == handle }
	for {
		i := slices.IndexFunc(all, is)
		if i < 0 {
			return path
		}
		at := all[i]
		path = append([]catalog.Category{at}, path...)
		is = func(c catalog.Category) bool { return c.ID == at.Parent }
	}
}
