package productcsv_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/demo"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/shoptest"
)

// shop is a catalogue over a real database.
type shop struct {
	*testing.T
	service *catalog.Service
	reader  *catalog.Reader
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := shoptest.Open(t)
	r := catalog.NewReader(catalog.DefaultConfig(), s.Store, nil, s.Clock, slog.New(slog.DiscardHandler))
	shoptest.Check(t, r.Open(t.Context()))
	return &shop{T: t, service: catalog.New(catalog.DefaultConfig(), s.Store, r, s.Mint, s.Clock), reader: r}
}

// open opens a text. maps name its columns.
func (s *shop) open(text string, maps ...string) *productcsv.Reader {
	s.Helper()
	src, err := productcsv.Open(s.Context(), strings.NewReader(text), productcsv.Options{Currency: "GBP", Map: maps})
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = src.Close() })
	return src
}

// load imports a text. It returns the report as one line, and the refused rows.
func (s *shop) load(text string, dryRun bool) (report string, refused []string) {
	s.Helper()
	src := s.open(text)
	r, err := s.service.Import(s.Context(), src, catalog.ImportOptions{DryRun: dryRun, Refused: func(r catalog.RefusedRow) error {
		refused = append(refused, fmt.Sprintf("%d %s", r.Line, r.Reason))
		return nil
	}})
	if err != nil {
		s.Fatal(err)
	}
	return fmt.Sprintf("rows %d created %d updated %d unchanged %d refused %d", r.Rows, r.Created, r.Updated, r.Unchanged, r.Refused), refused
}

// loadFrom imports an open file. It returns the refused rows.
func (s *shop) loadFrom(src *productcsv.Reader) (report catalog.ImportReport, refused []string) {
	s.Helper()
	report, err := s.service.Import(s.Context(), src, catalog.ImportOptions{Refused: func(r catalog.RefusedRow) error {
		refused = append(refused, fmt.Sprintf("%d %s", r.Line, r.Reason))
		return nil
	}})
	if err != nil {
		s.Fatal(err)
	}
	return report, refused
}

func (s *shop) same(what string, got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s differs (-want +got):\n%s", what, diff)
	}
}

func (s *shop) byCode(code string) string {
	s.Helper()
	page, err := s.reader.ProductByCode(s.Context(), code)
	if err != nil {
		s.Fatal(err)
	}
	return string(page.Body)
}

func (s *shop) export() string {
	s.Helper()
	var b bytes.Buffer
	w, err := productcsv.NewWriter(&b, false)
	if err != nil {
		s.Fatal(err)
	}
	if err := errors.Join(s.service.Export(s.Context(), w.Write), w.Flush()); err != nil {
		s.Fatal(err)
	}
	return b.String()
}

const ownFile = "\ufeffHandle,title,description,status,brand,categories,attributes,pictures,picture_alts,option1_name,option1_value,sku,price,currency\r\n" +
	"mug,Blue mug,\"Two lines,\r\n\"\"quoted\"\"\",published,Acme,Home > Mugs | Gifts,\"Material=Stone\\|ware | a\\=b=c\\\\d\",https://example.com/a.jpg | https://example.com/b.jpg, | The back,Colour,Blue,MUG-B,12.5,GBP\r\n" +
	"mug,,,,,,,,,,Red,MUG-R,13,\r\n" +
	"\r\n,,,,,,,,,,,,,\r\n" +
	"cup,Cup,,,,,,,,,,CUP,0.99,\r\n"

