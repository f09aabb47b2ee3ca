package blackbox

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/await"
)

// Answer is what came back for a request. Err is set where nothing did, or not all of it.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
	Err    error
}

// Code returns the code of a problem, and nothing for any other answer.
func (a Answer) Code() string {
	var p struct{ Code string }
	if a.Header.Get("Content-Type") != "application/problem+json" || json.Unmarshal(a.Body, &p) != nil {
		return ""
	}
	return p.Code
}

// String returns the answer in one line.
func (a Answer) String() string {
	if a.Err != nil {
		return "no answer: " + a.Err.Error()
	}
	return strconv.Itoa(a.Status) + " " + strings.TrimSpace(string(a.Body))
}

// Ask sends a request to the public listener: a path, or a whole address. Headers are pairs of name and value.
func (s *Shop) Ask(method, path, bearer, body string, headers ...string) Answer {
	return s.ask(context.Background(), method, path, bearer, body, headers...)
}

func (s *Shop) ask(ctx context.Context, method, path, bearer, body string, headers ...string) Answer {
	address := path
	if strings.HasPrefix(path, "/") {
		address = s.Running().Public + path
	}
	r, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return Answer{Err: err}
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return s.last.note(method, address, Answer{Err: err})
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	return s.last.note(method, address, Answer{Status: answer.StatusCode, Header: answer.Header, Body: text, Err: err})
}

// Admin asks with the process's own admin key. in becomes the JSON body unless it is nil, and out takes the answer's
// unless it is nil. Any answer but a good one ends the test.
func (s *Shop) Admin(method, path string, in, out any, headers ...string) {
	s.T.Helper()
	body := ""
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			s.T.Fatal(err)
		}
		body = string(text)
	}
	answer := s.Ask(method, path, s.Running().AdminKey, body, headers...)
	if answer.Err != nil || answer.Status >= 300 {
		s.T.Fatalf("%s %s %s: %s", method, path, body, answer)
	}
	if out != nil {
		s.decode(answer.Body, out)
	}
}

func (s *Shop) decode(text []byte, out any) {
	s.T.Helper()
	if err := json.NewDecoder(bytes.NewReader(text)).Decode(out); err != nil {
		s.T.Fatalf("%v in %s", err, text)
	}
}

// Money is an amount in minor units.
type Money struct {
	Minor    int64  `json:"minor"`
	Currency string `json:"currency"`
}

// Pool is the stock of one SKU for one purpose: for a sale, or, with no sale, for everything else.
type Pool struct {
	Sale      string `json:"sale_id"`
	OnHand    int64  `json:"on_hand"`
	Reserved  int64  `json:"reserved"`
	Sold      int64  `json:"sold"`
	Available int64  `json:"available"`
}

// Sale is a sale as the shop tells it.
type Sale struct {
	ID     string    `json:"id"`
	Title  string    `json:"title"`
	Status string    `json:"status"`
	Starts time.Time `json:"starts_at"`
	Ends   time.Time `json:"ends_at"`
	Limit  int64     `json:"limit_per_customer"`
	Items  []struct {
		SKU        string `json:"sku_id"`
		Price      Money  `json:"price"`
		Allocation int64  `json:"allocation"`
		Available  int64  `json:"available"`
	} `json:"items"`
}

// Order is an order as the shop tells it.
type Order struct {
	ID       string `json:"id"`
	Sale     string `json:"sale_id"`
	Customer string `json:"customer_id"`
	Status   string `json:"status"`
	Units    int64  `json:"quantity"`
	Lines    []struct {
		SKU   string `json:"sku_id"`
		Units int64  `json:"quantity"`
	} `json:"lines"`
	Total   Money     `json:"total"`
	Expires time.Time `json:"expires_at"`
	Closed  time.Time `json:"closed_at"`
}

// listPrice is what a unit of the tests' goods costs outside a sale.
var listPrice = Money{Minor: 1250, Currency: "GBP"}

// Stocked creates a published product of one variant with units in general stock and returns its SKU.
func (s *Shop) Stocked(code string, units int64) string {
	s.T.Helper()
	var product struct {
		Variants []struct {
			SKU string `json:"sku_id"`
		} `json:"variants"`
	}
	s.Admin("POST", "/v1/admin/products", map[string]any{
		"title": "Goods " + code, "status": "published", "variants": []any{map[string]any{"sku": code, "price": listPrice}},
	}, &product)
	sku := product.Variants[0].SKU
	s.Admin("POST", "/v1/admin/stock/"+sku+"/adjustments",
		map[string]any{"kind": "receive", "quantity": units, "reason": "First delivery"}, nil, "Idempotency-Key", "delivery-"+code)
	return sku
}

