package productcsv_test

import (
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/catalog/productcsv"
)

const wooFile = "\ufeffID,Type,SKU,Name,Published,\"Is featured?\",\"Visibility in catalog\",\"Short description\",Description,\"In stock?\",Stock,\"Sale price\",\"Regular price\",Categories,Tags,Images,Parent,Position,\"Attribute 1 name\",\"Attribute 1 value(s)\",\"Attribute 1 visible\",\"Attribute 1 global\",\"Attribute 2 name\",\"Attribute 2 value(s)\"\n" +
	"12,variation,TEE-S,\"Tee - S\",1,0,visible,,,1,5,,20.00,,,https://example.com/s.jpg,TEE,1,Size,S,,1,,\n" +
	"10,variable,TEE,Tee,1,0,visible,Short,\"<p>One</p>\\n<p>Two</p>\",1,,,,\"Clothing > Tees, Summer\\, sale\",\"soft, new\",\"https://example.com/a.jpg, https://example.com/b.jpg\",,0,Size,\"S, M\",1,1,Fabric,Cotton\n" +
	"11,simple,MUG,Mug,0,0,visible,Just short,,1,2,4.00,5.00,Home,,,,0,Material,Stoneware,1,0,,\n" +
	"13,variation,,\"Tee - M\",1,0,visible,,,1,5,,21.00,,,,id:10,2,Size,M,,1,,\n" +
	"14,\"simple, virtual\",,杯子,1,0,hidden,,,1,,,3.00,,,,,0,,,,,,\n" +
	"15,grouped,SET,Set,1,0,visible,,,1,,,,,,,,0,,,,,,\n" +
	"16,variation,LOST,Lost,1,0,visible,,,1,,,9.00,,,,GONE,1,Size,S,,1,,\n" +
	"17,variable,CAP,Cap,1,0,visible,,,1,,,,,,,,0,Size,S,1,1,,\n" +
	"18,variation,CAP-A,\"Cap - any\",1,0,visible,,,1,,,9.00,,,,CAP,1,Colour,Red,,1,,\n" +
	"19,variation,CAP-B,\"Cap - any\",1,0,visible,,,1,,,9.00,,,,CAP,2,,,,1,,\n"

func TestWooCommerce(t *testing.T) {
	s := newShop(t)
	s.same("format", s.open(wooFile).File().Format, "WooCommerce")
	report, refused := s.load(wooFile, false)
	s.same("report", report, "rows 10 created 3 updated 0 unchanged 0 refused 5")
	s.same("refused", refused, []string{
		"7 The product was not taken because of line 8.",
		`8 The row cannot be read: it is a variation of "GONE", which is not in the file.`,
		"9 Line 8, before the product, cannot be read and may belong to it.", "10 The product was not taken because of line 9.",
		"11 The product was not taken because of line 9.",
	})
	again, _ := s.load(wooFile, false)
	s.same("again", again, "rows 10 created 0 updated 0 unchanged 3 refused 5")
	body := s.byCode("TEE-S")
	for _, part := range []string{
		`"handle":"tee"`, `"description":"<p>One</p>\n<p>Two</p>"`, `"categories":["clothing-tees","summer-sale"]`, `"options":["Size"]`, `"sku":"tee-m"`, `"minor":2100`,
		`{"name":"Tags","value":"soft, new"},{"name":"Fabric","value":"Cotton"}`, `"https://example.com/a.jpg"`, `"https://example.com/s.jpg"`,
	} {
		if !strings.Contains(body, part) {
			t.Errorf("no %s in %s", part, body)
		}
	}
	out := s.export()
	for _, part := range []string{"mug,Mug,Just short,draft,,Home,Material=Stoneware,", ",杯子,,draft,", "product-"} {
		if !strings.Contains(out, part) {
			t.Errorf("no %s in %s", part, out)
		}
	}
	notes := strings.Join(s.open(wooFile).File().Notes, "\n")
	for _, part := range []string{"Sale price is not imported: 1 row has it.", "Stock is not imported: 3 rows have it. Stock has a ledger of its own"} {
		if !strings.Contains(notes, part) {
			t.Errorf("no %s in %s", part, notes)
		}
	}
}

func TestWooCommerceVariationsOfAnyValue(t *testing.T) {
	s := newShop(t)
	_, refused := s.load("ID,Type,SKU,Name,Published,Regular price,Parent,Attribute 1 name,Attribute 1 value(s)\n"+
		"17,variable,CAP,Cap,1,,,Size,\"S, M\"\n18,variation,CAP-A,Cap,1,9.00,CAP,Size,S\n19,variation,CAP-B,Cap,1,9.00,CAP,Size,\n20,simple,HAT,Cap,1,9.00,,,\n", false)
	s.same("refused", refused, []string{
		"2 The product was not taken because of line 5.", "3 The product was not taken because of line 5.", "4 The product was not taken because of line 5.",
		`5 handle: "id:20" here and "id:17" in line 2 are two products, and both would be stored under the handle "cap".`,
	})
	_, refused = s.load("ID,Type,SKU,Name,Published,Regular price,Parent,Attribute 1 name,Attribute 1 value(s)\n"+
		"17,variable,CAP,Cap,1,,,Size,\"S, M\"\n18,variation,CAP-A,Cap,1,9.00,CAP,Size,S\n19,variation,CAP-B,Cap,1,9.00,CAP,Size,\n", false)
	s.same("refused", refused, []string{
		"2 The product was not taken because of line 4.", "3 The product was not taken because of line 4.",
		`4 attribute: The variation has no value of "Size": one that stands for any value has to be divided.`,
	})
}

