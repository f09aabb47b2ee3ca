package productcsv

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// shopifyNames are the imported columns of Shopify's product CSV, each with its name in exports since 2025. See
// https://help.shopify.com/en/manual/products/import-export/using-csv.
//
//	Handle                      handle; rows that share it are one product
//	Title, Body (HTML)          title, description
//	Vendor                      brand
//	Type, Product Category      categories: the type's name, and the category's path
//	Tags                        the attribute Tags
//	Status, Published           published where the status is active (or missing) and Published is not FALSE; else draft
//	Option1 Name and Value ...  options; Title with Default Title is none
//	Variant SKU                 stock code; where it is empty, the variant's own, or made of the handle and the options
//	Variant Price               price, in the shop's currency
//	Image Src, Image Alt Text   pictures, also from rows that have nothing else, in the order of Image Position
//
// All other columns are ignored and named in the notes. Stock is not imported: it has its own ledger.
var shopifyNames = map[string][]string{
	"handle":        {"handle", "url handle"},
	"title":         {"title"},
	"description":   {"body (html)", "description"},
	"brand":         {"vendor"},
	"category":      {"product category"},
	"type":          {"type"},
	"tags":          {"tags"},
	"published":     {"published", "published on online store"},
	"status":        {"status"},
	"option1_name":  {"option1 name"},
	"option1_value": {"option1 value"},
	"option2_name":  {"option2 name"},
	"option2_value": {"option2 value"},
	"option3_name":  {"option3 name"},
	"option3_value": {"option3 value"},
	"sku":           {"variant sku", "sku"},
	"price":         {"variant price", "price"},
	"picture":       {"image src", "product image url"},
	"alt":           {"image alt text"},
	"position":      {"image position"},
}

// shopifyMarks are columns that only Shopify's files have. Each of its files has at least one.
var shopifyMarks = []string{"variant price", "body (html)", "option1 name", "option1 value", "url handle", "variant sku"}

var shopifyKept = map[catalog.Fields][]string{
	catalog.FieldDescription: {"description"}, catalog.FieldStatus: {"status", "published"}, catalog.FieldBrand: {"brand"},
	catalog.FieldCategories: {"type", "category"}, catalog.FieldAttributes: {"tags"}, catalog.FieldPictures: {"picture"},
}

type shopify struct{ columnsOf columns }

// shopifyColumns returns nil if the header is not Shopify's.
func shopifyColumns(h *header, _ money.Currency) (format, error) {
	s := &shopify{columns{header: h, at: map[string]int{}, unescape: h.isRefused()}}
	for field, names := range shopifyNames {
		s.columnsOf.find(field, names...)
	}
	if !h.hasAny(shopifyMarks...) || !s.columnsOf.has("handle") || !s.columnsOf.has("title") || !s.columnsOf.has("price") {
		return nil, nil
	}
	return s, nil
}

func (s *shopify) kind() string      { return "Shopify" }
func (s *shopify) columns() *columns { return &s.columnsOf }

// product implements format. Shopify's handles may be in any script.
func (s *shopify) product(row catalog.Row) (source, handle, why string) {
	source = s.columnsOf.trimmed(row, "handle")
	switch {
	case source == "":
		return "", "", "it has no handle"
	case catalog.IsHandle(source):
		return source, source, ""
	}
	return source, madeHandle(source), ""
}

