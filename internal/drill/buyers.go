package drill

import (
	"bytes"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/drill/load"
	"github.com/tidegate/tidegate/internal/drill/profile"
)

// buyers is the script of the shoppers of one sale: each comes, buys, and behaves as the night says. Several loops may
// share the books, each with its own buyers: those of every shards-th shopper.
type buyers struct {
	*recorder
	books   *PurchaseLog
	tokens  *tokens
	profile *profile.LoadProfile
	// due says when each shopper comes; nil is closed load.
	due           []time.Duration
	shard, shards int
	// until ends the load before all is sent; zero does not.
	until time.Duration
	// fates says that shoppers do more than buy once: they retry, pay and so on.
	fates bool
	// till takes orders that are to be paid or cancelled.
	till func(purchase int, now time.Duration)
	// stopped, once true, lets nobody new come: only what was asked is asked again until it is answered.
	stopped atomic.Bool

	head  []byte // of every request, up to the token
	body  []byte // of the request that is being encoded
	next  int
	last  int // one past the last of next
	again followUps
}

// The kinds of request. They are part of a ticket.
const (
	first     = iota
	retried   // the same again, after an answer
	otherBody // the same key with one unit more
)

const (
	kindShift  = 40
	triesShift = 48
	triesMax   = 200
)

func ticketOf(purchase, kind, tries int) load.Ticket {
	return load.Ticket(purchase) | load.Ticket(kind)<<kindShift | load.Ticket(tries)<<triesShift
}

func partsOf(t load.Ticket) (purchase, kind, tries int) {
	return int(t & (1<<kindShift - 1)), int(t >> kindShift & 0xff), int(t >> triesShift)
}

func newBuyers(b *PurchaseLog, t *tokens, n *profile.LoadProfile, host string) *buyers {
	s := &buyers{recorder: newRecorder(), books: b, tokens: t, profile: n, shards: 1}
	s.head = append(s.head, "POST /v1/sales/"+b.Sale.SaleId.String()+"/orders HTTP/1.1\r\nHost: "+host+"\r\nContent-Type: application/json\r\nAuthorization: Bearer "...)
	s.last = len(b.state)
	return s
}

// Next implements load.Script.
func (s *buyers) Next(now time.Duration) (load.Ticket, time.Duration, bool) {
	wait := time.Duration(-1)
	if f, ok := s.again.peek(); ok {
		if f.due <= now {
			s.again.pop()
			s.counts.sent.Add(1)
			return f.ticket, f.due, true
		}
		wait = f.due
	}
	if s.over(now) {
		return 0, wait, false
	}
	due := now
	if s.due != nil {
		if due = s.due[s.next*s.shards+s.shard]; due > now {
			if wait < 0 || due < wait {
				wait = due
			}
			return 0, wait, false
		}
	}
	purchase := s.purchase(s.next)
	s.next++
	s.books.set(purchase, InFlight)
	s.counts.sent.Add(1)
	return ticketOf(purchase, first, 0), due, true
}

// purchase returns the purchase that comes as number n: every shopper comes once before anybody comes again.
func (s *buyers) purchase(n int) int {
	n = n*s.shards + s.shard
	return n%s.books.Shoppers*s.books.Keys + n/s.books.Shoppers
}

// over reports whether nobody new comes any more.
func (s *buyers) over(now time.Duration) bool {
	if s.stopped.Load() || s.until > 0 && now >= s.until {
		return true
	}
	if s.due != nil {
		return s.next*s.shards+s.shard >= len(s.due)
	}
	return s.next*s.shards+s.shard >= s.last
}

// Done implements load.Script.
func (s *buyers) Done(now time.Duration) bool { return s.over(now) && len(s.again) == 0 }

// Encode implements load.Script. It makes the body anew: a thousand SKUs' bodies would not stay in the processor's cache.
func (s *buyers) Encode(b []byte, t load.Ticket) []byte {
	purchase, kind, _ := partsOf(t)
	b = append(b, s.head...)
	b = append(b, s.tokens.of(purchase/s.books.Keys)...)
	b = append(b, "\r\nIdempotency-Key: "...)
	b = appendKey(b, purchase)
	sku, units := s.books.requested(purchase)
	if kind == otherBody {
		units++
	}
	s.body = append(s.body[:0], `{"lines":[{"sku_id":"`...)
	s.body = strconv.AppendInt(s.body, int64(s.books.Sale.SkuIds[sku]), 10)
	s.body = strconv.AppendInt(append(s.body, `","quantity":`...), int64(units), 10)
	s.body = append(s.body, `}]}`...)
	b = strconv.AppendInt(append(b, "\r\nContent-Length: "...), int64(len(s.body)), 10)
	return append(append(b, "\r\n\r\n"...), s.body...)
}