func TestOwnColumns(t *testing.T) {
	s := newShop(t)
	dry, refused := s.load(ownFile, true)
	s.same("dry run", dry, "rows 3 created 2 updated 0 unchanged 0 refused 0")
	s.same("refused", refused, []string(nil))
	if _, err := s.reader.ProductByCode(t.Context(), "MUG-B"); !errors.Is(err, fault.NotFound) {
		t.Errorf("after the dry run: %v", err)
	}
	first, _ := s.load(ownFile, false)
	s.same("first", first, "rows 3 created 2 updated 0 unchanged 0 refused 0")
	again, _ := s.load(ownFile, false)
	s.same("again", again, "rows 3 created 0 updated 0 unchanged 2 refused 0")
	body := s.byCode("MUG-R")
	for _, part := range []string{
		`"handle":"mug"`, `"description":"Two lines,\n\"quoted\""`, `"brand":"acme"`, `"categories":["home-mugs","gifts"]`,
		`{"name":"Material","value":"Stone|ware"},{"name":"a=b","value":"c\\d"}`,
		`"pictures":[{"url":"https://example.com/a.jpg","alt":""},{"url":"https://example.com/b.jpg","alt":"The back"}]`,
		`"options":["Colour"]`, `"price":{"minor":1250,"currency":"GBP"}`, `"title":"Red"`, `"price":{"minor":1300,`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	out := s.export()
	round, refused := s.load(out, false)
	s.same("the export, imported", round, "rows 3 created 0 updated 0 unchanged 2 refused 0")
	s.same("refused", refused, []string(nil))
	other := newShop(t)
	other.load(out, false)
	s.same("another shop's export", other.export(), out)
}

func TestAColumnThatIsNotThereIsLeftAsItIs(t *testing.T) {
	s := newShop(t)
	s.load(ownFile, false)
	report, _ := s.load("handle,title,option1_name,option1_value,sku,price\nmug,Blue mug,Colour,Blue,MUG-B,9.99\nmug,,,Red,MUG-R,13\n", false)
	s.same("report", report, "rows 2 created 0 updated 1 unchanged 0 refused 0")
	s.load("handle,title,description,option1_name,option1_value,sku,price\nmug,Blue mug,,Colour,Blue,MUG-B,9.99\nmug,,,,Red,MUG-R,13\n", false)
	body := s.byCode("MUG-B")
	for _, part := range []string{`"description":""`, `"brand":"acme"`, `"categories":["home-mugs","gifts"]`, `"status":"published"`, `"minor":999`, `"version":3`} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
}

const shopifyFile = `Handle,Title,Body (HTML),Vendor,Product Category,Type,Tags,Published,Option1 Name,Option1 Value,Option2 Name,Option2 Value,Variant SKU,Variant Grams,Variant Inventory Qty,Variant Price,Variant Compare At Price,Image Src,Image Position,Image Alt Text,Gift Card,Status
shirt,Shirt,<p>Soft</p>,Acme,Apparel > Shirts,Tops > Shirts,"soft, new",TRUE,Size,S,Colour,Red,SH-S,100,5,19.90,,https://cdn.example.com/1.jpg,1,Front,FALSE,active
shirt,,,,,,,,,M,,Red,SH-M,100,5,19.90,,https://cdn.example.com/2.jpg,2,,,
shirt,,,,,,,,,,,,,,,,,https://cdn.example.com/3.jpg,3,Back,,
card,Gift card,,Acme,Cards > Gift cards,,,FALSE,Title,Default Title,,,,,,25.00,,,,,TRUE,active
コップ,Cup,,,,,,TRUE,Title,Default Title,,,CUP,,,4.00,,,,,FALSE,active
old,Old,,,,,,TRUE,Title,Default Title,,,OLD,,,4.00,,,,,FALSE,archived
`

func TestShopify(t *testing.T) {
	s := newShop(t)
	src := s.open(shopifyFile)
	s.same("format", src.File().Format, "Shopify")
	r, err := s.service.Import(t.Context(), src, catalog.ImportOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s.same("notes", r.Notes, []string{
		"The column Variant Grams is not imported: 2 rows have it.",
		"The column Variant Inventory Qty is not imported: 2 rows have it. Stock has a ledger of its own: receive it with an adjustment of the SKU's stock.",
		"The column Gift Card is not imported: 4 rows have it.",
	})
	again, refused := s.load(shopifyFile, false)
	s.same("again", again, "rows 6 created 0 updated 0 unchanged 4 refused 0")
	s.same("refused", refused, []string(nil))
	body := s.byCode("SH-M")
	for _, part := range []string{
		`"description":"<p>Soft</p>"`, `"categories":["tops-shirts","apparel-shirts"]`, `{"name":"Tags","value":"soft, new"}`, `"options":["Size","Colour"]`,
		`"url":"https://cdn.example.com/3.jpg","alt":"Back"`, `"options":["M","Red"]`, `"minor":1990`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	if body := s.byCode("CUP"); !strings.Contains(body, `"handle":"product-`) || !strings.Contains(body, `"options":[]`) {
		t.Error(body)
	}
	items, _, err := s.service.List(t.Context(), catalog.Draft, catalog.ListQuery{Limit: 10})
	if err != nil || len(items) != 2 || items[0].Handle != "old" || items[1].Variants[0].Code != "card" || items[1].Categories[0] != "cards-gift-cards" {
		t.Errorf("drafts: %+v, %v", items, err)
	}
}

func TestShopifysNewNames(t *testing.T) {
	s := newShop(t)
	report, _ := s.load("Title,URL handle,Description,Vendor,Status,SKU,Option1 name,Option1 value,Price,Inventory quantity,Product image URL\nMug,mug,Text,Acme,Active,M-1,,,5.00,3,https://example.com/a.jpg\n", false)
	s.same("report", report, "rows 1 created 1 updated 0 unchanged 0 refused 0")
	if body := s.byCode("M-1"); !strings.Contains(body, `"description":"Text"`) {
		t.Error(body)
	}
}

func TestRefusedRows(t *testing.T) {
	const header = "handle,title,description,status,option1_name,option1_value,sku,price,currency\n"
	const good = "good,Good,,published,,,G,1.00,\n"
	for name, c := range map[string]struct {
		rows    string
		refused []string
	}{
		"no price":           {"a,A,,,,,X,,\n", []string{"2 price: It is required."}},
		"a comma":            {"a,A,,,,,X,\"12,50\",\n", nil},
		"a decimal too many": {"a,A,,,,,X,12.345,\n", []string{`2 price: "12.345" may be thousands or decimals: write it without separators of thousands, and with a decimal point, such as 12.50.`}},
		"thousands":          {"a,A,,,,,X,\"1,250\",\n", []string{`2 price: "1,250" may be thousands or decimals: write it without separators of thousands, and with a decimal point, such as 12.50.`}},
		"German thousands":   {"a,A,,,,,X,1.250,\n", []string{`2 price: "1.250" may be thousands or decimals: write it without separators of thousands, and with a decimal point, such as 12.50.`}},
		"both":               {"a,A,,,,,X,\"1,250.00\",\n", []string{`2 price: "1,250.00" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.`}},
		"both in German":     {"a,A,,,,,X,\"1.250,00\",\n", []string{`2 price: "1.250,00" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.`}},
		"an exponent":        {"a,A,,,,,X,1e2,\n", []string{`2 price: "1e2" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.`}},
		"too much":           {"a,A,,,,,X,150000000.00,\n", []string{"2 price: It is 150000000.00; 0.00 to 100000000.00 GBP is allowed."}},
		"a sign":             {"a,A,,,,,X,£5,\n", []string{`2 price: "£5" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.`}},
		"zero":               {"a,A,,,,,X,0.00,\n", []string{"2 price: It is 0.00, which gives the product away. If it is meant to be free, say so: --allow-free of the command, allow_free=true in the API, or the box in the admin pages."}},
		"negative":           {"a,A,,,,,X,-1,\n", []string{`2 price: "-1" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.`}},
		"overflow":           {"a,A,,,,,X,99999999999999999999,\n", []string{`2 price: "99999999999999999999" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.`}},
		"another currency":   {"a,A,,,,,X,1,EUR\n", []string{`2 currency: It is "EUR"; the shop's currency is GBP.`}},
		"no sku":             {"a,A,,,,,,1,\n", []string{"2 sku: It is required."}},
		"no title":           {"a,,,,,,X,1,\n", []string{"2 title: It is required."}},
		"another status":     {"a,A,,live,,,X,1,\n", []string{`2 status: "live" is not a status: draft or published.`}},
		"a bad handle":       {"A b,A,,,,,X,1,\n", []string{`2 handle: "A b" is not a handle: a to z and digits, joined by single hyphens.`}},
		"a bad variant":      {"a,A,,,Size,S,X,1,\na,,,,,M,Y,x,\n", []string{"2 The product was not taken because of line 3.", `3 price: "x" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.`}},
		"twins":              {"a,A,,,Size,S,X,1,\na,,,,,S,Y,1,\n", []string{"2 The product was not taken because of line 3.", "3 options: Another variant has the same options."}},
		"no option":          {"a,A,,,,,X,1,\na,,,,,,Y,1,\n", []string{"2 options: A product with several variants names what they differ in, such as Colour.", "3 The product was not taken because of line 2."}},
		"value of nothing":   {"a,A,,,,S,X,1,\n", []string{"2 option1_value: There is a value, and no option1_name."}},
		"two titles":         {"a,A,,,Size,S,X,1,\na,B,,,,M,Y,1,\n", []string{"2 The product was not taken because of line 3.", "3 title: It is not what line 2 says; leave it empty, or repeat that."}},
		"a code twice":       {"a,A,,,,,X,1,\nb,B,,,,,X,1,\n", []string{`2 sku: The code "X" is used in line 3 too.`, `3 sku: The code "X" is used in line 2 too.`}},
		"a handle twice":     {"a,A,,,,,X,1,\nb,B,,,,,Y,1,\na,A,,,,,Z,1,\n", []string{"2 options: A product with several variants names what they differ in, such as Colour.", "4 The product was not taken because of line 2."}},
		"a field missing":    {"a,A,,,,,X,1\n", []string{"2 The row cannot be read: it has 8 fields and the header has 9."}},
		"no handle between":  {"a,A,,,,,X,1,\n,B,,,,,Y,1,\nc,C,,,,,Z,1,\n", []string{"2 The product was not taken because of line 3.", "3 The row cannot be read: it has no handle.", "4 Line 3, before the product, cannot be read and may belong to it."}},
		"no handle within":   {"a,A,,,Size,S,X,1,\n,,,,,M,Y,1,\na,,,,,L,Z,1,\nc,C,,,,,D,1,\n", []string{"2 The product was not taken because of line 3.", "3 The row cannot be read: it has no handle.", "4 The product was not taken because of line 3."}},
		"a bare quote":       {"a,5\" nail,,,,,X,1,\ngap,Gap,,,,,H,1,\n", []string{`2 The row cannot be read: field 2 has a quote but does not begin with one: put it in quotes and double those inside.`, "3 Line 2, before the product, cannot be read and may belong to it."}},
		"after a quote":      {"a,\"A\"b,,,,,X,1,\ngap,Gap,,,,,H,1,\n", []string{`2 The row cannot be read: field 2 goes on after its closing quote: double the quotes inside a field.`, "3 Line 2, before the product, cannot be read and may belong to it."}},
		"a NUL":              {"a,A\x00,,,,,X,1,\n", []string{"2 title: It holds U+0000, a control character."}},
		"a line too long":    {"a," + strings.Repeat("x", productcsv.RecordBytesMax) + ",,,,,X,1,\ngap,Gap,,,,,H,1,\n", []string{"2 The row cannot be read: the line is longer than 1048576 bytes.", "3 Line 2, before the product, cannot be read and may belong to it."}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			_, refused := s.load(header+c.rows+good, false)
			s.same("refused", refused, c.refused)
			s.byCode("G")
			if _, err := s.reader.ProductByCode(t.Context(), "H"); err == nil {
				t.Error("a product next to a row that cannot be read was taken")
			}
		})
	}
}

func TestACodeOfAnotherProductIsRefused(t *testing.T) {
	s := newShop(t)
	const header = "handle,title,status,sku,price\n"
	s.load(header+"a,A,published,X,1\n", false)
	report, refused := s.load(header+"b,B,published,X,1\nc,C,published,Y,1\n", false)
	s.same("report", report, "rows 2 created 1 updated 0 unchanged 0 refused 1")
	if len(refused) != 1 || !strings.HasPrefix(refused[0], `2 sku: The stock code "X" is product `) {
		t.Error(refused)
	}
}

func TestRefusedFileCanBeCorrectedAndImported(t *testing.T) {
	s := newShop(t)
	text := "handle,title,status,sku,price\na,A,published,X,oops\nb,\"B,\n2\",published,Y,1\nc,5\" nail,published,Z,1\n"
	src := s.open(text)
	var out bytes.Buffer
	w, err := productcsv.NewRefusals(&out, src.Header())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.service.Import(t.Context(), src, catalog.ImportOptions{Refused: w.Write}); err != nil {
		t.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	want := `refused_line,refused_reason,refused_text,handle,title,status,sku,price
2,"price: ""oops"" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.",,a,A,published,X,oops
3,The product was not taken because of line 5.,,b,"B,
2",published,Y,1
5,The row cannot be read: field 2 has a quote but does not begin with one: put it in quotes and double those inside.,"c,5"" nail,published,Z,1",,,,,
`
	s.same("refused file", out.String(), want)
	corrected := strings.Replace(out.String(), ",oops", ",1", 1)
	corrected, _, _ = strings.Cut(corrected, "\n5,")
	report, _ := s.load(strings.Replace(corrected, "B,\n2", "B 2", 1)+"\n", false)
	s.same("corrected", report, "rows 2 created 2 updated 0 unchanged 0 refused 0")
}

func TestFilesThatAreNotProducts(t *testing.T) {
	var orders bytes.Buffer
	z := gzip.NewWriter(&orders)
	_, _ = z.Write([]byte("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n536365,85123A,HOLDER,6,2010,2.55,17850,UK\n"))
	_ = z.Close()
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "The file is empty"},
		"orders":          {orders.String(), "a list of orders"},
		"a typo":          {"handle,title,sku,prcie\n", "lacks price, and it has columns that are not known: prcie"},
		"one too many":    {"handle,title,sku,price,stock\n", "not known: stock"},
		"a column twice":  {"handle,title,sku,price,Price\n", "twice"},
		"UTF-16":          {"\xff\xfeh\x00a\x00\x00\xd8", "not utf-16le"},
		"a workbook":      {"PK\x03\x04....", "workbook"},
		"UTF-16, no mark": {"h\x00a\x00n\x00d\x00l\x00e\x00", "utf-16le"},
		"UTF-32":          {"\xff\xfe\x00\x00h\x00\x00\x00", "UTF-32"},
		"Cyrillic":        {"handle,title,sku,price\na,\xd7\xe0\xf8\xea\xe0,A,1\n", "not UTF-8, as of line 2"},
		"broken gzip":     {"\x1f\x8b\x08\x00", "damaged"},
		"cut-off gzip":    {orders.String()[:60], "cut off"},
		"an open quote":   {"handle,title,sku,price\na,\"" + strings.Repeat("x\n", 600_000), "not closed"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			src, err := productcsv.Open(t.Context(), strings.NewReader(c.text), productcsv.Options{Currency: "GBP"})
			if err == nil {
				_, err = s.service.Import(t.Context(), src, catalog.ImportOptions{})
			}
			if err == nil || fault.CodeOf(err) == fault.Internal || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// Nothing of an incomplete file is imported: a product could lose variants. An import that ends early keeps what it has
// committed, and importing the same file again continues there.
func TestAnImportThatDiesGoesOn(t *testing.T) {
	s := newShop(t)
	var b strings.Builder
	b.WriteString("handle,title,status,sku,price\n")
	for i := range 1000 {
		fmt.Fprintf(&b, "p%d,Product %d,published,C%d,%d.00\n", i, i, i, i+1)
	}
	if _, err := productcsv.Open(t.Context(), io.MultiReader(strings.NewReader(b.String()[:20_000]), failing{}), productcsv.Options{Currency: "GBP"}); err == nil {
		t.Fatal("half a file was taken")
	}
	s.same("after half a file", strings.Count(s.export(), "\n"), 1)
	progress, stop := 0, errors.New("enough")
	part, err := s.service.Import(t.Context(), s.open(b.String()), catalog.ImportOptions{Progress: func(catalog.ImportProgress) error {
		if progress++; progress == 3 {
			return stop
		}
		return nil
	}})
	if !errors.Is(err, stop) || part.Created != 300 {
		t.Fatalf("%+v, %v", part, err)
	}
	progress = 3
	whole, err := s.service.Import(t.Context(), s.open(b.String()), catalog.ImportOptions{Progress: func(catalog.ImportProgress) error { progress++; return nil }})
	if err != nil || whole.Created != 700 || whole.Unchanged != 300 || progress != 13 {
		t.Errorf("%+v, %v, progress %d", whole, err, progress)
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("the cable was pulled") }

// The demo catalogue is imported completely, twice with the same result, and can be exported to another shop unchanged.
func TestTheDemoCatalogue(t *testing.T) {
	s := newShop(t)
	load := func(s *shop, in io.Reader) catalog.ImportReport {
		t.Helper()
		src, err := productcsv.Open(t.Context(), in, productcsv.Options{Currency: demo.Currency})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.service.Import(t.Context(), src, catalog.ImportOptions{Refused: func(r catalog.RefusedRow) error {
			return fmt.Errorf("line %d: %s", r.Line, r.Reason)
		}})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := load(s, demo.Products())
	if first.Created < 3000 || first.Rows <= first.Created || first.Created+first.Updated+first.Unchanged != first.Created {
		t.Errorf("first: %+v", first)
	}
	if again := load(s, demo.Products()); again.Unchanged != first.Created || again.Created+again.Updated != 0 {
		t.Errorf("again: %+v", again)
	}
	for _, part := range []string{`"title":"Edwardian Parasol"`, `"options":["Colour"]`, `"sku":"15056N"`, `"title":"Pink"`, `"status":"published"`} {
		if body := s.byCode("15056P"); !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	out := s.export()
	if round := load(s, strings.NewReader(out)); round.Unchanged != first.Created {
		t.Errorf("its own export: %+v", round)
	}
	other := newShop(t)
	load(other, strings.NewReader(out))
	if other.export() != out {
		t.Error("another shop's export differs")
	}
}