func (s *shopify) build(handle string, rows []catalog.Row, shop money.Currency) (b built) {
	c := &s.columnsOf
	if refusal, at := s.disagree(rows); refusal != nil {
		return b.refuse(at, refusal)
	}
	b.put.Keep = c.keep(shopifyKept)
	p := &b.put.Product
	p.Handle, p.Title, p.Description = handle, c.first(rows, "title"), c.first(rows, "description")
	var refusal *fault.Error
	if p.Status, refusal = s.status(rows); refusal != nil {
		return b.refuse(0, refusal)
	}
	b.put.BrandTitle = c.first(rows, "brand")
	if kind := c.first(rows, "type"); kind != "" {
		b.put.CategoryPaths = [][]string{{strings.NewReplacer(">", "/", "|", "/").Replace(kind)}}
	}
	b.put.CategoryPaths = append(b.put.CategoryPaths, paths(c.first(rows, "category"), "|", ">")...)
	if tags := c.first(rows, "tags"); tags != "" {
		p.Attributes = []catalog.Attribute{{Name: "Tags", Value: tags}}
	}
	p.Options = s.options(rows)
	p.Pictures = s.pictures(rows)
	for i, row := range rows {
		if len(rows) > 1 && s.onlyPicture(row) {
			continue
		}
		amount, refusal := price(c.cell(row, "price"), "", shop)
		if refusal != nil {
			return b.refuse(i, refusal)
		}
		v := catalog.Variant{Code: c.trimmed(row, "sku"), Price: amount}
		for n := range p.Options {
			v.Options = append(v.Options, c.trimmed(row, optionNames[n].value))
		}
		b.add(i, v, true)
	}
	if len(p.Variants) == 0 {
		return b.refuse(0, fault.Bad("price", "No row of the product has a price."))
	}
	return b
}

// disagree finds a row whose values for the whole product differ from an earlier row's: two products with one handle.
func (s *shopify) disagree(rows []catalog.Row) (*fault.Error, int) {
	c := &s.columnsOf
	for _, field := range []string{"title", "brand", "type", "category"} {
		said, from := "", 0
		for i, row := range rows {
			switch cell := c.trimmed(row, field); {
			case cell == "":
			case said == "":
				said, from = cell, i
			case cell != said:
				return fault.Bad(field, "It is not what line %d says; leave it empty, or repeat that.", rows[from].Line), i
			}
		}
	}
	return nil, 0
}

func (s *shopify) status(rows []catalog.Row) (catalog.Status, *fault.Error) {
	c := &s.columnsOf
	status, published := strings.ToLower(c.first(rows, "status")), strings.ToLower(c.first(rows, "published"))
	switch {
	case !slices.Contains([]string{"", "active", "draft", "archived", "unlisted"}, status):
		return "", fault.Bad("status", "%.40q is not a status of Shopify's: active, draft, archived or unlisted.", status)
	case !slices.Contains([]string{"", "true", "false"}, published):
		return "", fault.Bad("published", "%.40q is neither TRUE nor FALSE.", published)
	case (status == "" || status == "active") && published != "false":
		return catalog.Published, nil
	}
	return catalog.Draft, nil
}

var optionNames = [catalog.OptionsMax]struct{ name, value string }{
	{"option1_name", "option1_value"}, {"option2_name", "option2_value"}, {"option3_name", "option3_value"},
}

// options returns the names of the options. Shopify writes a product without options as Title with Default Title.
func (s *shopify) options(rows []catalog.Row) (names []string) {
	c := &s.columnsOf
	for _, o := range optionNames {
		name := c.first(rows, o.name)
		if name == "" || strings.EqualFold(name, "Title") && strings.EqualFold(c.first(rows, o.value), "Default Title") {
			break
		}
		names = append(names, name)
	}
	return names
}

// onlyPicture reports whether a row has a picture and no variant.
func (s *shopify) onlyPicture(row catalog.Row) bool {
	c := &s.columnsOf
	return c.trimmed(row, "picture") != "" && c.trimmed(row, "price") == "" && c.trimmed(row, "sku") == "" && c.trimmed(row, "option1_value") == ""
}

// pictures returns the pictures of all rows, each once, ordered by position, so that sorting the rows does not matter.
func (s *shopify) pictures(rows []catalog.Row) (all []catalog.Picture) {
	c := &s.columnsOf
	type placed struct {
		catalog.Picture
		position int
	}
	var list []placed
	for i, row := range rows {
		url := c.trimmed(row, "picture")
		if url == "" || slices.ContainsFunc(list, func(p placed) bool { return p.URL == url }) {
			continue
		}
		position, err := strconv.Atoi(c.trimmed(row, "position"))
		if err != nil || position < 1 {
			position = i + 1
		}
		list = append(list, placed{catalog.Picture{URL: url, Alt: c.trimmed(row, "alt")}, position})
	}
	slices.SortStableFunc(list, func(a, b placed) int { return cmp.Compare(a.position, b.position) })
	for _, p := range list {
		all = append(all, p.Picture)
	}
	return all
}
