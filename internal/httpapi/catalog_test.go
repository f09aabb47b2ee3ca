package httpapi_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/alloctest"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/httpapi"
)

// catalogShop is a shop whose catalogue is the real one.
type catalogShop struct {
	*shop
	testing.TB
}

func newCatalogShop(t testing.TB) *catalogShop {
	t.Helper()
	s := newShop(t)
	reader := catalog.NewReader(catalog.DefaultConfig(), s.Store, nil, s.Clock, slog.New(slog.DiscardHandler))
	check(t, reader.Open(t.Context()))
	s.parts.Products, s.parts.Catalogue = reader, catalog.New(catalog.DefaultConfig(), s.Store, reader, s.Mint, s.Clock)
	s.server = must(httpapi.New(s.parts))(t)
	return &catalogShop{s, t}
}

// do sends a request as the catalogue's desk, holds the answer to the contract and returns it. A header is written
// Name: value.
func (s *catalogShop) do(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	s.Helper()
	head := map[string]string{}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		head[name] = value
	}
	r := s.request(call{as: "catalog", do: method + " " + path, head: head, body: body}).WithContext(s.Context())
	w := httptest.NewRecorder()
	s.server.ServeHTTP(w, r)
	checkContract(s.TB, r, answer{s.TB, w.Code, w.Header(), w.Body.Bytes()})
	return w
}

func (s *catalogShop) want(w *httptest.ResponseRecorder, status int, parts ...string) {
	s.Helper()
	body := w.Body.String()
	if w.Code != status {
		s.Errorf("status %d, want %d: %s", w.Code, status, body)
	}
	for _, part := range parts {
		if !strings.Contains(body, part) {
			s.Errorf("no %s in %s", part, body)
		}
	}
}

const mugInput = `{"title":"A mug","status":"published","brand":"acme","categories":["mugs"],"options":["Colour"],"variants":[
	{"sku":"MUG B/1","options":["Blue"],"price":{"minor":1250,"currency":"GBP"}},{"sku":"MUG-R","options":["Red"],"price":{"minor":1300,"currency":"GBP"}}]}`

func TestAProductsWay(t *testing.T) {
	s := newCatalogShop(t)
	s.want(s.do("POST", "/v1/admin/brands", `{"title":"Acme"}`), 201, `"handle":"acme"`)
	s.want(s.do("POST", "/v1/admin/brands", `{"title":"Acme"}`), 409, `"field":"title"`)
	s.want(s.do("POST", "/v1/admin/categories", `{"title":"Mugs"}`), 201, `"handle":"mugs"`)
	s.want(s.do("POST", "/v1/admin/categories", `{"title":"Blue","parent_id":"77"}`), 422, `"field":"parent_id"`)
	made := s.do("POST", "/v1/admin/products", mugInput)
	s.want(made, 201, `"handle":"a-mug"`, `"version":1`)
	s.want(s.do("POST", "/v1/admin/products", mugInput), 409, `"field":"handle"`)
	var view catalog.View
	if err := json.Unmarshal(made.Body.Bytes(), &view); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{
		"/v1/products/" + view.ID.String(), "/v1/products/by-handle/a-mug", "/v1/products/by-sku/MUG%20B%2F1",
		"/v1/products?category=mugs&brand=acme", "/v1/admin/products?status=published", "/v1/admin/products/" + view.ID.String(),
	} {
		s.want(s.do("GET", path, ""), 200, `"title":"A mug"`, `"brand":"acme"`, `"price":{"minor":1250,"currency":"GBP"}`)
	}
	s.want(s.do("GET", "/v1/categories", ""), 200, `"handle":"mugs"`)
	s.want(s.do("GET", "/v1/brands", ""), 200, `"handle":"acme"`)
	s.want(s.do("GET", "/v1/admin/categories", ""), 200, `"handle":"mugs"`)
	s.want(s.do("GET", "/v1/admin/brands", ""), 200, `"handle":"acme"`)

	address := "/v1/admin/products/" + view.ID.String()
	first := s.do("GET", "/v1/products/"+view.ID.String(), "")
	tag := first.Header().Get("ETag")
	for _, held := range []string{tag, `"other", W/` + tag, "*"} {
		w := s.do("GET", "/v1/products/"+view.ID.String(), "", "If-None-Match: "+held)
		s.want(w, 304)
		if w.Body.Len() != 0 || w.Header().Get("ETag") != tag {
			t.Errorf("304 with %q, ETag %q", w.Body, w.Header().Get("ETag"))
		}
	}
	edit := strings.Replace(mugInput, "1250", "999", 1)
	s.want(s.do("PUT", address, edit), 422, `"field":"If-Match"`)
	s.want(s.do("PUT", address, edit, `If-Match: "2"`), 412, "version_mismatch")
	s.want(s.do("PUT", address, edit, `If-Match: "1"`), 200, `"version":2`, `"minor":999`, view.Variants[0].SKU.String())
	s.want(s.do("GET", "/v1/products/"+view.ID.String(), "", "If-None-Match: "+tag), 200, `"minor":999`)
	s.want(s.do("PUT", address, strings.Replace(mugInput, "published", "draft", 1), `If-Match: "2"`), 200)
	s.want(s.do("GET", "/v1/products/a-mug", ""), 422, `"field":"id"`)
	s.want(s.do("GET", "/v1/products/by-handle/a-mug", ""), 404)
	s.want(s.do("GET", "/v1/products", ""), 200, `{"items":[]}`)
	s.want(s.do("GET", "/v1/admin/products", ""), 200, `"status":"draft"`)
	s.want(s.do("DELETE", address, ""), 204)
	s.want(s.do("DELETE", address, ""), 404)
	s.want(s.do("GET", address, ""), 404)
	s.want(s.do("POST", "/v1/admin/products", strings.Replace(mugInput, `"title":"A mug"`, `"title":"Cup"`, 1)), 201, view.Variants[0].SKU.String())
}