// Answer implements load.Script.
func (s *buyers) Answer(t load.Ticket, a load.Answer, now, took time.Duration) {
	purchase, kind, tries := partsOf(t)
	c := &s.counts
	c.answers.Add(1)
	defer s.note(now, took)
	switch {
	case a.Status == 201:
		s.created(purchase, kind, a, now)
	case a.Status == 409:
		s.refused(purchase, kind, tries, a, now)
	case a.Status == 202 && bytes.Contains(a.Body, []byte(`"status":"queued"`)):
		s.queued(purchase, kind, tries, now)
	case a.Status == 202:
		c.undecided.Add(1)
		s.repeat(purchase, kind, tries, Undecided, now, 20*time.Millisecond)
	case a.Status >= 500 || a.Status == 429:
		if a.Status >= 500 {
			c.fives.Add(1)
		}
		s.repeat(purchase, kind, tries, Failed, now, max(100*time.Millisecond, min(time.Duration(a.RetryAfterSeconds)*time.Second, 2*time.Second)))
	case a.Status == 422 && kind == otherBody:
		c.reused.Add(1)
	default:
		c.other.Add(1)
		s.settle(purchase, kind, Refused)
	}
}

// settle sets the outcome of a purchase. What comes of asking again does not change what was answered first.
func (s *buyers) settle(purchase, kind int, o Outcome) {
	if kind == first {
		s.books.set(purchase, o)
	}
}

// queuedPause is how long a shopper whose order is queued waits before they ask for it again, once all have come: their page
// follows a stream meanwhile, which costs the shop next to nothing.
const queuedPause = 2 * time.Second

// queued takes a 202 that says that the order is kept. Its shopper asks again with the same key until it is decided.
func (s *buyers) queued(purchase, kind, tries int, now time.Duration) {
	if o := s.books.Outcome(purchase); kind == first && o != Queued && o != Accepted {
		s.counts.queued.Add(1)
		s.lastQueued = now
	}
	s.repeat(purchase, kind, tries, Queued, now, max(s.until-now, 0)+queuedPause)
}

// created takes a 201.
func (s *buyers) created(purchase, kind int, a load.Answer, now time.Duration) {
	c := &s.counts
	order, total := orderOf(a.Body)
	_, units := s.books.requested(purchase)
	switch {
	case kind == otherBody:
		s.books.mark(purchase, markDenied)
	case total != int64(units)*s.books.Sale.Price.Minor:
		s.books.mark(purchase, markWrongPrice)
	}
	if a.Replayed {
		c.replayed.Add(1)
	}
	if s.books.Outcome(purchase) == Accepted {
		if s.books.order[purchase] != order {
			s.books.addStray(purchase, order)
		}
		return
	}
	c.accepted.Add(1)
	s.books.order[purchase] = order
	s.books.set(purchase, Accepted)
	if s.fates {
		s.live(purchase, now)
	}
}

// live decides what a shopper does who has an order.
func (s *buyers) live(purchase int, now time.Duration) {
	n, b := s.profile, s.books
	if b.chance(purchase, 1, n.Retry) {
		s.again.push(followUp{now + 50*time.Millisecond, ticketOf(purchase, retried, 0)})
	}
	if b.chance(purchase, 2, n.OtherBody) {
		s.again.push(followUp{now + 80*time.Millisecond, ticketOf(purchase, otherBody, 0)})
	}
	if b.GreedyUnits > 0 && purchase%b.Keys == 0 && b.chance(purchase, 3, n.Greedy) {
		s.books.set(purchase+1, InFlight)
		s.again.push(followUp{now + 100*time.Millisecond, ticketOf(purchase+1, first, 0)})
	}
	if s.till != nil && !b.chance(purchase, 4, n.Abandon) {
		s.till(purchase, now)
	}
}

