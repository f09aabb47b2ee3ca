package blackbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/await"
)

// Purchase is one thing that a shopper wants. Every try of it has the same key and body.
type Purchase struct {
	Customer int64
	Token    string
	// Path is where the order is placed: /v1/orders, or that of a sale.
	Path, Key, Body string
}

// Buying returns a purchase of units of each SKU in a sale; from general stock where sale is empty.
func Buying(sale string, units, customer int64, token, key string, skus ...string) Purchase {
	path := "/v1/orders"
	if sale != "" {
		path = "/v1/sales/" + sale + "/orders"
	}
	lines := make([]string, len(skus))
	for i, sku := range skus {
		lines[i] = fmt.Sprintf(`{"sku_id":"%s","quantity":%d}`, sku, units)
	}
	return Purchase{Customer: customer, Token: token, Path: path, Key: key, Body: `{"lines":[` + strings.Join(lines, ",") + `]}`}
}

// Buy tries a purchase once.
func (s *Shop) Buy(p Purchase) Answer {
	return s.Ask("POST", p.Path, p.Token, p.Body, "Idempotency-Key", p.Key)
}

// BuyWithin tries a purchase once and leaves where there is no answer in time.
func (s *Shop) BuyWithin(p Purchase, patience time.Duration) Answer {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return s.ask(ctx, "POST", p.Path, p.Token, p.Body, "Idempotency-Key", p.Key)
}

// Receipt is a purchase that was answered 201, and the answer.
type Receipt struct {
	Purchase
	Order Order
	Body  []byte
}

// Book notes what the shop has answered to a crowd. It is safe for concurrent use; its fields are read when the crowd has
// gone home.
type Book struct {
	mu sync.Mutex
	// Receipts are the accepted orders by their id, Lost the purchases that had no answer, or none that decides, by key.
	Receipts map[string]Receipt
	Lost     map[string]Purchase
	// Refused counts the other answers by their code, or by their status where they are no problem.
	Refused map[string]int
	// Broken are answers that contradict each other.
	Broken []string
	// declined are, by customer, the keys without an answer that were refused when they were asked again, and how.
	declined map[int64][]string

	answered int
	watch    func(answered int)
}

// NewBook returns an empty book. watch, unless nil, is told of each answer how many there have been.
func NewBook(watch func(answered int)) *Book {
	return &Book{Receipts: map[string]Receipt{}, Lost: map[string]Purchase{}, Refused: map[string]int{}, declined: map[int64][]string{}, watch: watch}
}

// Note writes an answer into the book.
func (b *Book) Note(p Purchase, a Answer) {
	b.mu.Lock()
	b.note(p, a)
	if a.Err == nil {
		b.answered++
	}
	n := b.answered
	b.mu.Unlock()
	if b.watch != nil && a.Err == nil {
		b.watch(n)
	}
}

func (b *Book) note(p Purchase, a Answer) {
	switch {
	case a.Err != nil || a.Status == 202 || a.Status >= 500:
		if a.Err == nil {
			b.Refused[a.code()]++
		}
		b.Lost[p.Key] = p
	case a.Status != 201:
		b.Refused[a.code()]++
	default:
		var o Order
		if err := json.Unmarshal(a.Body, &o); err != nil || o.ID == "" {
			b.Broken = append(b.Broken, fmt.Sprintf("the 201 to key %s is no order: %s", p.Key, a.Body))
			return
		}
		if before, twice := b.Receipts[o.ID]; twice && (before.Key != p.Key || !bytes.Equal(before.Body, a.Body)) {
			b.Broken = append(b.Broken, fmt.Sprintf("order %s was answered to key %s as %s and to key %s as %s", o.ID, before.Key, before.Body, p.Key, a.Body))
			return
		}
		b.Receipts[o.ID] = Receipt{p, o, a.Body}
		delete(b.Lost, p.Key)
	}
}

func (a Answer) code() string {
	if code := a.Code(); code != "" {
		return code
	}
	return strconv.Itoa(a.Status)
}

// Accepted returns the receipts so far.
func (b *Book) Accepted() []Receipt {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Collect(maps.Values(b.Receipts))
}