// Terms are the terms of a sale.
type Terms struct {
	SKUs           []string
	Allocation     int64 // units of each SKU
	Limit          int64
	PaymentSeconds int64         // the shop's own payment window where zero
	In             time.Duration // until it opens
	Lasts          time.Duration // an hour where zero
	Coarse         bool          // what is left is told in bands
}

// Schedule makes and schedules a sale. Where a machine is so busy that its end comes first, another is made.
func (s *Shop) Schedule(terms Terms) Sale {
	s.T.Helper()
	if terms.Lasts == 0 {
		terms.Lasts = time.Hour
	}
	for deadline := time.Now().Add(await.Max); time.Now().Before(deadline); {
		made := s.makeSale(terms)
		answer := s.Ask("POST", "/v1/admin/sales/"+made.ID+"/schedule", s.Running().AdminKey, "")
		if answer.Status == http.StatusUnprocessableEntity && !time.Now().Before(made.Ends) {
			continue
		}
		if answer.Err != nil || answer.Status >= 300 {
			s.T.Fatalf("the sale %s cannot be scheduled: %s", made.ID, answer)
		}
		s.decode(answer.Body, &made)
		return made
	}
	s.T.Fatalf("no sale of %v was scheduled before its end", terms.Lasts)
	return Sale{}
}

func (s *Shop) makeSale(terms Terms) Sale {
	s.T.Helper()
	opens := time.Now().UTC().Add(terms.In)
	const form = "2006-01-02T15:04:05.000Z"
	items := make([]any, len(terms.SKUs))
	for i, sku := range terms.SKUs {
		items[i] = map[string]any{"sku_id": sku, "price": Money{Minor: 995, Currency: "GBP"}, "allocation": terms.Allocation}
	}
	in := map[string]any{
		"title": "Drop", "starts_at": opens.Format(form), "ends_at": opens.Add(terms.Lasts).Format(form), "limit_per_customer": terms.Limit,
		"items": items,
	}
	if terms.PaymentSeconds > 0 {
		in["payment_window_seconds"] = terms.PaymentSeconds
	}
	if terms.Coarse {
		in["stock_display"] = "coarse"
	}
	var made Sale
	s.Admin("POST", "/v1/admin/sales", in, &made)
	return made
}

// Open schedules a sale and waits until shoppers can buy in it.
func (s *Shop) Open(terms Terms) Sale {
	s.T.Helper()
	made := s.Schedule(terms)
	await.Until(s.T, "the sale is live and the gate has its units", func() bool {
		now := s.Sale(made.ID)
		for _, item := range now.Items {
			if item.Available != terms.Allocation {
				return false
			}
		}
		return now.Status == "live"
	})
	return made
}

// Sale reads a sale.
func (s *Shop) Sale(sale string) Sale {
	s.T.Helper()
	var out Sale
	s.Admin("GET", "/v1/admin/sales/"+sale, nil, &out)
	return out
}

// Pool reads the stock of a SKU in a sale; in general stock where sale is empty. A pool that is not there is empty.
func (s *Shop) Pool(sku, sale string) Pool {
	s.T.Helper()
	var stock struct{ Pools []Pool }
	s.Admin("GET", "/v1/admin/stock/"+sku, nil, &stock)
	for _, p := range stock.Pools {
		if p.Sale == sale {
			return p
		}
	}
	return Pool{Sale: sale}
}

// Orders lists all orders of a sale, or of all sales and none where sale is empty; of one status unless that is empty.
func (s *Shop) Orders(sale, status string) []Order {
	s.T.Helper()
	query := "?limit=200"
	if sale != "" {
		query += "&sale_id=" + sale
	}
	if status != "" {
		query += "&status=" + status
	}
	return list[Order](s, "/v1/admin/orders"+query)
}

// list reads a list to its end. The path has a query.
func list[T any](s *Shop, path string) []T {
	s.T.Helper()
	var all []T
	for cursor := ""; ; {
		var page struct {
			Items []T
			Next  string `json:"next_cursor"`
		}
		s.Admin("GET", path+cursor, nil, &page)
		all = append(all, page.Items...)
		if page.Next == "" {
			return all
		}
		cursor = "&cursor=" + page.Next
	}
}

// Tokens makes access tokens for customers from the id first on, n of them; more are further flags of tidegate token.
func (s *Shop) Tokens(first int64, n int, more ...string) []string {
	s.T.Helper()
	code, stdout, stderr := s.Run(append([]string{"token", "--customer", strconv.FormatInt(first, 10), "--count", strconv.Itoa(n)}, more...)...)
	tokens := strings.Fields(stdout)
	if code != 0 || len(tokens) != n {
		s.T.Fatalf("tidegate token: exit %d, %d tokens of %d: %s", code, len(tokens), n, stderr)
	}
	for _, token := range tokens[:min(len(tokens), secretTokensMax)] {
		s.Secret(token)
	}
	return tokens
}

// secretTokensMax bounds the tokens that logs are searched for.
const secretTokensMax = 50
