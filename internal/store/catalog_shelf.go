package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

const selectCategories = `
SELECT id, handle, title, parent_id
  FROM category
 ORDER BY id`

const selectBrands = `
SELECT id, handle, title
  FROM brand
 ORDER BY title, id`

// Categories implements catalog.Store. A parent's id is lower than its children's, so the order of ids is the order of
// the tree.
func (s *Store) Categories(ctx context.Context) ([]catalog.Category, error) {
	return list(ctx, s, catalogueTopic, scanCategory, selectCategories)
}

// Brands implements catalog.Store.
func (s *Store) Brands(ctx context.Context) ([]catalog.Brand, error) {
	return list(ctx, s, catalogueTopic, scanBrand, selectBrands)
}

func scanCategory(r *sql.Rows) (c catalog.Category, err error) {
	return c, r.Scan(&c.ID, &c.Handle, &c.Title, &c.Parent)
}

func scanBrand(r *sql.Rows) (b catalog.Brand, err error) {
	return b, r.Scan(&b.ID, &b.Handle, &b.Title)
}

// AddCategory implements catalog.Store.
func (s *Store) AddCategory(ctx context.Context, c catalog.Category) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		tx.wrote(catalogueTopic)
		shelves := shelves{tx: tx}
		if err := shelves.load(); err != nil {
			return err
		}
		return shelves.addCategory(c)
	})
}

// AddBrand implements catalog.Store.
func (s *Store) AddBrand(ctx context.Context, b catalog.Brand) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		tx.wrote(catalogueTopic)
		shelves := shelves{tx: tx}
		if err := shelves.load(); err != nil {
			return err
		}
		return shelves.addBrand(b)
	})
}

// shelves caches the categories and brands of one write transaction. It reads each at most once, and there are at most
// catalog.CategoriesMax of each.
type shelves struct {
	tx     *Tx
	newID  func() int64
	loaded bool

	categories map[id.Category]catalog.Category
	brands     map[id.Brand]catalog.Brand
	byTitle    map[categoryKey]id.Category
	brandTitle map[string]id.Brand
	handles    map[string]bool // handles of categories
	brandSlugs map[string]bool
}

type categoryKey struct {
	parent id.Category
	title  string
}

func (s *shelves) load() error {
	if s.loaded {
		return nil
	}
	s.loaded = true
	s.categories, s.byTitle = map[id.Category]catalog.Category{}, map[categoryKey]id.Category{}
	s.brands, s.brandTitle = map[id.Brand]catalog.Brand{}, map[string]id.Brand{}
	s.handles, s.brandSlugs = map[string]bool{}, map[string]bool{}
	rows, err := s.tx.Query(selectCategories)
	categories, err := collect(rows, err, scanCategory)
	if err != nil {
		return err
	}
	for _, c := range categories {
		s.rememberCategory(c)
	}
	rows, err = s.tx.Query(selectBrands)
	brands, err := collect(rows, err, scanBrand)
	for _, b := range brands {
		s.rememberBrand(b)
	}
	return err
}

func (s *shelves) rememberCategory(c catalog.Category) {
	s.categories[c.ID], s.byTitle[categoryKey{c.Parent, c.Title}], s.handles[c.Handle] = c, c.ID, true
}

func (s *shelves) rememberBrand(b catalog.Brand) {
	s.brands[b.ID], s.brandTitle[b.Title], s.brandSlugs[b.Handle] = b, b.ID, true
}

// addCategory writes a category or returns a fault with the reason.
func (s *shelves) addCategory(c catalog.Category) error {
	if !c.Parent.IsZero() {
		if _, ok := s.categories[c.Parent]; !ok {
			return fault.Bad("parent_id", "There is no category %s.", c.Parent)
		}
	}
	if _, ok := s.byTitle[categoryKey{c.Parent, c.Title}]; ok {
		return taken("title", "There is a category %q at this place already.", c.Title)
	}
	if s.handles[c.Handle] {
		return taken("handle", "There is a category with the handle %q.", c.Handle)
	}
	if len(s.categories) >= catalog.CategoriesMax {
		return fault.Bad("title", "There are %d categories already, the most there can be.", len(s.categories))
	}
	if len(s.line(c.Parent)) >= catalog.CategoryDepthMax {
		return fault.Bad("parent_id", "A category stands at most %d deep.", catalog.CategoryDepthMax)
	}
	if _, err := s.tx.Exec(`
INSERT INTO category (id, handle, title, parent_id)
VALUES (?, ?, ?, ?)`, c.ID, c.Handle, c.Title, c.Parent); err != nil {
		return err
	}
	s.rememberCategory(c)
	return nil
}

// addBrand writes a brand or returns a fault with the reason.
func (s *shelves) addBrand(b catalog.Brand) error {
	if _, ok := s.brandTitle[b.Title]; ok {
		return taken("title", "There is a brand %q already.", b.Title)
	}
	if s.brandSlugs[b.Handle] {
		return taken("handle", "There is a brand with the handle %q.", b.Handle)
	}
	if len(s.brands) >= catalog.CategoriesMax {
		return fault.Bad("title", "There are %d brands already, the most there can be.", len(s.brands))
	}
	if _, err := s.tx.Exec(`
INSERT INTO brand (id, handle, title)
VALUES (?, ?, ?)`, b.ID, b.Handle, b.Title); err != nil {
		return err
	}
	s.rememberBrand(b)
	return nil
}

