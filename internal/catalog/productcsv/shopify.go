package productcsv

import (
	"encoding/hex"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// shopifyNames are the columns of Shopify's product CSV that are imported, each with its name in the exports since 2025.
// See https://help.shopify.com/en/manual/products/import-export/using-csv.
//
//	Handle                      handle; rows that share it are one product
//	Title, Body (HTML)          title, description
//	Vendor                      brand
//	Type, or Product Category   category: the type's name, or the category's path
//	Tags                        the attribute Tags
//	Status, Published           published where the status is active (or missing) and Published is not FALSE; else draft
//	Option1 Name and Value ...  options; Title with Default Title is none
//	Variant SKU                 stock code; where it is empty, made of the handle and the options
//	Variant Price               price, in the shop's currency
//	Image Src, Image Alt Text   pictures, also from rows that have nothing else
//
// Every other column is passed over. Stock is not imported: it has a ledger of its own.
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
	"stock":         {"variant inventory qty", "inventory quantity"},
}

// shopifyMarks are columns of which Shopify's files have at least one, and no others.
var shopifyMarks = []string{"variant price", "body (html)", "option1 name", "option1 value", "url handle", "variant sku"}

type shopify struct {
	index map[string]int
	keep  catalog.Fields
}

// shopifyColumns returns nil where the header is not Shopify's.
func shopifyColumns(index map[string]int) format {
	marked := false
	for _, mark := range shopifyMarks {
		_, ok := index[mark]
		marked = marked || ok
	}
	s := &shopify{index: map[string]int{}}
	for name, columns := range shopifyNames {
		for _, column := range columns {
			if i, ok := index[column]; ok {
				s.index[name] = i
				break
			}
		}
	}
	for _, name := range []string{"handle", "title", "price"} {
		if _, ok := s.index[name]; !ok {
			return nil
		}
	}
	if !marked {
		return nil
	}
	for field, names := range map[catalog.Fields][]string{
		catalog.FieldDescription: {"description"}, catalog.FieldStatus: {"status", "published"}, catalog.FieldBrand: {"brand"},
		catalog.FieldCategories: {"type", "category"}, catalog.FieldAttributes: {"tags"}, catalog.FieldPictures: {"picture"},
	} {
		if !s.hasAny(names) {
			s.keep |= field
		}
	}
	return s
}

func (s *shopify) hasAny(names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, ok := s.index[name]
		return ok
	})
}

func (s *shopify) handle() int { return s.index["handle"] }

func (s *shopify) notes() []string {
	if _, ok := s.index["stock"]; ok {
		return []string{"The column Variant Inventory Qty is not imported: stock has a ledger of its own; receive it with an adjustment of the SKU's stock."}
	}
	return nil
}

func (s *shopify) cell(row catalog.Row, name string) string {
	if i, ok := s.index[name]; ok {
		return strings.TrimSpace(row.Fields[i])
	}
	return ""
}

func (s *shopify) build(rows []catalog.Row, shop money.Currency) (put catalog.Put, variantRows []int, at int, refusal *fault.Error) {
	first := func(name string) string { return s.cell(rows[0], name) }
	put.Keep = s.keep
	p := &put.Product
	p.Handle, p.Title, p.Description = shopifyHandle(first("handle")), first("title"), first("description")
	p.Status = catalog.Draft
	if status := strings.ToLower(first("status")); (status == "" || status == "active") && !strings.EqualFold(first("published"), "false") {
		p.Status = catalog.Published
	}
	put.BrandTitle = first("brand")
	switch {
	case first("type") != "":
		put.CategoryPaths = [][]string{{strings.NewReplacer(">", "/", "|", "/").Replace(first("type"))}}
	case first("category") != "":
		put.CategoryPaths = paths(first("category"), "|", ">")
	}
	if tags := first("tags"); tags != "" {
		p.Attributes = []catalog.Attribute{{Name: "Tags", Value: tags}}
	}
	p.Options = s.options(rows[0])
	for i, row := range rows {
		if url := s.cell(row, "picture"); url != "" {
			p.Pictures = addPicture(p.Pictures, catalog.Picture{URL: url, Alt: s.cell(row, "alt")})
		}
		if i > 0 && s.onlyPicture(row) {
			continue
		}
		v := catalog.Variant{Code: s.cell(row, "sku")}
		if v.Price, refusal = price(s.cell(row, "price"), "", shop); refusal != nil {
			return put, nil, i, refusal
		}
		for n := range p.Options {
			v.Options = append(v.Options, s.cell(row, optionNames[n].value))
		}
		if v.Code == "" {
			v.Code = strings.Trim(p.Handle+"-"+catalog.Slug(strings.Join(v.Options, " ")), "-")
		}
		p.Variants, variantRows = append(p.Variants, v), append(variantRows, i)
	}
	return put, variantRows, 0, nil
}

var optionNames = [catalog.OptionsMax]struct{ name, value string }{
	{"option1_name", "option1_value"}, {"option2_name", "option2_value"}, {"option3_name", "option3_value"},
}

// options returns the options' names. Shopify writes a product without options as Title with Default Title.
func (s *shopify) options(row catalog.Row) (names []string) {
	for _, o := range optionNames {
		name := s.cell(row, o.name)
		if name == "" || strings.EqualFold(name, "Title") && strings.EqualFold(s.cell(row, o.value), "Default Title") {
			break
		}
		names = append(names, name)
	}
	return names
}

// onlyPicture reports a row that has a picture and no variant.
func (s *shopify) onlyPicture(row catalog.Row) bool {
	return s.cell(row, "price") == "" && s.cell(row, "sku") == "" && s.cell(row, "option1_value") == ""
}

func addPicture(all []catalog.Picture, p catalog.Picture) []catalog.Picture {
	for _, q := range all {
		if q.URL == p.URL {
			return all
		}
	}
	return append(all, p)
}

// shopifyHandle makes a handle of Shopify's, which may be in any script: one without Latin letters gets a name that is the
// same in every import.
func shopifyHandle(handle string) string {
	if slug := catalog.Slug(handle); slug != "" {
		return slug
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(handle)) // never fails
	return "product-" + hex.EncodeToString(h.Sum(nil))
}
