package productcsv

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// medusaNames are the imported columns of Medusa's product export, in versions 2 and 1. See
// https://docs.medusajs.com/user-guide/products/import.
//
//	Product Handle, Title, Description   handle, title, description
//	Product Status                       published; anything else is draft
//	Product Thumbnail, Image 1 Url ...   pictures
//	Product Tags                         the attribute Tags
//	Product Category 1 Name ...          categories
//	Variant SKU                          stock code; where it is empty, made
//	Variant Price EUR, Price EUR         price; the one in the shop's currency is taken
//	Variant Option 1 Name and Value ...  options
//
// All other columns are ignored and named in the notes.
var medusaNames = map[string][]string{
	"handle": {"product handle"}, "title": {"product title"}, "description": {"product description"}, "status": {"product status"},
	"thumbnail": {"product thumbnail"}, "tags": {"product tags"}, "sku": {"variant sku"},
}

// medusaListMax bounds the numbered columns to look for.
const medusaListMax = catalog.PicturesMax

type medusa struct{ columnsOf columns }

// medusaColumns returns nil if the header is not Medusa's. It returns fault.Invalid if no price is in the shop's
// currency.
func medusaColumns(h *header, shop money.Currency) (format, error) {
	if !h.has("product handle", "product title") {
		return nil, nil
	}
	m := &medusa{columns{header: h, at: map[string]int{}, unescape: h.isRefused()}}
	c := &m.columnsOf
	for field, names := range medusaNames {
		c.find(field, names...)
	}
	for n := 1; n <= medusaListMax; n++ {
		c.find(fmt.Sprint("picture ", n), fmt.Sprintf("product image%d url", n), fmt.Sprintf("image%d url", n))
		c.find(fmt.Sprint("category ", n), fmt.Sprintf("product category %d name", n))
	}
	for n, o := range optionNames {
		c.find(o.name, fmt.Sprintf("variant option%d name", n+1), fmt.Sprintf("option%d name", n+1))
		c.find(o.value, fmt.Sprintf("variant option%d value", n+1), fmt.Sprintf("option%d value", n+1))
	}
	if c.find("price", "variant price "+string(shop), "price "+string(shop)) || shop == "" {
		return m, nil
	}
	var prices []string
	for _, k := range slices.Sorted(maps.Keys(h.at)) {
		if strings.HasPrefix(k, "price ") || strings.HasPrefix(k, "variant price ") {
			prices = append(prices, h.names[h.at[k]])
		}
	}
	return nil, unknown("This is Medusa's export, and none of its prices is in the shop's currency, %s: it has %s.", shop, strings.Join(prices, ", "))
}

func (m *medusa) kind() string      { return "Medusa" }
func (m *medusa) columns() *columns { return &m.columnsOf }

// product implements format.
func (m *medusa) product(row catalog.Row) (source, handle, why string) {
	if source = m.columnsOf.trimmed(row, "handle"); source == "" {
		source = m.columnsOf.trimmed(row, "title")
	}
	switch {
	case source == "":
		return "", "", "it has neither a handle nor a title"
	case catalog.IsHandle(source):
		return source, source, ""
	}
	return source, madeHandle(source), ""
}

func (m *medusa) build(handle string, rows []catalog.Row, shop money.Currency) (b built) {
	c := &m.columnsOf
	b.put.Keep = m.keep()
	p := &b.put.Product
	p.Handle, p.Title, p.Description = handle, c.first(rows, "title"), c.first(rows, "description")
	switch status := strings.ToLower(c.first(rows, "status")); status {
	case "published":
		p.Status = catalog.Published
	case "", "draft", "proposed", "rejected":
		p.Status = catalog.Draft
	default:
		return b.refuse(0, fault.Bad("status", "%.40q is not a status of Medusa's: draft, proposed, published or rejected.", status))
	}
	if tags := c.first(rows, "tags"); tags != "" {
		p.Attributes = []catalog.Attribute{{Name: "Tags", Value: tags}}
	}
	fields := []string{"thumbnail"}
	for n := 1; n <= medusaListMax; n++ {
		fields = append(fields, fmt.Sprint("picture ", n))
		if title := c.first(rows, fmt.Sprint("category ", n)); title != "" {
			b.put.CategoryPaths = append(b.put.CategoryPaths, []string{title})
		}
	}
	for _, field := range fields {
		if picture := (catalog.Picture{URL: c.first(rows, field)}); picture.URL != "" && !slices.Contains(p.Pictures, picture) {
			p.Pictures = append(p.Pictures, picture)
		}
	}
	for _, o := range optionNames {
		if name := c.first(rows, o.name); name != "" {
			p.Options = append(p.Options, name)
		}
	}
	for i, row := range rows {
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
	return b
}

func (m *medusa) keep() catalog.Fields {
	return m.columnsOf.keep(map[catalog.Fields][]string{
		catalog.FieldDescription: {"description"}, catalog.FieldStatus: {"status"}, catalog.FieldBrand: nil, catalog.FieldCategories: {"category 1"},
		catalog.FieldAttributes: {"tags"}, catalog.FieldPictures: {"picture 1", "thumbnail"},
	})
}