// TestAProductIsGivenAway: a price of zero is refused until it is allowed, and what is free is changed like any other.
func TestAProductIsGivenAway(t *testing.T) {
	s := newCatalogShop(t)
	const gift = `{"title":"%s","status":"published","variants":[{"sku":"GIFT","price":{"minor":0,"currency":"GBP"}}]}`
	const to = "/v1/admin/products"
	s.want(s.do("POST", to, fmt.Sprintf(gift, "Gift")), 422, `"field":"variants[0].price.minor"`, "allow_free=true")
	s.want(s.do("POST", to+"?allow_free=maybe", fmt.Sprintf(gift, "Gift")), 422, `"field":"allow_free"`)
	made := s.do("POST", to+"?allow_free=true", fmt.Sprintf(gift, "Gift"))
	s.want(made, 201, `"minor":0`)
	var view catalog.View
	if err := json.Unmarshal(made.Body.Bytes(), &view); err != nil {
		t.Fatal(err)
	}
	one := to + "/" + view.ID.String()
	s.want(s.do("PUT", one, fmt.Sprintf(gift, "A gift"), `If-Match: "1"`), 200, `"version":2`, `"minor":0`)
	s.want(s.do("PUT", one, strings.Replace(fmt.Sprintf(gift, "A gift"), `"minor":0`, `"minor":5`, 1), `If-Match: "2"`), 200, `"version":3`)
	s.want(s.do("PUT", one, fmt.Sprintf(gift, "A gift"), `If-Match: "3"`), 422, `"field":"variants[0].price.minor"`)
	s.want(s.do("PUT", one+"?allow_free=true", fmt.Sprintf(gift, "A gift"), `If-Match: "3"`), 200, `"version":4`)
	s.want(s.do("GET", "/v1/products/by-sku/GIFT", ""), 200, `"minor":0`)
}

