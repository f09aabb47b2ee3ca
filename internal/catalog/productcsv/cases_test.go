package productcsv_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
)

// Files that once lost goods silently. Each is imported as a dry run, then twice. want is the report of the dry run and
// of the first import, again that of the second.
func TestFilesThatLostGoods(t *testing.T) {
	for n, c := range []struct {
		file        string // in testdata/cases, or the text
		want, again string
		refused     []string
		notes       []string // parts
		codes       []string
	}{
		{
			file: "01-handles.csv", want: "rows 2 created 2 updated 0 unchanged 0 refused 0", again: "rows 2 created 0 updated 0 unchanged 2 refused 0",
			codes: []string{"CASE", "CHARGER"},
		},
		{ // the same with accented letters
			file: "Handle,Title,Variant SKU,Variant Price\ncafé,A,A,1\ncafe,B,B,1\nok,C,C,1\n",
			want: "rows 3 created 1 updated 0 unchanged 0 refused 2", again: "rows 3 created 0 updated 0 unchanged 1 refused 2",
			refused: []string{
				"2 The product was not taken because of line 3.",
				`3 Handle: "cafe" here and "café" in line 2 are two products, and both would be stored under the handle "cafe".`,
			},
		},
		{ // and with handles that are too long
			file: "Handle,Title,Variant SKU,Variant Price\n" + strings.Repeat("long-", 30) + "a,A,A,1\n" + strings.Repeat("long-", 30) + "b,B,B,1\n",
			want: "rows 2 created 2 updated 0 unchanged 0 refused 0", again: "rows 2 created 0 updated 0 unchanged 2 refused 0", codes: []string{"A", "B"},
		},
		{
			file: "02-codes-from-options.csv", want: "rows 2 created 1 updated 0 unchanged 0 refused 0", again: "rows 2 created 0 updated 0 unchanged 1 refused 0",
		},
		{ // colliding generated codes: by signs, by other word boundaries, and with a given code
			file: "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\ncell,Cell,Size,A+,,9.00\ncell,,,A-,,9.00\ncell,,,A,,9.00\ncell,,,a,,9.00\n" +
				"x,X,Size,y z,,1\nx-y,XY,Size,z,,1\nother,Other,,,x-y-z,1\n",
			want: "rows 7 created 4 updated 0 unchanged 0 refused 0", again: "rows 7 created 0 updated 0 unchanged 4 refused 0", codes: []string{"x-y-z"},
		},
		{
			file: "03-code-too-long.csv", want: "rows 1 created 1 updated 0 unchanged 0 refused 0", again: "rows 1 created 0 updated 0 unchanged 1 refused 0",
		},
		{
			file: "08-query-string.csv", want: "rows 1 created 1 updated 0 unchanged 0 refused 0", again: "rows 1 created 0 updated 0 unchanged 1 refused 0", codes: []string{"MUG"},
		},
		{
			file: "09-own-columns-capitalised.csv", want: "rows 1 created 1 updated 0 unchanged 0 refused 0", again: "rows 1 created 0 updated 0 unchanged 1 refused 0",
			codes: []string{"A"}, notes: []string{"would fit another shop's files too; they are read as Tidegate"},
		},
		{
			file: "10-blank-row.csv", want: "rows 1 created 1 updated 0 unchanged 0 refused 0", again: "rows 1 created 0 updated 0 unchanged 1 refused 0", codes: []string{"L1"},
		},
		{
			file: "12-messages.csv", want: "rows 2 created 0 updated 0 unchanged 0 refused 2", again: "rows 2 created 0 updated 0 unchanged 0 refused 2",
			refused: []string{
				"2 Variant Price: It is 150000000.00; 0.00 to 100000000.00 GBP is allowed.", "3 Variant Price: It is 0.00, which gives the product away. If it is meant to be free, say so: --allow-free of the command, allow_free=true in the API, or the box in the admin pages.",
			},
		},
		{
			file: "13-dropped-columns.csv", want: "rows 3 created 1 updated 0 unchanged 0 refused 0", again: "rows 3 created 0 updated 0 unchanged 1 refused 0",
			notes: []string{
				"Barcode is not imported: 2 rows", "Compare-at price is not imported: 1 row has it", "Inventory quantity is not imported: 2 rows", "Gift card is not imported: 1 row",
			},
			codes: []string{"M-1", "M-2"},
		},
		{ // a status unknown to Shopify is not a draft
			file: "Handle,Title,Variant SKU,Variant Price,Status\na,A,A,1,published\n", want: "rows 1 created 0 updated 0 unchanged 0 refused 1",
			again: "rows 1 created 0 updated 0 unchanged 0 refused 1", refused: []string{`2 Status: "published" is not a status of Shopify's: active, draft, archived or unlisted.`},
		},
		{ // two products with one handle
			file: "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\na,A,Size,S,A,1\nb,B,,,B,1\na,Another,Size,M,C,1\n",
			want: "rows 3 created 1 updated 0 unchanged 0 refused 2", again: "rows 3 created 0 updated 0 unchanged 1 refused 2",
			refused: []string{"2 The product was not taken because of line 4.", "4 Title: It is not what line 2 says; leave it empty, or repeat that."},
		},
		{ // headers as people write them, with a spreadsheet's separators and decimal signs
			file: "\ufeff\"HANDLE\"; Title ;option 1 name;OPTION_1-VALUE;Sku;PRICE;;\nmug;Mug;Size;S;M-S;12,50;;\n;;;;;;;\n\u00a0;;;;;;;\nmug;;;M;M-M;9;;\n",
			want: "rows 2 created 1 updated 0 unchanged 0 refused 0", again: "rows 2 created 0 updated 0 unchanged 1 refused 0", codes: []string{"M-S", "M-M"},
		},
		{
			file: "handle\ttitle\tsku\tprice\na\tA\tA\t1\n", want: "rows 1 created 1 updated 0 unchanged 0 refused 0", again: "rows 1 created 0 updated 0 unchanged 1 refused 0",
			codes: []string{"A"},
		},
		{
			file: "sep=;\r\nhandle;title;sku;price\r\na;A;A;1\r\n", want: "rows 1 created 1 updated 0 unchanged 0 refused 0", again: "rows 1 created 0 updated 0 unchanged 1 refused 0",
			codes: []string{"A"},
		},
		{ // line breaks of an old Macintosh, and concatenated files
			file: "handle,title,sku,price\ra,A\ufffd,A,1\r\ufeffhandle,title,sku,price\rb,B,B,1\r", want: "rows 2 created 2 updated 0 unchanged 0 refused 0",
			again: "rows 2 created 0 updated 0 unchanged 2 refused 0", notes: []string{"The header is there again among the rows", "U+FFFD stands for them: 1 row has it"}, codes: []string{"A", "B"},
		},
		{
			file: "handle,title,sku,price\na,A,A,1,,\nb,B,B\n", want: "rows 2 created 1 updated 0 unchanged 0 refused 1", again: "rows 2 created 0 updated 0 unchanged 1 refused 1",
			refused: []string{"3 The row cannot be read: it has 3 fields and the header has 4."}, codes: []string{"A"},
		},
	} {
		name, text := fmt.Sprintf("text %d", n), c.file
		if !strings.Contains(c.file, "\n") && !strings.Contains(c.file, "\r") {
			name, text = c.file, readCase(t, c.file)
		}
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			for _, dry := range []bool{true, false} {
				report, refused := s.load(text, dry)
				s.same("report", report, c.want)
				s.same("refused", refused, c.refused)
			}
			notes := strings.Join(s.open(text).File().Notes, "\n")
			for _, part := range c.notes {
				if !strings.Contains(notes, part) {
					t.Errorf("no %q in the notes:\n%s", part, notes)
				}
			}
			again, _ := s.load(text, false)
			s.same("again", again, c.again)
			for _, code := range c.codes {
				s.sells(code)
			}
			out := s.export()
			report, _ := s.load(out, false)
			if strings.Contains(report, "created 1") || strings.Contains(report, "updated 1") || s.export() != out {
				t.Errorf("the export, imported: %s\n%s", report, out)
			}
		})
	}
}

