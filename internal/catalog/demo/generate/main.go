// Command generate makes the demo catalogue from a list of stock codes: CSV with the columns stock_code, description,
// unit_price_gbp and units_sold.
//
//	go run ./internal/catalog/demo/generate online_retail_products.csv internal/catalog/demo/products.csv.gz
//
// Codes that share their five digits are variants of one product. The command leaves out codes of another form
// (postage, bank charges, samples, vouchers), prices of zero, and entries of the stock-keepers.
package main

import (
	"cmp"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/demo"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: generate STOCKLIST.csv PRODUCTS.csv.gz")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	goods, err := read(in)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	packed, err := gzip.NewWriterLevel(out, gzip.BestCompression)
	if err != nil {
		return err
	}
	return errors.Join(write(packed, goods), packed.Close())
}

// item is a line of the stock list.
type item struct {
	digits, suffix string
	words          []string
	price          money.Amount
	sold           int
}

var (
	codeForm = regexp.MustCompile(`^(\d{5})([A-Za-z]{0,2})$`)
	// noProduct matches words in the stock-keepers' own entries.
	noProduct = regexp.MustCompile(`(?i)\b(samples?|postage|carriage|manual|adjust(ment)?|damaged?|lost|found|check|test|amazon|voucher|bank charges)\b`)
)

// read groups the list by the digits of the codes, in their order.
func read(in io.Reader) (groups [][]item, err error) {
	rows, err := csv.NewReader(in).ReadAll()
	if err != nil {
		return nil, err
	}
	if len(rows) == 0 || !slices.Equal(rows[0][:4], []string{"stock_code", "description", "unit_price_gbp", "units_sold"}) {
		return nil, errors.New("the columns must be stock_code, description, unit_price_gbp, units_sold")
	}
	all := map[string][]item{}
	for _, row := range rows[1:] {
		code := codeForm.FindStringSubmatch(row[0])
		price, err := money.Parse(row[2], demo.Currency)
		if code == nil || err != nil || price.Minor == 0 || noProduct.MatchString(row[1]) || strings.TrimSpace(row[1]) == "" {
			continue
		}
		sold, _ := strconv.Atoi(row[3]) // used for ranking only
		all[code[1]] = add(all[code[1]], item{code[1], code[2], words(row[1]), price, sold})
	}
	for _, group := range all {
		slices.SortFunc(group, func(a, b item) int { return cmp.Compare(a.suffix, b.suffix) })
		groups = append(groups, group)
	}
	slices.SortFunc(groups, func(a, b []item) int { return cmp.Compare(a[0].digits, b[0].digits) })
	return groups, nil
}

// add adds an item to its group. Codes that differ only in the case of their letter are two price lists for the same
// goods: the one that sold more stays.
func add(group []item, new item) []item {
	for i := range group {
		if strings.EqualFold(group[i].suffix, new.suffix) {
			if new.sold > group[i].sold {
				group[i] = new
			}
			return group
		}
	}
	return append(group, new)
}

func write(out io.Writer, groups [][]item) error {
	w, err := productcsv.NewWriter(out, false)
	if err != nil {
		return err
	}
	for _, group := range groups {
		p, path := product(group)
		if err := p.Check(demo.Currency); err != nil {
			return fmt.Errorf("product %s: %w", group[0].digits, err)
		}
		if err := w.Write(&p, "", [][]string{path}); err != nil {
			return err
		}
	}
	return w.Flush()
}

// product makes a product from its variants. The words they share are its title; the other words distinguish them.
func product(group []item) (p catalog.Product, category []string) {
	best := slices.MaxFunc(group, func(a, b item) int { return cmp.Compare(a.sold, b.sold) })
	shared := slices.DeleteFunc(slices.Clone(best.words), func(word string) bool {
		return slices.ContainsFunc(group, func(i item) bool { return !slices.Contains(i.words, word) })
	})
	if len(shared) < 2 {
		shared = nil // too few words for a title: use the best seller's name
	}
	title := titleCase(best.words)
	if len(group) > 1 && shared != nil {
		title = titleCase(shared)
	}
	p.Title, p.Status = title, catalog.Published
	p.Handle = catalog.Slug(title + " " + group[0].digits)
	names := make([]string, len(group))
	colours := true
	for i, one := range group {
		rest := slices.DeleteFunc(slices.Clone(one.words), func(word string) bool { return slices.Contains(shared, word) })
		names[i] = titleCase(rest)
		colours = colours && len(rest) > 0 && !slices.ContainsFunc(rest, func(word string) bool { return !isColour(word) })
	}
	if len(group) > 1 {
		p.Options = []string{map[bool]string{true: "Colour", false: "Design"}[colours]}
	}
	for i, one := range group {
		v := catalog.Variant{Code: one.digits + one.suffix, Price: one.price}
		if len(group) > 1 {
			name := names[i]
			if name == "" || slices.Index(names, name) != i || slices.Contains(names[i+1:], name) {
				name = strings.TrimSpace(name + " " + strings.ToUpper(one.suffix))
			}
			if name == "" {
				name = "Classic"
			}
			v.Options = []string{name}
		}
		p.Variants = append(p.Variants, v)
	}
	return p, categoryOf(best.words)
}

// words splits a description into words.
func words(description string) []string {
	return strings.Fields(strings.NewReplacer(",", " ", "+", " ", ".", " ").Replace(strings.ToUpper(description)))
}