func TestProductsThatAreRefused(t *testing.T) {
	s := newCatalogShop(t)
	const price = `"price":{"minor":1,"currency":"GBP"}`
	for name, c := range map[string]struct {
		body   string
		status int
		part   string
	}{
		"an unknown field":   {`{"title":"A","variants":[{"sku":"X",` + price + `}],"stock":5}`, 400, `"field":"stock"`},
		"a wrong type":       {`{"title":5,"variants":[{"sku":"X",` + price + `}]}`, 400, `"field":"title"`},
		"a float for money":  {`{"title":"A","variants":[{"sku":"X","price":{"minor":1.5,"currency":"GBP"}}]}`, 400, `"field":"variants[0].price.minor"`},
		"no variants":        {`{"title":"A"}`, 422, `"field":"variants"`},
		"another currency":   {`{"title":"A","variants":[{"sku":"X","price":{"minor":1,"currency":"EUR"}}]}`, 422, `"field":"variants[0].price.currency"`},
		"a negative price":   {`{"title":"A","variants":[{"sku":"X","price":{"minor":-1,"currency":"GBP"}}]}`, 422, `"field":"variants[0].price.minor"`},
		"an unknown brand":   {`{"title":"A","brand":"x","variants":[{"sku":"X",` + price + `}]}`, 422, `"field":"brand"`},
		"an unknown shelf":   {`{"title":"A","categories":["x"],"variants":[{"sku":"X",` + price + `}]}`, 422, `"field":"categories[0]"`},
		"a script's address": {`{"title":"A","pictures":[{"url":"javascript:x"}],"variants":[{"sku":"X",` + price + `}]}`, 422, `"field":"pictures[0].url"`},
		"no JSON":            {`{"title":`, 400, "bad_request"},
	} {
		t.Run(name, func(t *testing.T) {
			w := s.do("POST", "/v1/admin/products", c.body)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.part) {
				t.Errorf("%d %s, want %d %s", w.Code, w.Body, c.status, c.part)
			}
		})
	}
	for path, field := range map[string]string{
		"/v1/products?limit=0": "limit", "/v1/products?limit=201": "limit",
		"/v1/products?category=x": "category", "/v1/products?brand=x": "brand", "/v1/products/0": "id",
		"/v1/admin/products?status=retired": "status", "/v1/products/by-handle/A": "handle", "/v1/products/by-sku/%00": "sku",
	} {
		s.want(s.do("GET", path, ""), 422, `"field":"`+field+`"`)
	}
	s.want(s.do("GET", "/v1/admin/products", "", "Authorization: "), 401)
	s.want(s.do("GET", "/v1/admin/products", ""), 200, `{"items":[]}`)
}