func taken(field, format string, args ...any) *fault.Error {
	f := fault.New(fault.Conflict, format, args...)
	f.Field = field
	return f
}

// line returns a category followed by its ancestors up to the root.
func (s *shelves) line(c id.Category) (line []id.Category) {
	for !c.IsZero() {
		line = append(line, c)
		c = s.categories[c].Parent
	}
	return line
}

// place resolves the brand and categories of the put and creates missing ones. It refuses unknown ids and full limits.
func (s *shelves) place(p *catalog.Product, put catalog.Put) (refusal *fault.Error, err error) {
	if p.Brand.IsZero() && len(p.Categories) == 0 && put.BrandTitle == "" && len(put.CategoryPaths) == 0 {
		return nil, nil
	}
	if err := s.load(); err != nil {
		return nil, err
	}
	if len(put.CategoryPaths) > 0 {
		p.Categories = nil
	}
	for i, path := range put.CategoryPaths {
		c, err := s.category(path)
		if err != nil {
			return asRefusal(err, fmt.Sprintf("categories[%d]", i))
		}
		if !slices.Contains(p.Categories, c) {
			p.Categories = append(p.Categories, c)
		}
	}
	if put.BrandTitle != "" {
		if p.Brand, err = s.brand(put.BrandTitle); err != nil {
			return asRefusal(err, "brand")
		}
	}
	if _, ok := s.brands[p.Brand]; !ok && !p.Brand.IsZero() {
		return fault.Bad("brand", "There is no brand %s.", p.Brand), nil
	}
	for i, c := range p.Categories {
		if _, ok := s.categories[c]; !ok {
			return fault.Bad(fmt.Sprintf("categories[%d]", i), "There is no category %s.", c), nil
		}
	}
	return nil, nil
}

// asRefusal separates an error that refuses this product from one that fails the batch.
func asRefusal(err error, field string) (*fault.Error, error) {
	switch fault.CodeOf(err) {
	case fault.Invalid, fault.Conflict:
		f := fault.As(err)
		f.Field = field
		return f, nil
	}
	return nil, err
}

// category returns the category at the end of a path of titles. It creates what is missing.
func (s *shelves) category(path []string) (id.Category, error) {
	// Check the limit before creating anything, so that a refusal leaves no half of a path.
	if len(s.categories)+len(path) > catalog.CategoriesMax && !s.hasPath(path) {
		return 0, fault.Bad("categories", "There are %d categories already; at most %d are allowed.", len(s.categories), catalog.CategoriesMax)
	}
	var parent id.Category
	for depth, title := range path {
		c, ok := s.byTitle[categoryKey{parent, title}]
		if !ok {
			c = id.Category(s.newID())
			handle := free(catalog.Slug(strings.Join(path[:depth+1], " ")), s.handles)
			if err := s.addCategory(catalog.Category{ID: c, Handle: handle, Title: title, Parent: parent}); err != nil {
				return 0, err
			}
		}
		parent = c
	}
	return parent, nil
}

func (s *shelves) hasPath(path []string) bool {
	var parent id.Category
	for _, title := range path {
		c, ok := s.byTitle[categoryKey{parent, title}]
		if !ok {
			return false
		}
		parent = c
	}
	return true
}

// brand returns the brand with a title. It creates a missing one.
func (s *shelves) brand(title string) (id.Brand, error) {
	if b, ok := s.brandTitle[title]; ok {
		return b, nil
	}
	b := catalog.Brand{ID: id.Brand(s.newID()), Handle: free(catalog.Slug(title), s.brandSlugs), Title: title}
	return b.ID, s.addBrand(b)
}

// free returns the handle or, if it is taken, the first free one of handle-2, handle-3, ...
func free(handle string, taken map[string]bool) string {
	if handle == "" {
		handle = "other"
	}
	for n, h := 2, handle; ; n++ {
		if !taken[h] {
			return h
		}
		h = fmt.Sprintf("%s-%d", handle, n)
	}
}

var putInCategory = sqls{
	sqlite: `
INSERT INTO product_category (category_id, product_id, direct)
VALUES (?, ?, ?)
    ON CONFLICT (category_id, product_id) DO UPDATE SET direct = MAX(direct, excluded.direct)`,
	mysql: `
INSERT INTO product_category (category_id, product_id, direct)
VALUES (?, ?, ?)
    ON DUPLICATE KEY UPDATE direct = GREATEST(direct, VALUES(direct))`,
	postgres: `
INSERT INTO product_category (category_id, product_id, direct)
VALUES (?, ?, ?)
    ON CONFLICT (category_id, product_id) DO UPDATE SET direct = GREATEST(product_category.direct, excluded.direct)`,
}

// write replaces the product's categories and brand.
func (s *shelves) write(p *catalog.Product) error {
	if _, err := s.tx.Exec(`
DELETE FROM product_category
 WHERE product_id = ?`, p.ID); err != nil {
		return err
	}
	for _, direct := range p.Categories {
		for _, c := range s.line(direct) {
			// A category that is named and is also an ancestor of a named one is written once, as named.
			if _, err := s.tx.Exec(s.tx.sql(putInCategory), c, p.ID, c == direct); err != nil {
				return err
			}
		}
	}
	return nil
}