// sells fails unless the export has a variant with the code.
func (s *shop) sells(code string) {
	s.Helper()
	if out := s.export(); !strings.Contains(out, ","+code+",") {
		s.Errorf("no %s in\n%s", code, out)
	}
}

func readCase(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "cases", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A price of zero needs AllowFree once. After that the variant stays free without it.
func TestAPriceOfZeroIsADecision(t *testing.T) {
	s := newShop(t)
	take := func(text string, dry, allow bool) (report string, refused []string) {
		t.Helper()
		r, err := s.service.Import(t.Context(), s.open(text), catalog.ImportOptions{DryRun: dry, AllowFree: allow, Refused: func(r catalog.RefusedRow) error {
			refused = append(refused, fmt.Sprintf("%d %.30s", r.Line, r.Reason))
			return nil
		}})
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("created %d updated %d unchanged %d refused %d free %d", r.Created, r.Updated, r.Unchanged, r.Refused, r.Free), refused
	}
	const head = "handle,title,option1_name,option1_value,sku,price\n"
	const mixed = head + "gift,Gift,Size,S,G-S,0\ngift,,,M,G-M,2\nmug,Mug,,,MUG,5\n"
	var none []string
	for _, c := range []struct {
		text       string
		dry, allow bool
		want       string
		refused    []string
	}{
		{mixed, true, false, "created 1 updated 0 unchanged 0 refused 2 free 0", []string{"2 price: It is 0.00, which gives", "3 The product was not taken beca"}},
		{mixed, true, true, "created 2 updated 0 unchanged 0 refused 0 free 1", none},
		{mixed, false, true, "created 2 updated 0 unchanged 0 refused 0 free 1", none},
		{mixed, false, false, "created 0 updated 0 unchanged 2 refused 0 free 1", none},
		// A free product may change otherwise. Another of its variants does not become free.
		{head + "gift,A gift,Size,S,G-S,0.00\ngift,,,M,G-M,3\n", false, false, "created 0 updated 1 unchanged 0 refused 0 free 1", none},
		{head + "gift,A gift,Size,S,G-S,0.00\ngift,,,M,G-M,0.00\n", false, false, "created 0 updated 0 unchanged 0 refused 2 free 0",
			[]string{"2 The product was not taken beca", "3 price: It is 0.00, which gives"}},
		{head + "mug,Mug,,,MUG,0\n", false, false, "created 0 updated 0 unchanged 0 refused 1 free 0", []string{"2 price: It is 0.00, which gives"}},
		// A variant that gets a price needs AllowFree again to become free.
		{head + "gift,A gift,Size,S,G-S,1\n", false, false, "created 0 updated 1 unchanged 0 refused 0 free 0", none},
		{head + "gift,A gift,Size,S,G-S,0\n", false, false, "created 0 updated 0 unchanged 0 refused 1 free 0", []string{"2 price: It is 0.00, which gives"}},
	} {
		report, refused := take(c.text, c.dry, c.allow)
		s.same("report", report, c.want)
		s.same("refused", refused, c.refused)
	}
}

// Sorting a file's rows keeps the variants, and a dry run names what the import would remove.
func TestNothingIsRemovedInSilence(t *testing.T) {
	s := newShop(t)
	s.load(readCase(t, "04-first.csv"), false)
	report, refused := s.load(readCase(t, "04-sorted-by-price.csv"), false)
	s.same("sorted", report, "rows 3 created 0 updated 0 unchanged 2 refused 0")
	s.same("refused", refused, []string(nil))
	s.byCode("TEE-M")

	s.load("handle,title,description,status,brand,categories,attributes,pictures,option1_name,option1_value,sku,price\n"+
		"tee,Tee,Soft,published,Acme,Home > Tees | Gifts,Material=Cotton | Care=Wash,https://example.com/a.jpg | https://example.com/b.jpg,Size,S,TEE-S,5\n"+
		"tee,,,,,,,,,M,TEE-M,5\n", false)
	less := "handle,title,description,status,brand,categories,attributes,pictures,option1_name,option1_value,sku,price\n" +
		"tee,Tee,,draft,,Gifts,Care=Wash,https://example.com/a.jpg,Size,S,TEE-S,5\n"
	for _, dry := range []bool{true, false} {
		r, err := s.service.Import(t.Context(), s.open(less), catalog.ImportOptions{DryRun: dry})
		if err != nil {
			t.Fatal(err)
		}
		want := []catalog.Removal{
			{Line: 2, Handle: "tee", What: "sale", Value: "Tee"}, {Line: 2, Handle: "tee", What: "variant", Value: "TEE-M"},
			{Line: 2, Handle: "tee", What: "picture", Value: "https://example.com/b.jpg"}, {Line: 2, Handle: "tee", What: "attribute", Value: "Material"},
			{Line: 2, Handle: "tee", What: "description"}, {Line: 2, Handle: "tee", What: "category", Value: "Home > Tees"}, {Line: 2, Handle: "tee", What: "brand", Value: "Acme"},
		}
		s.same("removals", r.Removals, want)
		s.same("removed", r.Removed, int64(len(want)))
	}
}

// An unreadable row may belong to any product: no product loses a variant because of it.
func TestARowThatCannotBeReadRemovesNothing(t *testing.T) {
	s := newShop(t)
	const header = "title,handle,option1_name,option1_value,sku,price\n"
	s.load(header+"Tee,tee,Size,S,TEE-S,5\n,tee,,M,TEE-M,5\nMug,mug,,,MUG,3\nCup,cup,,,CUP,3\n", false)
	_, refused := s.load(header+"Tee,tee,Size,S,TEE-S,6\nMug,mug,,,MUG,4\ntee,,M,TEE-M,5\nCup,cup,,,CUP,4\nHat,hat,,,HAT,4\n", false)
	s.same("refused", refused, []string{
		`2 variants: Line 4 cannot be read and may be the variant "TEE-M", which would be removed.`,
		"3 The product was not taken because of line 4.", "4 The row cannot be read: it has 5 fields and the header has 6.",
		"5 Line 4, before the product, cannot be read and may belong to it.",
	})
	s.sells("TEE-M")
	s.sells("HAT")
}

// A generated code stays the variant's in later imports: of a part of the file, in another order, and after an operator
// has renamed it.
func TestMadeCodesStay(t *testing.T) {
	s := newShop(t)
	const header = "Handle,Title,Option1 Name,Option1 Value,Variant SKU,Variant Price\n"
	s.load(header+"x,X,Size,y z,,1\nx,,,other,,2\nx-y,XY,Size,z,,1\n", false)
	for name, part := range map[string]string{
		"a part": header + "x,X,Size,y z,,1\nx,,,other,,2\n", "the other part": header + "x-y,XY,Size,z,,1\n",
	} {
		r, err := s.service.Import(t.Context(), s.open(part), catalog.ImportOptions{})
		if err != nil || r.Unchanged != 1 || r.Removed != 0 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
	r, err := s.service.Import(t.Context(), s.open(header+"x,X,Size,other,,2\nx,,,y z,,1\n"), catalog.ImportOptions{})
	if err != nil || r.Updated != 1 || r.Removed != 0 {
		t.Errorf("in another order: %+v, %v", r, err)
	}
	s.load(header+"x,X,Size,other,NAMED,2\nx,,,y z,,1\n", false)
	r, err = s.service.Import(t.Context(), s.open(header+"x,X,Size,other,,2\nx,,,y z,,1\n"), catalog.ImportOptions{})
	if err != nil || r.Unchanged != 1 {
		t.Errorf("after it was named: %+v, %v", r, err)
	}
	s.sells("NAMED")
}

// Cells that a spreadsheet would calculate are exported as text and imported as they were.
func TestCellsThatCalculate(t *testing.T) {
	s := newShop(t)
	text := "handle,title,description,attributes,option1_name,option1_value,sku,price\n" +
		"a,=HYPERLINK(1),+1,\\=a=@b,-x,@y,=S-1,1\nb,''=quoted,''+2,a='=b,'s,'t,''=Q,1\nc,＝wide,'plain,,,,-S,1\nd,\"\t=tab\",\"\n=line\",,,,@,1\n"
	report, refused := s.load(text, false)
	s.same("report", report, "rows 4 created 4 updated 0 unchanged 0 refused 0")
	s.same("refused", refused, []string(nil))
	out := s.export()
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		for _, cell := range strings.Split(line, ",") {
			if cell = strings.TrimPrefix(cell, `"`); cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r") || strings.HasPrefix(cell, "＝") {
				t.Errorf("%q calculates", cell)
			}
		}
	}
	for _, code := range []string{"'=S-1", "''=Q", "'-S", "'@"} {
		s.sells(code)
	}
	again, _ := s.load(out, false)
	s.same("the export, imported", again, "rows 4 created 0 updated 0 unchanged 4 refused 0")
	other := newShop(t)
	other.load(out, false)
	s.same("another shop's export", other.export(), out)
}