// refused takes a 409.
func (s *buyers) refused(purchase, kind, tries int, a load.Answer, now time.Duration) {
	c := &s.counts
	if kind == retried {
		s.books.mark(purchase, markDenied) // it has an order, and asked for it with the same key
	}
	switch code := codeOf(a.Body); string(code) {
	case "sold_out", "fewer_left":
		c.soldOut.Add(1)
		s.settle(purchase, kind, SoldOut)
	case "limit_reached":
		c.limited.Add(1)
		s.settle(purchase, kind, Limited)
	case "sale_ended":
		c.closed.Add(1)
		s.settle(purchase, kind, Closed)
	case "sale_not_open", "sale_paused":
		c.closed.Add(1)
		s.repeat(purchase, kind, tries, Closed, now, 200*time.Millisecond)
	default:
		c.other.Add(1)
		s.settle(purchase, kind, Refused)
	}
}

// Lost implements load.Script.
func (s *buyers) Lost(t load.Ticket, now time.Duration, _ error) {
	purchase, kind, tries := partsOf(t)
	s.counts.lost.Add(1)
	s.repeat(purchase, kind, tries, InFlight, now, 50*time.Millisecond)
}

// repeat asks again with the same key, as a shopper must whose answer is lost, and gives up after triesMax.
func (s *buyers) repeat(purchase, kind, tries int, o Outcome, now, after time.Duration) {
	s.settle(purchase, kind, o)
	if tries < triesMax {
		s.again.push(followUp{now + after, ticketOf(purchase, kind, tries+1)})
	}
}

// orderOf reads the id and the total of an order's JSON: its first and its last such field.
func orderOf(body []byte) (order, total int64) {
	const idName, totalName = `"id":"`, `"total":{"minor":`
	if i := bytes.Index(body, []byte(idName)); i >= 0 {
		order = leading(body[i+len(idName):])
	}
	if i := bytes.LastIndex(body, []byte(totalName)); i >= 0 {
		total = leading(body[i+len(totalName):])
	}
	return order, total
}

// leading reads the digits that b begins with.
func leading(b []byte) (n int64) {
	for _, c := range b {
		if c < '0' || c > '9' {
			break
		}
		n = n*10 + int64(c-'0')
	}
	return n
}

// codeOf reads the code of a problem.
func codeOf(body []byte) []byte {
	const name = `"code":"`
	i := bytes.Index(body, []byte(name))
	if i < 0 {
		return nil
	}
	code, _, _ := bytes.Cut(body[i+len(name):], []byte{'"'})
	return code
}

// followUp is a request that is due later.
type followUp struct {
	due    time.Duration
	ticket load.Ticket
}

// followUps is a heap, the earliest due first.
type followUps []followUp

func (h followUps) peek() (followUp, bool) {
	if len(h) == 0 {
		return followUp{}, false
	}
	return h[0], true
}

func (h *followUps) push(f followUp) {
	*h = append(*h, f)
	a := *h
	for i := len(a) - 1; i > 0; {
		parent := (i - 1) / 2
		if a[parent].due <= a[i].due {
			return
		}
		a[parent], a[i] = a[i], a[parent]
		i = parent
	}
}

func (h *followUps) pop() {
	a := *h
	last := len(a) - 1
	a[0] = a[last]
	a = a[:last]
	*h = a
	for i := 0; ; {
		least := i
		for child := 2*i + 1; child <= 2*i+2 && child < last; child++ {
			if a[child].due < a[least].due {
				least = child
			}
		}
		if least == i {
			return
		}
		a[i], a[least] = a[least], a[i]
		i = least
	}
}

// input is the rehearsal that a night asks the shop for.
func input(n *profile.LoadProfile, title string, shoppers int, units int64, limit int64) api.RehearsalInput {
	return api.RehearsalInput{
		Title: title, Skus: n.SKUs, Quantity: units, PriceMinor: n.PriceMinor, LimitPerCustomer: limit,
		PaymentWindowSeconds: int64(n.PaymentTime / time.Second), Shoppers: shoppers, DurationMinutes: saleMinutes,
	}
}

// saleMinutes is how long a rehearsal's sale is open: a day, so that no night outlasts it.
const saleMinutes = 24 * 60
