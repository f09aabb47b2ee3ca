package productcsv

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// ownNames are the shop's own columns, in the order of an export.
//
//	handle          names the product in addresses; the rows of one product share it and follow each other. Required.
//	title           required on the product's first row
//	description     text or HTML
//	status          draft or published; empty is draft
//	brand           title of the brand; made where it does not exist
//	categories      paths of titles: Home > Mugs | Gifts; made where they do not exist
//	attributes      Material=Stoneware | Care=Dishwasher
//	pictures        addresses: https://example.com/a.jpg | https://example.com/b.jpg
//	picture_alts    what the pictures show, in the same order
//	option1_name    what the variants differ in, such as Colour; up to three options
//	option1_value   this row's
//	...
//	sku             the variant's stock code. Required.
//	price           digits with a decimal point, such as 12.50. Required.
//	currency        where given, the shop's
//
// Each row is a variant. What concerns the whole product stands on its first row; the others repeat it or leave it empty.
// In lists | separates, in attributes = does; a backslash takes their meaning away: \|, \=, \\. A column that the file does
// not have leaves what the product has as it is.
var ownNames = []string{
	"handle", "title", "description", "status", "brand", "categories", "attributes", "pictures", "picture_alts",
	"option1_name", "option1_value", "option2_name", "option2_value", "option3_name", "option3_value", "sku", "price", "currency",
}

var ownRequired = []string{"handle", "title", "sku", "price"}

// ownWhole are the columns that concern the whole product.
var ownWhole = []string{
	"title", "description", "status", "brand", "categories", "attributes", "pictures", "picture_alts", "option1_name", "option2_name", "option3_name",
}

type own struct {
	index map[string]int
	keep  catalog.Fields
}

// ownColumns returns the columns, what is required and not there, and what is there and not known.
func ownColumns(index map[string]int) (o *own, missing, others []string) {
	o = &own{index: map[string]int{}}
	for name, i := range index {
		if name == "" {
			continue
		}
		if !slices.Contains(ownNames, name) {
			others = append(others, name)
			continue
		}
		o.index[name] = i
	}
	for _, name := range ownRequired {
		if _, ok := o.index[name]; !ok {
			missing = append(missing, name)
		}
	}
	slices.Sort(others)
	for name, field := range map[string]catalog.Fields{
		"description": catalog.FieldDescription, "status": catalog.FieldStatus, "brand": catalog.FieldBrand,
		"categories": catalog.FieldCategories, "attributes": catalog.FieldAttributes, "pictures": catalog.FieldPictures,
	} {
		if _, ok := o.index[name]; !ok {
			o.keep |= field
		}
	}
	return o, missing, others
}

func (o *own) handle() int     { return o.index["handle"] }
func (o *own) notes() []string { return nil }

// cell returns a column's cell, empty where the file has no such column.
func (o *own) cell(row catalog.Row, column string) string {
	if i, ok := o.index[column]; ok {
		return row.Fields[i]
	}
	return ""
}