// Files in other encodings are imported completely or not at all.
func TestEncodings(t *testing.T) {
	s := newShop(t)
	for name, c := range encodingCases(t) {
		t.Run(name, func(t *testing.T) {
			r, err := productcsv.Open(t.Context(), strings.NewReader(c.text), productcsv.Options{Currency: "GBP", Encoding: c.asked})
			if c.refused != "" {
				if err == nil || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %v, want %q", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = r.Close() }()
			s.same("encoding", r.File().Encoding, c.encoding)
			e, err := r.Next()
			if err != nil || e.Refusal != nil {
				t.Fatal(err, e.Refusal)
			}
			s.same("title", e.Put.Product.Title, c.title)
			if said := strings.Contains(strings.Join(r.File().Notes, " "), "does not say its encoding"); said != c.guessed {
				t.Errorf("guessed is said: %v", said)
			}
		})
	}
}

// The file of refused rows of any file can be corrected and imported, and loses no letter.
func TestRefusedRowsOfAnotherEncoding(t *testing.T) {
	s := newShop(t)
	src, err := productcsv.Open(t.Context(), strings.NewReader(readCase(t, "07-gbk-rows.csv")+"bad,x,B1,oops\n"), productcsv.Options{Currency: "GBP", Encoding: "gb18030"})
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	w, err := productcsv.NewRefusals(&out, src.Header())
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.service.Import(t.Context(), src, catalog.ImportOptions{Refused: w.Write})
	if err := errors.Join(err, w.Flush(), src.Close()); err != nil || r.Created != 4 || r.Refused != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	report, _ := s.load(strings.Replace(out.String(), ",oops", ",1.00", 1), false)
	s.same("corrected", report, "rows 1 created 1 updated 0 unchanged 0 refused 0")
	if body := s.byCode("R1"); !strings.Contains(body, `"title":"毛巾架"`) {
		t.Error(body)
	}
}