func TestImportStreams(t *testing.T) {
	s := newCatalogShop(t)
	server := httptest.NewServer(s.server)
	defer server.Close()
	send := func(kind, query string, body io.Reader) (int, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), "POST", server.URL+"/v1/admin/products/import"+query, body)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+s.bearer["catalog"])
		r.Header.Set("Content-Type", kind)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return answer.StatusCode, string(text)
	}
	const header = "handle,title,status,sku,price\n"
	for _, c := range []struct {
		kind, query, body string
		status            int
		parts             []string
	}{
		{"application/json", "", "{}", 415, []string{"unsupported_media_type"}},
		{"text/csv", "", "", 422, []string{`"field":"file"`, "empty"}},
		{"text/csv", "?dry_run=maybe", header, 422, []string{`"field":"dry_run"`}},
		{"text/csv", "", "InvoiceNo,StockCode,Quantity\n", 422, []string{"a list of orders"}},
		{"text/csv; charset=utf-8", "?dry_run=true", header + "a,A,published,X,1\n", 200, []string{`{"report":{"created":1,"dry_run":true,`}},
		{"text/csv", "", header + "a,A,published,X,1\nb,B,published,Y,oops\n", 200,
			[]string{`{"rejection":{"line":3,"reason":"price: `, `"row":["b","B","published","Y","oops"]}}`, `"created":1,"dry_run":false,"free_products":0,"rejected_rows":1,"removed_values":0,"rows":2`}},
		{"text/csv", "?dry_run=true", header + "g,G,draft,G,0\n", 200, []string{`{"rejection":{"line":2,"reason":"price: It is 0.00`, "--allow-free", `"free_products":0`}},
		{"text/csv", "?dry_run=true&allow_free=true", header + "g,G,draft,G,0\n", 200, []string{`"created":1,"dry_run":true,"free_products":1,"rejected_rows":0`}},
		{"application/gzip", "", header + "a,A,published,X,1\n", 200, []string{`"unchanged":1`}},
		// Of a file that cannot be read to its end nothing is taken.
		{"text/csv", "", header + "c,C,published,Z,1\nd,\"" + strings.Repeat("x\n", 600_000), 400, []string{"not closed", `"code":"bad_request"`}},
		{"text/csv", "?inspect=true", header + "c,C,published,Z,1\n", 200, []string{
			`{"file":{"columns":[{"field":"handle","name":"handle","rows":1},`, `"delimiter":"comma","encoding":"utf-8","format":"Tidegate","notes":[],"products":1,"rows":1}}`,
		}},
		{"text/csv", "", header + "c,C,published,Z,1\n", 200, []string{`{"progress":{"bytes":`, `"created":1`}},
		{"text/csv", "?dry_run=true", header + "c,C,draft,Z2,1\n", 200, []string{
			`"removed":[{"handle":"c","kind":"sale","line":2,"value":"C"},{"handle":"c","kind":"variant","line":2,"value":"Z"}],"removed_values":2`,
		}},
		{"text/csv", "?map=Name%3Dtitle&map=Net%3Dprice&map=Code%3Dsku&map=Status%3D&encoding=windows-1252", "Name,Net,Code,Status\nCaf\xe9,5,CAFE,ok\n", 200,
			[]string{`"encoding":"windows-1252","format":"as mapped"`, "The column Status is not imported: 1 row has it.", `"created":1`}},
		{"text/csv", "?map=Name%3Dnothing", "Name,Net\na,5\n", 422, []string{`"field":"map"`}},
		{"text/csv", "?encoding=klingon", header, 422, []string{`"field":"encoding"`}},
	} {
		status, text := send(c.kind, c.query, strings.NewReader(c.body))
		if status != c.status {
			t.Errorf("%s %.60q: status %d, want %d: %s", c.kind, c.body, status, c.status, text)
		}
		for _, part := range c.parts {
			if !strings.Contains(text, part) {
				t.Errorf("%s %.60q: no %s in %s", c.kind, c.body, part, text)
			}
		}
	}

	// The answer is read while the file is written: neither waits for the other's end.
	in, out := io.Pipe()
	go func() {
		_, err := io.WriteString(out, header)
		for i := 0; i < 20_000 && err == nil; i++ {
			_, err = fmt.Fprintf(out, "p%d,%s,published,P%d,no price\n", i, strings.Repeat("x", 200), i)
		}
		_ = out.CloseWithError(err)
	}()
	if status, text := send("text/csv", "", in); status != 200 || !strings.Contains(text, `"rejected_rows":20000,"removed_values":0,"rows":20000`) {
		t.Errorf("a long file: %d, %.300s", status, text)
	}
}

func TestExport(t *testing.T) {
	s := newCatalogShop(t)
	s.want(s.do("POST", "/v1/admin/products/import", "handle,title,sku,price\na,\"A, b\",X,1\n", "Content-Type: text/csv"), 200)
	w := s.do("GET", "/v1/admin/products/export", "")
	s.want(w, 200, "handle,title,description,", "a,\"A, b\",,draft,", ",X,1.00,GBP\n")
	if kind := w.Header().Get("Content-Type"); kind != "text/csv; charset=utf-8" {
		t.Error(kind)
	}
}

// BenchmarkGetProduct is the hot read through the whole handler: what is allocated is the request's id and its context.
// productRead returns what makes readers of a product, each for one goroutine.
func productRead(tb testing.TB) (reader func() (run func())) {
	s := newCatalogShop(tb)
	s.want(s.do("POST", "/v1/admin/products", `{"title":"A","status":"published","variants":[{"sku":"X","price":{"minor":1,"currency":"GBP"}}]}`), 201)
	var view catalog.View
	if err := json.Unmarshal(s.do("GET", "/v1/products/by-handle/a", "").Body.Bytes(), &view); err != nil {
		tb.Fatal(err)
	}
	path := "/v1/products/" + view.ID.String()
	return func() (run func()) {
		r := httptest.NewRequestWithContext(tb.Context(), "GET", path, bytes.NewReader(nil))
		w := &discard{h: http.Header{}}
		return func() {
			clear(w.h)
			s.server.ServeHTTP(w, r)
		}
	}
}

func TestAllocationsOfAProductRead(t *testing.T) { alloctest.AtMost(t, 5, productRead(t)()) }

func BenchmarkGetProduct(b *testing.B) {
	reader := productRead(b)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		run := reader()
		for pb.Next() {
			run()
		}
	})
}