func (o *own) build(rows []catalog.Row, shop money.Currency) (put catalog.Put, variantRows []int, at int, refusal *fault.Error) {
	for i, row := range rows[1:] {
		for _, column := range ownWhole {
			if c := o.cell(row, column); c != "" && c != o.cell(rows[0], column) {
				return put, nil, i + 1, fault.Bad(column, "It is not what line %d says; leave it empty, or repeat that.", rows[0].Line)
			}
		}
	}
	first := func(column string) string { return o.cell(rows[0], column) }
	put.Keep = o.keep
	p := &put.Product
	p.Handle, p.Title, p.Description = strings.TrimSpace(first("handle")), first("title"), first("description")
	p.Status = catalog.Status(strings.ToLower(strings.TrimSpace(first("status"))))
	put.BrandTitle = strings.TrimSpace(first("brand"))
	put.CategoryPaths = paths(first("categories"), "|", ">")
	if p.Attributes, refusal = attributes(first("attributes")); refusal != nil {
		return put, nil, 0, refusal
	}
	if p.Pictures, refusal = pictures(first("pictures"), first("picture_alts")); refusal != nil {
		return put, nil, 0, refusal
	}
	options := 0
	for n := 1; n <= catalog.OptionsMax; n++ {
		if name := first(fmt.Sprintf("option%d_name", n)); strings.TrimSpace(name) != "" {
			if options != n-1 {
				return put, nil, 0, fault.Bad(fmt.Sprintf("option%d_name", n-1), "It is required where a later one is given.")
			}
			p.Options, options = append(p.Options, name), n
		}
	}
	for i, row := range rows {
		v := catalog.Variant{Code: o.cell(row, "sku")}
		if v.Price, refusal = price(o.cell(row, "price"), o.cell(row, "currency"), shop); refusal != nil {
			return put, nil, i, refusal
		}
		for n := 1; n <= catalog.OptionsMax; n++ {
			column := fmt.Sprintf("option%d_value", n)
			value := o.cell(row, column)
			if n <= options {
				v.Options = append(v.Options, value)
			} else if strings.TrimSpace(value) != "" {
				return put, nil, i, fault.Bad(column, "There is a value, and no option%d_name.", n)
			}
		}
		p.Variants, variantRows = append(p.Variants, v), append(variantRows, i)
	}
	return put, variantRows, 0, nil
}

// price reads a price in the shop's currency.
func price(text, currency string, shop money.Currency) (money.Amount, *fault.Error) {
	if c := strings.TrimSpace(currency); c != "" && c != string(shop) {
		return money.Amount{}, fault.Bad("currency", "It is %q; the shop's currency is %s.", c, shop)
	}
	text = strings.TrimSpace(text)
	if text == "" {
		return money.Amount{}, fault.Bad("price", "It is required.")
	}
	a, err := money.Parse(text, shop)
	if err != nil {
		return a, fault.Bad("price", "%.40q is not a price: digits with a decimal point and at most %d decimals, such as %s.", text, shop.Digits(), money.Of(1250, shop).Decimal())
	}
	return a, nil
}

// paths reads lists of paths: a > b | c.
func paths(text, between, inside string) (all [][]string) {
	for path := range strings.SplitSeq(text, between) {
		var titles []string
		for title := range strings.SplitSeq(path, inside) {
			titles = append(titles, strings.TrimSpace(title))
		}
		if len(titles) > 1 || titles[0] != "" {
			all = append(all, titles)
		}
	}
	return all
}

func attributes(text string) (all []catalog.Attribute, refusal *fault.Error) {
	for _, part := range cut(text, '|') {
		pair := cut(part, '=')
		if len(pair) != 2 {
			return nil, fault.Bad("attributes", "%.60q is not name=value; a = inside either is written \\=.", part)
		}
		all = append(all, catalog.Attribute{Name: plain(pair[0]), Value: plain(pair[1])})
	}
	return all, nil
}

func pictures(urls, alts string) (all []catalog.Picture, refusal *fault.Error) {
	for _, url := range cut(urls, '|') {
		all = append(all, catalog.Picture{URL: plain(url)})
	}
	words := cut(alts, '|')
	if len(words) > len(all) {
		return nil, fault.Bad("picture_alts", "There are %d for %d pictures.", len(words), len(all))
	}
	for i, alt := range words {
		all[i].Alt = plain(alt)
	}
	return all, nil
}

// cut cuts text at the separators that no backslash stands before. Blank text has no parts.
func cut(text string, separator byte) (parts []string) {
	if strings.TrimSpace(text) == "" {
		return nil
	}
	from := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, text[from:i])
			from = i + 1
		}
	}
	return append(parts, text[from:])
}

// plain takes the backslashes off, and the space around.
func plain(part string) string {
	part = strings.TrimSpace(part)
	if strings.IndexByte(part, '\\') < 0 {
		return part
	}
	var b strings.Builder
	for i := 0; i < len(part); i++ {
		if part[i] == '\\' && i+1 < len(part) {
			i++
		}
		b.WriteByte(part[i])
	}
	return b.String()
}

// escaped is what plain reads.
var escaped = strings.NewReplacer(`\`, `\\`, `|`, `\|`, `=`, `\=`)
