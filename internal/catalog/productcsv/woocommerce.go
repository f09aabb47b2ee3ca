package productcsv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// wooNames are the imported columns of WooCommerce's product export. See
// https://github.com/woocommerce/woocommerce/wiki/Product-CSV-Import-Schema.
//
//	ID, SKU, Parent       which variation is of which product; SKU is the stock code
//	Type                  simple, variable and variation; grouped and external products are refused: they have no stock
//	Name                  title; also the handle, if there is no column Slug
//	Published             1 is published, unless Visibility in catalog is hidden; else draft
//	Description           description; where it is empty, Short description
//	Regular price         price, in the shop's currency
//	Categories, Brands    categories, a > b, c; brand, the first
//	Tags                  the attribute Tags
//	Images                pictures, those of variations too
//	Attribute 1 name ...  options, where variations differ in them; else attributes
//
// Rows may be in any order. All other columns are ignored and named in the notes.
var wooNames = map[string][]string{
	"id": {"id"}, "type": {"type"}, "sku": {"sku"}, "parent": {"parent"}, "title": {"name"}, "handle": {"slug"}, "published": {"published"},
	"visibility": {"visibility in catalog"}, "description": {"description"}, "short": {"short description"}, "price": {"regular price"},
	"categories": {"categories"}, "brand": {"brands"}, "tags": {"tags"}, "pictures": {"images"},
}

var wooKept = map[catalog.Fields][]string{
	catalog.FieldDescription: {"description", "short"}, catalog.FieldStatus: {"published"}, catalog.FieldBrand: {"brand"},
	catalog.FieldCategories: {"categories"}, catalog.FieldPictures: {"pictures"},
}

// wooAttributesMax bounds the attributes of a row to look for.
const wooAttributesMax = catalog.AttributesMax

type woo struct {
	columnsOf columns
	// parents are the products by the names that variations use for them: id:7, and SKUs.
	parents map[string]wooParent
}

type wooParent struct{ source, handle string }

// wooColumns returns nil if the header is not WooCommerce's.
func wooColumns(h *header, _ money.Currency) (format, error) {
	w := &woo{columns{header: h, at: map[string]int{}, unescape: true}, map[string]wooParent{}}
	for field, names := range wooNames {
		w.columnsOf.find(field, names...)
	}
	for n := 1; n <= wooAttributesMax; n++ {
		w.columnsOf.find(fmt.Sprint("attribute name ", n), fmt.Sprintf("attribute%d name", n))
		w.columnsOf.find(fmt.Sprint("attribute value ", n), fmt.Sprintf("attribute%d value(s)", n))
	}
	if !h.has("name", "regular price") || !h.has("type") && !h.has("sku") {
		return nil, nil
	}
	return w, nil
}

func (w *woo) kind() string      { return "WooCommerce" }
func (w *woo) columns() *columns { return &w.columnsOf }

func (w *woo) is(row catalog.Row, kind string) bool {
	for k := range strings.SplitSeq(strings.ToLower(w.columnsOf.trimmed(row, "type")), ",") {
		if strings.TrimSpace(k) == kind {
			return true
		}
	}
	return false
}

// prepare implements preparer. It records how variations name their products.
func (w *woo) prepare(row catalog.Row) {
	if w.is(row, "variation") {
		return
	}
	source, handle, _ := w.product(row)
	if source == "" {
		return
	}
	c := &w.columnsOf
	for _, name := range []string{"id:" + c.trimmed(row, "id"), c.trimmed(row, "sku")} {
		if name != "" && name != "id:" {
			w.parents[name] = wooParent{source, handle}
		}
	}
}

// product implements format.
func (w *woo) product(row catalog.Row) (source, handle, why string) {
	c := &w.columnsOf
	if w.is(row, "variation") {
		parent := c.trimmed(row, "parent")
		p, ok := w.parents[parent]
		switch {
		case parent == "":
			return "", "", "it is a variation, and names no parent"
		case !ok:
			return "", "", fmt.Sprintf("it is a variation of %.80q, which is not in the file", parent)
		}
		return p.source, p.handle, ""
	}
	title := c.trimmed(row, "title")
	if source = "id:" + c.trimmed(row, "id"); source == "id:" {
		source = c.trimmed(row, "sku") + "\x00" + title
	}
	if slug := c.trimmed(row, "handle"); catalog.IsHandle(slug) {
		return source, slug, ""
	}
	if title == "" {
		return "", "", "it has no name"
	}
	return source, madeHandle(title), ""
}

