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

// ownNames are the shop's own columns, in the order of an export.
//
//	handle          part of the product's address; the rows of one product share it. Required.
//	title           required on one of the product's rows
//	description     text or HTML
//	status          draft or published; empty is draft
//	brand           title of the brand; created if missing
//	categories      paths of titles: Home > Mugs | Gifts; created if missing
//	attributes      Material=Stoneware | Care=Dishwasher
//	pictures        addresses: https://example.com/a.jpg | https://example.com/b.jpg
//	picture_alts    what the pictures show, in the same order
//	option1_name    what the variants differ in, such as Colour; up to three options
//	option1_value   this row's
//	...
//	sku             the variant's stock code. Required.
//	price           digits with a decimal point, such as 12.50. Required.
//	currency        if given, the shop's
//
// Each row is a variant. Values for the whole product are on one of its rows; other rows repeat them or leave them
// empty. | separates the items of lists, and the first = separates name and value of an attribute. A backslash escapes
// them: \|, \=, \\. A ' before a cell that a spreadsheet would calculate is not part of it. If a column is missing, the
// product's field stays as it is.
var ownNames = []string{
	"handle", "title", "description", "status", "brand", "categories", "attributes", "pictures", "picture_alts",
	"option1_name", "option1_value", "option2_name", "option2_value", "option3_name", "option3_value", "sku", "price", "currency",
}

var ownRequired = []string{"handle", "title", "sku", "price"}

// ownWhole are the columns for the whole product.
var ownWhole = []string{
	"title", "description", "status", "brand", "categories", "attributes", "pictures", "picture_alts", "option1_name", "option2_name", "option3_name",
}

// ownKept are the columns of each field. Without them the field stays as it is.
var ownKept = map[catalog.Fields][]string{
	catalog.FieldDescription: {"description"}, catalog.FieldStatus: {"status"}, catalog.FieldBrand: {"brand"},
	catalog.FieldCategories: {"categories"}, catalog.FieldAttributes: {"attributes"}, catalog.FieldPictures: {"pictures"},
}

// ownKind is the name of the shop's own format.
const ownKind = "Tidegate"

type own struct {
	columnsOf columns
	name      string
}

// ownColumns returns nil if the header is not the shop's own.
func ownColumns(h *header, _ money.Currency) (format, error) {
	if missing, others := ownDifference(h); len(missing) > 0 || len(others) > 0 {
		return nil, nil
	}
	o := &own{columns{header: h, at: map[string]int{}, unescape: true}, ownKind}
	for _, name := range ownNames {
		o.columnsOf.find(name, name)
	}
	return o, nil
}

// ownDifference returns the required columns that are missing, and the unknown columns.
func ownDifference(h *header) (missing, others []string) {
	known := map[string]bool{"": true, key(refusedLine): true, key(refusedReason): true, key(refusedText): true}
	for _, name := range ownNames {
		known[key(name)] = true
	}
	for _, k := range slices.Sorted(maps.Keys(h.at)) {
		if !known[k] {
			others = append(others, h.names[h.at[k]])
		}
	}
	for _, name := range ownRequired {
		if !h.has(name) {
			missing = append(missing, name)
		}
	}
	return missing, others
}

// mapped returns the format of a file whose columns the maps name. Columns with the shop's own names need no map; all
// others are ignored.
func mapped(h *header, list []string) (format, error) {
	o := &own{columns{header: h, at: map[string]int{}, unescape: h.isRefused()}, "as mapped"}
	for _, name := range ownNames {
		o.columnsOf.find(name, name)
	}
	given := map[string]string{}
	for _, m := range list {
		at := strings.LastIndexByte(m, '=') // a column's name may contain =
		if at < 0 {
			return nil, fault.Bad("map", "%.80q is not column=field.", m)
		}
		column, field := m[:at], strings.ReplaceAll(key(m[at+1:]), " ", "_")
		i, ok := h.at[key(column)]
		switch {
		case !ok:
			return nil, fault.Bad("map", "The file has no column %.80q.", column)
		case h.twice[key(column)]:
			return nil, fault.Bad("map", "The file has the column %.80q twice.", column)
		case field != "" && !slices.Contains(ownNames, field):
			return nil, fault.Bad("map", "%.80q is not a field: %s.", field, strings.Join(ownNames, ", "))
		case field != "" && given[field] != "":
			return nil, fault.Bad("map", "Both %.80q and %.80q are mapped to %s.", given[field], column, field)
		}
		maps.DeleteFunc(o.columnsOf.at, func(f string, at int) bool { return at == i && given[f] == "" })
		if field != "" {
			o.columnsOf.at[field], given[field] = i, column
		}
	}
	for _, name := range []string{"title", "price"} {
		if !o.columnsOf.has(name) {
			return nil, fault.Bad("map", "No column is the %s, which is required.", name)
		}
	}
	return o, nil
}