// Answered returns how many answers there have been.
func (b *Book) Answered() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answered
}

// String returns the counts in one line.
func (b *Book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return fmt.Sprintf("%d accepted, %d without a deciding answer, refused %v", len(b.Receipts), len(b.Lost), b.Refused)
}

// Crowd tries purchases, shoppersMax at the same time, until they are used up or stop is closed. What is answered goes
// into the book.
func (s *Shop) Crowd(b *Book, shoppersMax int, stop <-chan struct{}, purchases []Purchase) {
	Each(shoppersMax, purchases, func(p Purchase) {
		select {
		case <-stop:
		default:
			b.Note(p, s.Buy(p))
		}
	})
}

// Each runs fn for all items, workers at the same time.
func Each[T any](workers int, items []T, fn func(T)) {
	next := make(chan T)
	var all sync.WaitGroup
	for range min(workers, len(items)) {
		all.Go(func() {
			for item := range next {
				fn(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	all.Wait()
}

// askAgainEvery is the pause before somebody who was told to ask again does.
const askAgainEvery = 200 * time.Millisecond

// checkersMax is how many orders are read at the same time.
const checkersMax = 32

// madeFacts are the fields of an order that never change.
var madeFacts = []string{"id", "sale_id", "customer_id", "lines", "quantity", "total", "created_at", "expires_at"}

// SharesGate reports whether the shop's gate is in Redis.
func (s *Shop) SharesGate() bool { return s.Setting("TIDEGATE_REDIS_ADDRESSES") != "" }

// GateIsAway reports whether an answer asks to come back because the gate in Redis is away, which it is for a moment where Redis is slow
// to answer. It waits before it says so.
func (s *Shop) GateIsAway(a Answer) bool {
	away := s.SharesGate() && a.Status == 503 && a.Code() == "overloaded" && a.Header.Get("Retry-After") != ""
	if away {
		time.Sleep(askAgainEvery)
	}
	return away
}

// patience is how long those who are asked to come back do so.
func (s *Shop) patience() time.Duration {
	if s.SharesGate() {
		return await.Max
	}
	return 0
}

// VerifyOrders checks every 201 in the book: the order can be read with the same content, and its key, repeated until it
// is decided, gets the same answer, marked as a replay.
func (s *Shop) VerifyOrders(b *Book) { s.VerifyOrdersWithin(b, s.patience()) }

// VerifyOrdersWithin is VerifyOrders for a shop that may answer a key with 503 for a while: its queue is closed during a rebuild.
func (s *Shop) VerifyOrdersWithin(b *Book, patience time.Duration) {
	s.T.Helper()
	until := time.Now().Add(patience)
	for _, broken := range b.Broken {
		s.T.Error(broken)
	}
	var wrong Buffer
	Each(checkersMax, slices.Collect(maps.Values(b.Receipts)), func(r Receipt) {
		read := s.Ask("GET", "/v1/orders/"+r.Order.ID, r.Token, "")
		for deadline := time.Now().Add(await.Max); read.Status == 503 && time.Now().Before(deadline); read = s.Ask("GET", "/v1/orders/"+r.Order.ID, r.Token, "") {
			time.Sleep(askAgainEvery) // the database is too busy to be read
		}
		if why := differs(r.Body, read); why != "" {
			fmt.Fprintf(&wrong, "accepted order %s (key %s), read again: %s\n", r.Order.ID, r.Key, why)
		}
		again := s.Buy(r.Purchase)
		for deadline := time.Now().Add(await.Max); again.Status == 202 && time.Now().Before(deadline) || again.Status == 503 && time.Now().Before(until); again = s.Buy(r.Purchase) {
			time.Sleep(askAgainEvery) // a machine that is too busy says that it does not know yet
		}
		if again.Status != 201 || again.Header.Get("Idempotent-Replayed") != "true" || !bytes.Equal(again.Body, r.Body) {
			fmt.Fprintf(&wrong, "key %s of order %s, asked again: %s; the first answer was %s\n", r.Key, r.Order.ID, again, r.Body)
		}
	})
	if text := wrong.String(); text != "" {
		s.T.Fatalf("of %d accepted orders:\n%s", len(b.Receipts), tail(text))
	}
}

// differs returns what of an order as it was accepted is not what is read now, and nothing where all is.
func differs(accepted []byte, read Answer) string {
	if read.Err != nil || read.Status != 200 {
		return read.String()
	}
	var was, is map[string]json.RawMessage
	if json.Unmarshal(accepted, &was) != nil || json.Unmarshal(read.Body, &is) != nil {
		return "no JSON: " + read.String()
	}
	for _, fact := range madeFacts {
		if !bytes.Equal(was[fact], is[fact]) {
			return fmt.Sprintf("%s was %s and is %s", fact, was[fact], is[fact])
		}
	}
	return ""
}

// Settle asks again for every purchase that has no deciding answer, until it has one. Each key gets one answer, as a
// shopper's retries would.
func (s *Shop) Settle(b *Book) { s.SettleWithin(b, s.patience()) }

// SettleWithin is Settle for a shop that may also say 503 for a while: a database on the network may not answer in time.
func (s *Shop) SettleWithin(b *Book, patience time.Duration) {
	s.T.Helper()
	until := time.Now().Add(patience)
	Each(checkersMax, slices.Collect(maps.Values(b.Lost)), func(p Purchase) {
		a := s.Buy(p)
		// What a process that died had reserved in a gate outside it is undecided until its time is over.
		for deadline := time.Now().Add(await.Max); a.Status == 202 && time.Now().Before(deadline) || a.Status == 503 && time.Now().Before(until); a = s.Buy(p) {
			time.Sleep(askAgainEvery)
		}
		if a.Status != 201 && a.Status/100 != 4 {
			b.mu.Lock()
			b.Broken = append(b.Broken, fmt.Sprintf("key %s, asked again by a shopper who had no answer: %s", p.Key, a))
			b.mu.Unlock()
			return
		}
		b.Note(p, a)
		b.mu.Lock()
		delete(b.Lost, p.Key)
		if a.Status != 201 {
			b.declined[p.Customer] = append(b.declined[p.Customer], p.Path+" "+p.Key+": "+a.code())
		}
		b.mu.Unlock()
	})
	for _, broken := range b.Broken {
		s.T.Error(broken)
	}
}

// CheckSale holds what the shop's own list says of a sale to what must hold: never more units than were allocated, no
// customer over the limit, an order for every receipt, and none that a shopper neither has nor is without an answer for.
// Orders that have been cancelled or have expired count for nothing.
func (s *Shop) CheckSale(b *Book, sale Sale, limit int64) {
	s.T.Helper()
	units, held, known := map[string]int64{}, map[string]int64{}, map[string]bool{}
	lost := map[string]int{}
	for _, p := range b.Lost {
		lost[strconv.FormatInt(p.Customer, 10)]++
	}
	for _, o := range s.Orders(sale.ID, "") {
		known[o.ID] = true
		if _, received := b.Receipts[o.ID]; !received {
			if lost[o.Customer]--; lost[o.Customer] < 0 {
				customer, _ := strconv.ParseInt(o.Customer, 10, 64) // zero, of whom nothing is known, where it is none
				s.T.Errorf("order %s of customer %s: nobody asked for it, or its answer was no (to %v)", o.ID, o.Customer, b.declined[customer])
			}
		}
		if o.Status == "expired" || o.Status == "cancelled" {
			continue
		}
		for _, l := range o.Lines {
			units[l.SKU] += l.Units
		}
		held[o.Customer] += o.Units
	}
	for order, r := range b.Receipts {
		if r.Order.Sale == sale.ID && !known[order] {
			s.T.Errorf("accepted order %s (key %s) is not in the list of orders", order, r.Key)
		}
	}
	for customer, n := range held {
		if limit > 0 && n > limit {
			s.T.Errorf("customer %s has %d units, the limit is %d", customer, n, limit)
		}
	}
	for _, item := range sale.Items {
		if units[item.SKU] > item.Allocation {
			s.T.Errorf("OVERSOLD: %d units of %d of SKU %s", units[item.SKU], item.Allocation, item.SKU)
		}
		delete(units, item.SKU)
	}
	if len(units) > 0 {
		s.T.Errorf("sold without being in the sale: %v", units)
	}
}
