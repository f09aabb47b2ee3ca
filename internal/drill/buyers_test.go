package drill

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/drill/load"
	"github.com/tidegate/tidegate/internal/drill/profile"
)

// crowd is the buyers of testBooks, with nobody's answers in them yet.
func crowd(change func(n *profile.LoadProfile)) *buyers {
	b := testBooks()
	clear(b.state)
	clear(b.order)
	t := &tokens{}
	for range b.Shoppers {
		t.bytes = append(t.bytes, "token"...)
		t.ends = append(t.ends, uint32(len(t.bytes)))
	}
	n := profile.Default()
	n.Retry, n.OtherBody, n.Greedy = 0, 0, 0
	if change != nil {
		change(&n)
	}
	s := newBuyers(b, t, &n, "shop")
	s.fates = true
	s.last = b.Shoppers
	return s
}

const created = `{"id":"501","sale_id":"9","status":"pending","lines":[{"sku_id":"71","quantity":1,"unit_price":{"minor":100,"currency":"GBP"},"total":{"minor":100,"currency":"GBP"}}],"quantity":1,"total":{"minor":100,"currency":"GBP"}}`

func problem(code string) []byte {
	return []byte(`{"type":"/docs#` + code + `","title":"T","status":409,"code":"` + code + `","number":5001}`)
}

func TestAnAnswerBecomesAnOutcome(t *testing.T) {
	t.Parallel()
	answer := func(status int, body string) load.Answer { return load.Answer{Status: status, Body: []byte(body)} }
	for _, c := range []struct {
		name    string
		answers []load.Answer
		kinds   []int // of each answer's request; first where absent
		want    Outcome
		mark    uint8
		strays  int
		again   int // follow-ups that wait
	}{
		{"created", []load.Answer{answer(201, created)}, nil, Accepted, 0, 0, 0},
		{"sold out", []load.Answer{{Status: 409, Body: problem("sold_out")}}, nil, SoldOut, 0, 0, 0},
		{"limit", []load.Answer{{Status: 409, Body: problem("limit_reached")}}, nil, Limited, 0, 0, 0},
		{"ended", []load.Answer{{Status: 409, Body: problem("sale_ended")}}, nil, Closed, 0, 0, 0},
		{"not open yet", []load.Answer{{Status: 409, Body: problem("sale_not_open")}}, nil, Closed, 0, 0, 1},
		{"another refusal", []load.Answer{answer(401, "{}")}, nil, Refused, 0, 0, 0},
		{"a 409 without a code", []load.Answer{answer(409, "x")}, nil, Refused, 0, 0, 0},
		{"undecided", []load.Answer{answer(202, `{"id":"501"}`)}, nil, Undecided, 0, 0, 1},
		{"queued", []load.Answer{answer(202, `{"id":"501","status":"queued","ticket":"t"}`)}, nil, Queued, 0, 0, 1},
		{"queued, then created", []load.Answer{answer(202, `{"id":"501","status":"queued"}`), answer(201, created)}, nil, Accepted, 0, 0, 1},
		{"queued, then refused", []load.Answer{answer(202, `{"id":"501","status":"queued"}`), {Status: 409, Body: problem("sold_out")}}, nil, SoldOut, 0, 0, 1},
		{"too busy", []load.Answer{answer(503, "")}, nil, Failed, 0, 0, 1},
		{"too many", []load.Answer{answer(429, "")}, nil, Failed, 0, 0, 1},
		{"too busy, then created", []load.Answer{answer(503, ""), answer(201, created)}, nil, Accepted, 0, 0, 1},
		{"another price", []load.Answer{answer(201, `{"id":"501","total":{"minor":99,"currency":"GBP"}}`)}, nil, Accepted, markWrongPrice, 0, 0},
		{"no total", []load.Answer{answer(201, `{"id":"501"}`)}, nil, Accepted, markWrongPrice, 0, 0},
		{"a retry that gets its order", []load.Answer{answer(201, created), answer(201, created)}, []int{first, retried}, Accepted, 0, 0, 0},
		{"a retry that gets another order", []load.Answer{answer(201, created), answer(201, `{"id":"502","total":{"minor":100}}`)}, []int{first, retried}, Accepted, 0, 1, 0},
		{"a retry that is turned away", []load.Answer{answer(201, created), {Status: 409, Body: problem("limit_reached")}}, []int{first, retried}, Accepted, markDenied, 0, 0},
		{"another body that is refused", []load.Answer{answer(201, created), answer(422, "{}")}, []int{first, otherBody}, Accepted, 0, 0, 0},
		{"another body that is taken", []load.Answer{answer(201, created), answer(201, created)}, []int{first, otherBody}, Accepted, markDenied, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := crowd(nil)
			for i, a := range c.answers {
				kind := first
				if i < len(c.kinds) {
					kind = c.kinds[i]
				}
				s.Answer(ticketOf(0, kind, 0), a, time.Second, time.Millisecond)
			}
			if got := s.books.Outcome(0); got != c.want || s.books.state[0]&^outcomeMask != c.mark || len(s.books.stray) != c.strays || len(s.again) != c.again {
				t.Errorf("outcome %d, marks %x, strays %v, %d wait; want %+v", got, s.books.state[0]&^outcomeMask, s.books.stray, len(s.again), c)
			}
		})
	}
}

