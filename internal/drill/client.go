package drill

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/drill/load"
	"github.com/tidegate/tidegate/internal/drill/machine"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// client speaks to the shop outside the hot loop: the rehearsal part of the admin API, payments, a look at a sale. It is
// safe for concurrent use.
type client struct {
	http *http.Client
	at   atomic.Pointer[Address]
}

// Address is where a shop is reached, as base addresses such as http://127.0.0.1:8080, and the key that opens its admin API.
type Address struct {
	Public  string
	Express string // the second lane; empty where there is none
	Ops     string // for /metrics; empty if there is no such listener
	// AdminKey has the role sales, for the audit all.
	AdminKey string
}

// clientConnections bounds the connections of a drill outside its load.
const clientConnections = 32

func newClient(a Address) *client {
	c := &client{http: &http.Client{
		Timeout: time.Minute,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
			MaxConnsPerHost:     clientConnections,
			MaxIdleConnsPerHost: clientConnections,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
	c.move(a)
	return c
}

func (c *client) move(a Address) {
	a.Public, a.Express, a.Ops = strings.TrimSuffix(a.Public, "/"), strings.TrimSuffix(a.Express, "/"), strings.TrimSuffix(a.Ops, "/")
	c.at.Store(&a)
}

func (c *client) close() { c.http.CloseIdleConnections() }

// refusal is a problem that the shop answered with.
type refusal struct {
	status int
	code   string
	detail string
}

// Error implements error: one sentence.
func (r *refusal) Error() string { return r.detail }

// errNotOurs says that what answers at the target is no Tidegate.
var errNotOurs = errors.New("this is not a Tidegate shop")

// do sends a request as the bearer of the token and returns the answer, whose body the caller closes.
func (c *client) do(ctx context.Context, method, url, bearer string, in any) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	if bearer != "" {
		r.Header.Set("Authorization", "Bearer "+bearer)
	}
	if in != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return nil, err
	}
	if answer.StatusCode < 300 {
		return answer, nil
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	var problem api.Problem
	if json.Unmarshal(text, &problem) != nil || problem.Code == "" {
		return nil, fmt.Errorf("%w: it answered %s", errNotOurs, answer.Status)
	}
	detail := problem.Detail
	if detail == "" {
		detail = problem.Title
	}
	if problem.Field != "" {
		detail = problem.Field + ": " + detail
	}
	return nil, &refusal{answer.StatusCode, problem.Code, detail}
}

// json sends a request and decodes the answer, unless out is nil.
func (c *client) json(ctx context.Context, method, url, bearer string, in, out any) error {
	answer, err := c.do(ctx, method, url, bearer, in)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if out == nil {
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return fmt.Errorf("%w: its answer cannot be read", errNotOurs)
	}
	return nil
}

// hasPage reports whether the shop serves a page at the path.
func (c *client) hasPage(ctx context.Context, path string) (bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.at.Load().Public+path, nil)
	if err != nil {
		return false, err
	}
	answer, err := c.http.Do(r)
	if err != nil {
		return false, err
	}
	return answer.StatusCode == http.StatusOK, answer.Body.Close()
}

// probe finds out whether the target is a shop of ours and the key opens its rehearsals, without changing anything.
func (c *client) probe(ctx context.Context) error {
	a := c.at.Load()
	err := c.json(ctx, http.MethodGet, a.Public+"/v1/admin/rehearsals?limit=1", a.AdminKey, nil, new(api.RehearsalPage))
	var r *refusal
	switch {
	case err == nil:
		return nil
	case errors.As(err, &r) && r.status == http.StatusUnauthorized:
		return fmt.Errorf("the shop at %s does not know the admin key", a.Public)
	case errors.As(err, &r) && r.status == http.StatusForbidden:
		return fmt.Errorf("the admin key may not rehearse: it needs the role sales")
	case errors.As(err, &r) && r.status == http.StatusNotFound:
		return fmt.Errorf("the shop at %s is too old to rehearse with: it has no rehearsals", a.Public)
	case errors.Is(err, errNotOurs) || errors.As(err, &r):
		return fmt.Errorf("%s: %w", a.Public, err)
	default:
		return fmt.Errorf("%s does not answer: %w", a.Public, plainError(err))
	}
}