func TestMedusa(t *testing.T) {
	s := newShop(t)
	for name, file := range map[string]string{
		"version 2": "Product Id,Product Handle,Product Title,Product Description,Product Status,Product Thumbnail,Product Weight,Variant SKU,Variant Price EUR,Variant Price GBP,Variant Option 1 Name,Variant Option 1 Value,Product Image 1 Url,Product Image 2 Url\n" +
			"prod_1,tee,Tee,Soft,published,https://example.com/a.jpg,400,TEE-S,12,10.50,Size,S,https://example.com/a.jpg,https://example.com/b.jpg\n" +
			"prod_1,tee,Tee,Soft,published,https://example.com/a.jpg,400,TEE-M,13,11,Size,M,https://example.com/a.jpg,https://example.com/b.jpg\n",
		"version 1": "Product Id;Product Handle;Product Title;Product Subtitle;Product Description;Product Status;Product Thumbnail;Variant SKU;Price EUR;Price GBP;Option 1 Name;Option 1 Value;Image 1 Url;Image 2 Url\n" +
			"prod_1;tee;Tee;;Soft;published;https://example.com/a.jpg;TEE-S;12;10.50;Size;S;https://example.com/a.jpg;https://example.com/b.jpg\n" +
			"prod_1;tee;Tee;;Soft;published;https://example.com/a.jpg;TEE-M;13;11;Size;M;https://example.com/a.jpg;https://example.com/b.jpg\n",
	} {
		t.Run(name, func(t *testing.T) {
			s := newShop(t)
			s.same("format", s.open(file).File().Format, "Medusa")
			report, refused := s.load(file, false)
			s.same("report", report, "rows 2 created 1 updated 0 unchanged 0 refused 0")
			s.same("refused", refused, []string(nil))
			body := s.byCode("TEE-M")
			for _, part := range []string{`"minor":1100`, `"minor":1050`, `"options":["Size"]`, `"description":"Soft"`, `"pictures":[{"url":"https://example.com/a.jpg","alt":""},{"url":"https://example.com/b.jpg","alt":""}]`} {
				if !strings.Contains(body, part) {
					t.Errorf("no %s in %s", part, body)
				}
			}
		})
	}
	_, err := productcsv.Open(t.Context(), strings.NewReader("Product Handle,Product Title,Variant SKU,Price EUR\n"), productcsv.Options{Currency: "GBP"})
	if err == nil || !strings.Contains(err.Error(), "none of its prices is in the shop's currency, GBP: it has Price EUR") {
		t.Error(err)
	}
	s.same("nothing", strings.Count(s.export(), "\n"), 1)
}

// Any other file needs a map.
func TestMappedFiles(t *testing.T) {
	s := newShop(t)
	file := "Item name;Net;Code;Shelf;Internal\nBlue mug;12,50;MUG;Home > Mugs;x\n杯子;3,00;;;\n杯;4,00;;;y\nBlue mug;9,00;MUG-2;;\n"
	maps := []string{"Item name=title", "net=Price", "Code=sku", "Shelf=categories"}
	r := s.open(file, maps...)
	s.same("format", r.File().Format, "as mapped")
	s.same("notes", r.File().Notes, []string{"The column Internal is not imported: 2 rows have it."})
	load := func() (reasons []string, created, unchanged int64) {
		src := s.open(file, maps...)
		report, refused := s.loadFrom(src)
		return refused, report.Created, report.Unchanged
	}
	refused, created, _ := load()
	s.same("refused", refused, []string{
		"2 options: A product with several variants names what they differ in, such as Colour.", "5 The product was not taken because of line 2.",
	})
	s.same("created", created, int64(2))
	_, _, unchanged := load()
	s.same("unchanged", unchanged, int64(2))
	for _, c := range []struct{ maps, want string }{
		{"Item name", "not column=field"}, {"Nothing=title", "has no column"}, {"Item name=name", "is not a field"},
		{"Item name=title|Code=title", "Both"}, {"Item name=title", "No column is the price"},
	} {
		_, err := productcsv.Open(t.Context(), strings.NewReader(file), productcsv.Options{Currency: "GBP", Map: strings.Split(c.maps, "|")})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.maps, err, c.want)
		}
	}
	// An unknown column does not make it another shop's file. A map can ignore it.
	own := s.open("handle,title,sku,price,stock\na,A,A,1,5\n", "stock=")
	s.same("left out", own.File().Notes, []string{"The column stock is not imported: 1 row has it. Stock has a ledger of its own: receive it with an adjustment of the SKU's stock."})
	// Maps take precedence over another shop's columns.
	other := s.open("Handle,Title,Variant SKU,Variant Price,Wholesale\na,A,A,1,2\n", "Wholesale=price", "Variant SKU=sku")
	e, err := other.Next()
	if err != nil || e.Refusal != nil || e.Put.Product.Variants[0].Price.Minor != 200 {
		t.Errorf("%+v, %v", e, err)
	}
}