func TestALostRequestIsAskedAgainUntilItIsAnswered(t *testing.T) {
	t.Parallel()
	s := crowd(nil)
	s.last = 1
	at := time.Duration(0)
	ticket, _, ok := s.Next(at)
	for tries := range triesMax {
		if !ok {
			t.Fatalf("after %d tries it is not asked again", tries)
		}
		s.Lost(ticket, at, io.EOF)
		if s.books.Outcome(0) != InFlight || s.Done(at) {
			t.Fatal("it was given up")
		}
		if _, _, early := s.Next(at); early {
			t.Fatal("it was asked again at once")
		}
		at += time.Second
		ticket, _, ok = s.Next(at)
	}
	s.Lost(ticket, at, io.EOF)
	if _, _, ok := s.Next(at + time.Hour); ok || !s.Done(at) || s.books.Outcome(0) != InFlight {
		t.Error("it was never given up")
	}
}

func TestBuyersComeWhenTheyAreDue(t *testing.T) {
	t.Parallel()
	s := crowd(nil)
	s.due = []time.Duration{time.Second, 2 * time.Second, 3 * time.Second, 4 * time.Second}
	if _, due, ok := s.Next(0); ok || due != time.Second {
		t.Errorf("somebody came at %v", due)
	}
	ticket, due, ok := s.Next(2500 * time.Millisecond)
	if purchase, kind, _ := partsOf(ticket); !ok || due != time.Second || purchase != 0 || kind != first {
		t.Errorf("purchase %d at %v", purchase, due)
	}
	s.stop()
	if _, _, ok := s.Next(time.Hour); ok || !s.Done(time.Hour) {
		t.Error("somebody came after the end")
	}
}

// TestEveryPurchaseIsMadeOnce walks closed load in several shards.
func TestEveryPurchaseIsMadeOnce(t *testing.T) {
	t.Parallel()
	for shards := 1; shards <= 3; shards++ {
		seen := make([]int, 8)
		for shard := range shards {
			s := crowd(nil)
			s.fates, s.last, s.shard, s.shards = false, len(s.books.state), shard, shards
			for {
				ticket, _, ok := s.Next(0)
				if !ok {
					break
				}
				purchase, _, _ := partsOf(ticket)
				seen[purchase]++
			}
		}
		if diff := cmp.Diff([]int{1, 1, 1, 1, 1, 1, 1, 1}, seen); diff != "" {
			t.Errorf("%d shards: %s", shards, diff)
		}
	}
}

func TestWhatIsSentIsARequest(t *testing.T) {
	t.Parallel()
	s := crowd(nil)
	for _, c := range []struct {
		purchase, kind int
		units          string
	}{{0, first, "1"}, {0, retried, "1"}, {0, otherBody, "2"}, {1, first, "1"}} {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(s.Encode(nil, ticketOf(c.purchase, c.kind, 3)))))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		sku, _ := s.books.requested(c.purchase)
		want := `{"lines":[{"sku_id":"` + s.books.Sale.SkuIds[sku].String() + `","quantity":` + c.units + `}]}`
		if err != nil || r.URL.Path != "/v1/sales/9/orders" || string(body) != want || r.Header.Get("Idempotency-Key") != string(appendKey(nil, c.purchase)) || r.Header.Get("Authorization") != "Bearer token" || int64(len(body)) != r.ContentLength {
			t.Errorf("%v %s %v, %v", r.URL, body, r.Header, err)
		}
	}
	for _, raw := range append(getRequests("shop", "Accept: application/json\r\n", "/v1/products/7"), postRequests("shop")...) {
		if _, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(raw))); err != nil {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

// TestTheHotLoopDoesNotAllocate is what keeps the generator's own cost out of the shop's figures.
func TestTheHotLoopDoesNotAllocate(t *testing.T) {
	s := crowd(nil)
	s.books.state, s.books.order = make([]uint8, 1<<16), make([]int64, 1<<16)
	s.books.Keys, s.last, s.fates = 1<<14, 1<<16, false
	buffer := make([]byte, 0, 4096)
	answers := []load.Answer{{Status: 201, Body: []byte(created)}, {Status: 409, Body: problem("sold_out")}}
	n := 0
	allocations := testing.AllocsPerRun(10_000, func() {
		ticket, _, ok := s.Next(time.Millisecond)
		if !ok {
			t.Fatal("nothing to send")
		}
		buffer = s.Encode(buffer[:0], ticket)
		n++
		s.Answer(ticket, answers[n%2], time.Millisecond, time.Millisecond)
	})
	if allocations != 0 {
		t.Errorf("%g allocations a request", allocations)
	}
}

func TestFollowUpsComeInOrder(t *testing.T) {
	t.Parallel()
	var h followUps
	for i := range 1000 {
		h.push(followUp{time.Duration(mix(3, uint64(i)) % 100), load.Ticket(i)})
	}
	last := time.Duration(-1)
	for len(h) > 0 {
		f, _ := h.peek()
		h.pop()
		if f.due < last {
			t.Fatalf("%d after %d", f.due, last)
		}
		last = f.due
	}
	if _, ok := h.peek(); ok {
		t.Error("there is one more")
	}
}