// probeExpress finds out whether the express lane is one of ours: it answers for a sale that there is not.
func (c *client) probeExpress(ctx context.Context) error {
	base := c.at.Load().Express
	if _, err := load.NewTarget(base); err != nil {
		return err
	}
	err := c.json(ctx, http.MethodGet, base+"/v1/sales/1", "", nil, new(api.Sale))
	var r *refusal
	switch {
	case err == nil, errors.As(err, &r) && r.status == http.StatusNotFound:
		return nil
	case errors.Is(err, errNotOurs) || r != nil:
		return fmt.Errorf("%s is not an express lane: %w", base, err)
	}
	return fmt.Errorf("%s does not answer: %w", base, plainError(err))
}

// plainError takes the method and the address off an error of net/http: the sentence around it names them.
func plainError(err error) error {
	for e := err; e != nil; e = errors.Unwrap(e) {
		if op, ok := e.(*net.OpError); ok {
			return op.Err
		}
	}
	return err
}

// rehearse makes a rehearsal.
func (c *client) rehearse(ctx context.Context, in api.RehearsalInput) (made api.Rehearsal, err error) {
	a := c.at.Load()
	err = c.json(ctx, http.MethodPost, a.Public+"/v1/admin/rehearsals", a.AdminKey, in, &made)
	if err == nil && (len(made.SkuIds) != in.Skus || made.SaleId.IsZero() || made.Shoppers != in.Shoppers) {
		err = fmt.Errorf("%w: it made another rehearsal than requested", errNotOurs)
	}
	return made, err
}

// tokensPerCall is what one call mints.
const tokensPerCall = 10_000

// tokens fetches the access tokens of every shopper.
func (c *client) tokens(ctx context.Context, sale api.Rehearsal) (*tokens, error) {
	all := &tokens{ends: make([]uint32, 0, sale.Shoppers)}
	a := c.at.Load()
	for first := 0; first < sale.Shoppers; first += tokensPerCall {
		in := api.RehearsalTokensInput{First: first, Count: min(tokensPerCall, sale.Shoppers-first)}
		var out api.RehearsalTokens
		if err := c.json(ctx, http.MethodPost, a.Public+"/v1/admin/rehearsals/"+sale.SaleId.String()+"/tokens", a.AdminKey, in, &out); err != nil {
			return nil, fmt.Errorf("get the shoppers' tokens: %w", err)
		}
		if len(out.Tokens) != in.Count {
			return nil, fmt.Errorf("get the shoppers' tokens: %w", errNotOurs)
		}
		if first == 0 { // they are of one length, give or take a digit: no copying while they come in
			all.bytes = make([]byte, 0, sale.Shoppers*(len(out.Tokens[0])+2))
		}
		for _, t := range out.Tokens {
			all.bytes = append(all.bytes, t...)
			all.ends = append(all.ends, uint32(len(all.bytes)))
		}
	}
	return all, nil
}

// tokens are the shoppers' access tokens, one after the other.
type tokens struct {
	bytes []byte
	ends  []uint32
}

func (t *tokens) of(shopper int) []byte {
	begin := uint32(0)
	if shopper > 0 {
		begin = t.ends[shopper-1]
	}
	return t.bytes[begin:t.ends[shopper]]
}

