package history

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"

	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/share"
)

func TestMain(m *testing.M) { blackbox.Main(m) }

// serverHistoriesInCI is how many histories of the whole server `go test` checks: each is a sale.
const serverHistoriesInCI = 8

// The sale of a history: three units, and at most two for a customer.
const (
	saleUnits   = 3
	saleLimit   = 2
	saleBuyers  = 3
	saleClients = 6
)

// asked is what a client asks of the shop.
type asked struct {
	Kind     string // buy, cancel
	Customer int
	Key      int
	Order    string // of a cancellation
}

// told is what the shop has answered.
type told struct {
	Code  string // 201, or why not
	Order string
}

// shopState is a sale: which order each key of each customer has, and which of them was cancelled.
type shopState struct {
	orders    [saleBuyers][3]string
	cancelled [saleBuyers][3]bool
}

func (s shopState) held(customer int) (n int) {
	for k, o := range s.orders[customer] {
		if o != "" && !s.cancelled[customer][k] {
			n++
		}
	}
	return n
}

// shopModel is the sale as its shoppers may see it. The gate hears of a cancellation a moment after the database, so a
// refusal may still come of units, and of an allowance, that were given back just now.
var shopModel = porcupine.Model{
	Init: func() any { return shopState{} },
	Step: func(state, input, output any) (bool, any) {
		s, in, out := state.(shopState), input.(asked), output.(told)
		if in.Kind == "cancel" {
			for k, o := range s.orders[in.Customer] {
				if o == in.Order {
					s.cancelled[in.Customer][k] = true
					return out.Code == "200", s
				}
			}
			return out.Code == "404", s
		}
		if o := s.orders[in.Customer][in.Key]; o != "" {
			return out.Code == "201" && out.Order == o, s // the first answer again, whatever became of the order
		}
		left := saleUnits
		for c := range saleBuyers {
			left -= s.held(c)
		}
		switch {
		case out.Code == "201":
			possible := left > 0 && s.held(in.Customer) < saleLimit
			s.orders[in.Customer][in.Key] = out.Order
			return possible, s
		case out.Code == "sold_out" || out.Code == "fewer_left":
			return left == 0 || s.anyCancelled(), s
		case out.Code == "limit_reached":
			return s.held(in.Customer) >= saleLimit || s.anyCancelled(), s
		}
		return false, s
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %+v", input, output) },
}

func (s shopState) anyCancelled() bool {
	return s.cancelled != [saleBuyers][3]bool{}
}

// TestServer: the whole server, over HTTP on both lanes. Orders under few keys of few customers for three units, and cancellations.
func TestServer(t *testing.T) {
	t.Parallel()
	blackbox.EachEngines(t, serverHistories)
}

// doubtingModel is the model of a shop whose gate is in Redis. It may ask to try again: a refusal in doubt fences a draft of its key, and
// changes nothing.
func doubtingModel() porcupine.Model {
	m := shopModel
	m.Step = func(state, input, output any) (bool, any) {
		if input.(asked).Kind == "buy" && output.(told).Code == "overloaded" {
			return true, state
		}
		return shopModel.Step(state, input, output)
	}
	return m
}

func serverHistories(t *testing.T, env []string) {
	model := shopModel
	if env != nil {
		model = doubtingModel()
	}
	seed, count := share.Seed(t, 4), share.Count(t, serverHistoriesInCI)
	t.Logf("seed %d", seed)
	shop := blackbox.New(t, append(env, "TIDEGATE_EXPRESS_ADDRESS=127.0.0.1:0")...)
	shop.Start()
	sku := shop.Stocked("MUG", 1_000_000)
	tokens := shop.Tokens(1, saleBuyers)
	for i := range count {
		random := rand.New(rand.NewPCG(seed, uint64(i)))
		sale := shop.Open(blackbox.Terms{SKUs: []string{sku}, Allocation: saleUnits, Limit: saleLimit, PaymentSeconds: 3600})
		judge(t, model, serverHistory(shop, random, sale.ID, sku, tokens), fmt.Sprintf("history %d", i))
		share.Progress("histories of the server", i+1)
	}
	shop.Audit("I1", "I2", "I3", "I4", "I7")
	shop.Reconciled()
}

func serverHistory(shop *blackbox.Shop, random *rand.Rand, sale, sku string, tokens []string) []porcupine.Operation {
	r := &recorder{}
	seeds := [saleClients]uint64{}
	for i := range seeds {
		seeds[i] = random.Uint64()
	}
	var mu sync.Mutex
	var taken [saleBuyers][]string
	lanes := []string{"", shop.Running().Express}
	record := func(client int, in asked, call func() told) told {
		from := r.clock.Add(1)
		out := call()
		to := r.clock.Add(1)
		r.mu.Lock()
		defer r.mu.Unlock()
		r.events = append(r.events, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: from, Return: to})
		return out
	}
	clients(saleClients, func(c int) {
		random := rand.New(rand.NewPCG(seeds[c], 3))
		for range 6 {
			in := asked{Kind: "buy", Customer: random.IntN(saleBuyers), Key: random.IntN(3)}
			mu.Lock()
			mine := taken[in.Customer]
			mu.Unlock()
			if len(mine) > 0 && random.IntN(4) == 0 {
				in.Kind, in.Order = "cancel", mine[random.IntN(len(mine))]
				record(c, in, func() told {
					a := shop.Ask("POST", "/v1/orders/"+in.Order+"/cancel", tokens[in.Customer], "")
					return told{Code: fmt.Sprint(a.Status)}
				})
				continue
			}
			p := blackbox.Buying(sale, 1, int64(in.Customer+1), tokens[in.Customer], fmt.Sprint("k", in.Key), sku)
			p.Path = lanes[random.IntN(2)] + p.Path
			out := record(c, in, func() told {
				a := shop.Buy(p)
				if a.Status != 201 {
					return told{Code: a.Code()}
				}
				var o blackbox.Order
				if err := json.Unmarshal(a.Body, &o); err != nil {
					return told{Code: err.Error()}
				}
				return told{Code: "201", Order: o.ID}
			})
			if out.Order != "" {
				mu.Lock()
				taken[in.Customer] = append(taken[in.Customer], out.Order)
				mu.Unlock()
			}
		}
	})
	return r.events
}