func (w *woo) build(handle string, rows []catalog.Row, shop money.Currency) (b built) {
	c := &w.columnsOf
	whole := slices.IndexFunc(rows, func(r catalog.Row) bool { return !w.is(r, "variation") })
	if whole < 0 {
		return b.refuse(0, fault.Bad("parent", "The product of these variations cannot be read."))
	}
	main := rows[whole]
	for i, row := range rows {
		switch {
		case i != whole && !w.is(row, "variation"):
			return b.refuse(i, fault.Bad("id", "It is the product of line %d again.", main.Line))
		case w.is(row, "grouped"), w.is(row, "external"):
			return b.refuse(i, fault.Bad("type", "It is a product of the type %.40q, which has no stock of its own.", c.trimmed(row, "type")))
		}
	}
	b.put.Keep = c.keep(wooKept)
	p := &b.put.Product
	p.Handle, p.Title, p.Status = handle, c.trimmed(main, "title"), catalog.Draft
	if c.trimmed(main, "published") == "1" && !strings.EqualFold(c.trimmed(main, "visibility"), "hidden") {
		p.Status = catalog.Published
	}
	if p.Description = c.cell(main, "description"); blank(p.Description) {
		p.Description = c.cell(main, "short")
	}
	p.Description = strings.ReplaceAll(p.Description, `\n`, "\n") // WooCommerce's form of line breaks
	for _, path := range cut(c.cell(main, "categories"), ',') {
		b.put.CategoryPaths = append(b.put.CategoryPaths, paths(plain(path), "\x00", ">")...)
	}
	if brands := cut(c.cell(main, "brand"), ','); len(brands) > 0 {
		b.put.BrandTitle = plain(brands[0])
	}
	if tags := plain(c.trimmed(main, "tags")); tags != "" {
		p.Attributes = append(p.Attributes, catalog.Attribute{Name: "Tags", Value: tags})
	}
	p.Pictures = w.pictures(main, rows)
	return w.variants(b, main, rows, shop)
}

// pictures returns the pictures of the product and of its variations.
func (w *woo) pictures(main catalog.Row, rows []catalog.Row) (all []catalog.Picture) {
	for _, row := range append([]catalog.Row{main}, rows...) {
		for _, url := range cut(w.columnsOf.cell(row, "pictures"), ',') {
			p := catalog.Picture{URL: plain(url)}
			if p.URL != "" && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	return all
}

// named is an attribute of a row.
type named struct{ name, value string }

func (w *woo) attributes(row catalog.Row) (all []named) {
	c := &w.columnsOf
	for n := 1; n <= wooAttributesMax && c.has(fmt.Sprint("attribute name ", n)); n++ {
		if name := c.trimmed(row, fmt.Sprint("attribute name ", n)); name != "" {
			all = append(all, named{name, plain(c.trimmed(row, fmt.Sprint("attribute value ", n)))})
		}
	}
	return all
}

// variants turns a product's variations into its variants, or a simple product into its only variant.
func (w *woo) variants(b built, main catalog.Row, rows []catalog.Row, shop money.Currency) built {
	c := &w.columnsOf
	p := &b.put.Product
	variable := w.is(main, "variable")
	for _, row := range rows {
		if !w.is(row, "variation") {
			continue
		}
		for _, a := range w.attributes(row) {
			if a.value != "" && !slices.Contains(p.Options, a.name) {
				p.Options = append(p.Options, a.name)
			}
		}
	}
	for _, a := range w.attributes(main) {
		if a.value != "" && !slices.Contains(p.Options, a.name) {
			p.Attributes = append(p.Attributes, catalog.Attribute{Name: a.name, Value: a.value})
		}
	}
	for i, row := range rows {
		if variable != w.is(row, "variation") {
			continue
		}
		amount, refusal := price(c.cell(row, "price"), "", shop)
		if refusal != nil {
			return b.refuse(i, refusal)
		}
		v := catalog.Variant{Code: c.trimmed(row, "sku"), Price: amount}
		of := w.attributes(row)
		for _, option := range p.Options {
			at := slices.IndexFunc(of, func(a named) bool { return a.name == option })
			if at < 0 || of[at].value == "" {
				return b.refuse(i, fault.Bad("attribute", "The variation has no value of %q: one that stands for any value has to be divided.", option))
			}
			v.Options = append(v.Options, of[at].value)
		}
		b.add(i, v, true)
	}
	if len(p.Variants) == 0 {
		return b.refuse(0, fault.Bad("type", "The product has no variation with a price in this file."))
	}
	return b
}