// orders hands every order of a rehearsal to yield, one in memory at a time.
func (c *client) orders(ctx context.Context, sale id.Sale, yield func(o *api.Order, key string)) error {
	a := c.at.Load()
	answer, err := c.do(ctx, http.MethodGet, a.Public+"/v1/admin/rehearsals/"+sale.String()+"/orders", a.AdminKey, nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	in := bufio.NewScanner(answer.Body)
	in.Buffer(make([]byte, 64<<10), 1<<20)
	var line orderLine
	for in.Scan() {
		line.reset()
		if err := json.Unmarshal(in.Bytes(), &line); err != nil {
			return fmt.Errorf("read the rehearsal's orders: %w", err)
		}
		if line.End {
			return nil
		}
		yield(line.order(), line.Key)
	}
	if err := in.Err(); err != nil {
		return fmt.Errorf("read the rehearsal's orders: %w", err)
	}
	return errors.New("read the rehearsal's orders: the answer broke off")
}

// orderLine is what settling needs of an api.RehearsalOrderLine. The times of an order are half the cost of reading it.
type orderLine struct {
	Order struct {
		ID       id.Order        `json:"id"`
		Customer id.Customer     `json:"customer_id"`
		Status   api.OrderStatus `json:"status"`
		Lines    []api.OrderLine `json:"lines"`
		Units    int64           `json:"quantity"`
		Total    money.Amount    `json:"total"`
	} `json:"order"`
	Key string `json:"key"`
	End bool   `json:"end"`
	is  api.Order
}

func (l *orderLine) reset() {
	lines := l.Order.Lines[:0]
	*l = orderLine{}
	l.Order.Lines = lines
}

func (l *orderLine) order() *api.Order {
	l.is = api.Order{Id: l.Order.ID, CustomerId: l.Order.Customer, Status: l.Order.Status, Lines: l.Order.Lines, Quantity: l.Order.Units, Total: l.Order.Total}
	return &l.is
}

// look reads a sale, as a shopper does. left is negative where the shop does not know it.
func (c *client) look(ctx context.Context, sale id.Sale) (found api.Sale, left int64, err error) {
	err = c.json(ctx, http.MethodGet, c.at.Load().Public+"/v1/sales/"+sale.String(), "", nil, &found)
	for _, it := range found.Items {
		if it.Available == nil {
			return found, -1, err
		}
		left += *it.Available
	}
	return found, left, err
}

// saleBytesMax bounds how much of a sale is read: 1,000 items are some 300 KB.
const saleBytesMax = 16 << 20

// left reads how much of a sale is available in sum, as look does, but nothing else of it: a sale may have a thousand items, and it
// is looked at while the load is measured. An item's text cannot be taken for the field, since the quotes in it are escaped. It
// returns errNotKnown where the shop does not know what is left of an item.
func (c *client) left(ctx context.Context, sale id.Sale) (units int64, err error) {
	answer, err := c.do(ctx, http.MethodGet, c.at.Load().Public+"/v1/sales/"+sale.String(), "", nil)
	if err != nil {
		return 0, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, saleBytesMax))
	if err != nil {
		return 0, err
	}
	items := bytes.Count(text, []byte(`"allocation":`))
	if items == 0 {
		return 0, fmt.Errorf("%w: its answer is not a sale", errNotOurs)
	}
	for range items {
		_, after, found := bytes.Cut(text, []byte(`"available":`))
		if !found {
			return 0, errNotKnown
		}
		units += leading(after)
		text = after
	}
	return units, nil
}

var errNotKnown = errors.New("the shop does not know what is left")

// audit runs the shop's own audit.
func (c *client) audit(ctx context.Context) (report api.AuditReport, err error) {
	a := c.at.Load()
	err = c.json(ctx, http.MethodPost, a.Public+"/v1/admin/audit", a.AdminKey, nil, &report)
	return report, err
}

// readable asks for an order as its shopper does, and returns its status.
func (c *client) readable(ctx context.Context, o id.Order, token []byte) (api.OrderStatus, error) {
	var found api.Order
	err := c.json(ctx, http.MethodGet, c.at.Load().Public+"/v1/orders/"+o.String(), string(token), nil, &found)
	return found.Status, err
}

// Usage is what a process has used since it began.
type Usage struct {
	CPU      time.Duration
	RSSMax   int64 // bytes, the most it ever held; zero where the system does not tell
	RSS      int64
	Commits  int64 // group commits; -1 where unknown
	CommitAt time.Time
}

// usage reads what the shop has used: from its metrics, and from the system where it is a process of ours.
func (c *client) usage(ctx context.Context, pid int) Usage {
	u := Usage{Commits: -1, CommitAt: time.Now()}
	if ops := c.at.Load().Ops; ops != "" {
		c.scrape(ctx, ops, &u)
	}
	if pid != 0 {
		if cpu, rss, rssMax, ok := machine.ProcessUsage(pid); ok {
			u.CPU, u.RSS, u.RSSMax = cpu, rss, rssMax
		}
	}
	return u
}

// scrape reads the few metrics that a drill tells.
func (c *client) scrape(ctx context.Context, ops string, u *Usage) {
	answer, err := c.do(ctx, http.MethodGet, ops+"/metrics", "", nil)
	if err != nil {
		return // the report then leaves it out
	}
	defer func() { _ = answer.Body.Close() }()
	u.Commits = 0 // the counter is there from the first commit on
	for line := bufio.NewScanner(io.LimitReader(answer.Body, 16<<20)); line.Scan(); {
		name, value, found := strings.Cut(line.Text(), " ")
		if !found || strings.HasPrefix(name, "#") {
			continue
		}
		n, err := strconv.ParseFloat(value, 64)
		if err != nil {
			continue
		}
		switch name, _, _ = strings.Cut(name, "{"); name {
		case "process_cpu_seconds_total":
			u.CPU = time.Duration(n * float64(time.Second))
		case "process_resident_memory_bytes":
			u.RSS = int64(n)
			u.RSSMax = max(u.RSSMax, u.RSS)
		case "tidegate_commit_duration_seconds_count":
			u.Commits += int64(n)
		}
	}
}