func (o *own) kind() string      { return o.name }
func (o *own) columns() *columns { return &o.columnsOf }

// product implements format. A mapped file may have no handles, or another shop's. Then handles are generated, without
// a handle from the title.
func (o *own) product(row catalog.Row) (source, handle, why string) {
	c := &o.columnsOf
	if !c.has("handle") {
		if title := c.trimmed(row, "title"); title != "" {
			return title, madeHandle(title), ""
		}
		return "", "", "it has no title to make a handle of"
	}
	source = c.trimmed(row, "handle")
	switch {
	case source == "":
		return "", "", "it has no handle"
	case o.name == ownKind || catalog.IsHandle(source):
		return source, source, ""
	}
	return source, madeHandle(source), ""
}

func (o *own) build(handle string, rows []catalog.Row, shop money.Currency) (b built) {
	c := &o.columnsOf
	whole := map[string]string{}
	for _, column := range ownWhole {
		from := 0
		for i, row := range rows {
			cell := c.cell(row, column)
			switch {
			case blank(cell):
			case whole[column] == "":
				whole[column], from = cell, i
			case cell != whole[column]:
				return b.refuse(i, fault.Bad(column, "It is not what line %d says; leave it empty, or repeat that.", rows[from].Line))
			}
		}
	}
	b.put.Keep = c.keep(ownKept)
	p := &b.put.Product
	p.Handle, p.Title, p.Description = handle, whole["title"], whole["description"]
	p.Status = catalog.Status(strings.ToLower(strings.TrimSpace(whole["status"])))
	b.put.BrandTitle = strings.TrimSpace(whole["brand"])
	b.put.CategoryPaths = paths(whole["categories"], "|", ">")
	var refusal *fault.Error
	if p.Attributes, refusal = attributes(whole["attributes"]); refusal != nil {
		return b.refuse(0, refusal)
	}
	if p.Pictures, refusal = pictures(whole["pictures"], whole["picture_alts"]); refusal != nil {
		return b.refuse(0, refusal)
	}
	for n := 1; n <= catalog.OptionsMax; n++ {
		if name := whole[fmt.Sprintf("option%d_name", n)]; name != "" {
			if len(p.Options) != n-1 {
				return b.refuse(0, fault.Bad(fmt.Sprintf("option%d_name", n-1), "It is required where a later one is given."))
			}
			p.Options = append(p.Options, name)
		}
	}
	return o.variants(b, rows, shop)
}

func (o *own) variants(b built, rows []catalog.Row, shop money.Currency) built {
	c := &o.columnsOf
	for i, row := range rows {
		amount, refusal := price(c.cell(row, "price"), c.cell(row, "currency"), shop)
		if refusal != nil {
			return b.refuse(i, refusal)
		}
		v := catalog.Variant{Code: c.cell(row, "sku"), Price: amount}
		for n := 1; n <= catalog.OptionsMax; n++ {
			column := fmt.Sprintf("option%d_value", n)
			value := c.cell(row, column)
			if n <= len(b.put.Product.Options) {
				v.Options = append(v.Options, value)
			} else if !blank(value) {
				return b.refuse(i, fault.Bad(column, "There is a value, and no option%d_name.", n))
			}
		}
		b.add(i, v, o.name != ownKind)
	}
	return b
}
