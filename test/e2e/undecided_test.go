package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

// rivals are two processes of one shop, one of which has its own way to Redis, and shoppers who ask both with one key.
type rivals struct {
	*pair
	database engine.SQLServer
	redis    *engine.RedisServer
	way      *engine.Proxy // of the process a

	next atomic.Int64

	mu      sync.Mutex
	refused map[string]string // by customer: the last answer, behind which nothing more was asked
	codes   map[string]int
}

const (
	rivalUnits    = 20
	rivalShoppers = 6000
	rivalRounds   = 4
	// answerWithin is how long the shop holds a shopper up, stalledFor how long the database stands still.
	answerWithin = time.Second
	stalledFor   = 1600 * time.Millisecond
)

var hostPort = regexp.MustCompile(`127\.0\.0\.1:\d+`)

func newRivals(t *testing.T, d engine.Database) *rivals {
	t.Helper()
	r := &rivals{database: d.Serve(t), redis: engine.Redis(t), refused: map[string]string{}, codes: map[string]int{}}
	r.way = engine.NewProxy(t, r.redis.Address)
	env := append(blackbox.SharedBy(t, r.database.Database(t, "shop"), r.redis), "TIDEGATE_ORDERS_ANSWER_WITHIN="+answerWithin.String())
	behind := make([]string, len(env))
	for i, setting := range env {
		if behind[i] = setting; setting == "TIDEGATE_REDIS_ADDRESSES="+r.redis.Address {
			behind[i] = hostPort.ReplaceAllString(setting, r.way.Address)
		}
	}
	r.pair = &pair{T: t, a: blackbox.New(t, behind...), b: blackbox.New(t, env...)}
	r.a.Start()
	r.b.Start()
	r.sku = r.a.Stocked("MUG", rivalUnits)
	r.sale = r.a.Open(blackbox.Terms{SKUs: []string{r.sku}, Allocation: rivalUnits, Limit: 1, PaymentSeconds: 3600})
	r.tokens = r.a.Tokens(firstCustomer, rivalShoppers)
	await.Until(t, "the other process has the sale open", func() bool { return r.b.Sale(r.sale.ID).Status == "live" })
	return r
}

// shop has shoppers ask, each at one process and then with the same key at the other one, until the harm is over. Orders that were made are
// cancelled, so that there is always something to be had for whoever is undecided.
func (r *rivals) shop(over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		n := int(r.next.Add(1)) - 1
		if n >= rivalShoppers {
			return
		}
		wish := blackbox.Buying(r.sale.ID, 1, firstCustomer+int64(n), r.tokens[n], fmt.Sprintf("k-%d", n), r.sku)
		shops := []*blackbox.Shop{r.a, r.b}
		if n%3 == 0 {
			slices.Reverse(shops)
		}
		shops[0].Buy(wish)
		answer := shops[1].Buy(wish)
		r.note(wish, answer)
		if answer.Status == http.StatusCreated {
			var made blackbox.Order
			if err := json.Unmarshal(answer.Body, &made); err != nil {
				r.Error(err)
			}
			shops[1].Ask("POST", "/v1/orders/"+made.ID+"/cancel", wish.Token, "")
		}
		if answer.Status != http.StatusCreated {
			time.Sleep(20 * time.Millisecond) // the crowd of those who come too late is not what is tested
		}
	}
}

func (r *rivals) note(wish blackbox.Purchase, a blackbox.Answer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	code := strconv.Itoa(a.Status)
	if a.Status == http.StatusConflict {
		code = a.Code()
	}
	r.codes[code]++
	if code == "sold_out" || code == "fewer_left" || code == "limit_reached" {
		r.refused[strconv.FormatInt(wish.Customer, 10)] = code
	}
}

// TestNoKeyHasARefusalAndAnOrder: what was refused at one process is not committed by the other one (I11, P32): one of them alone loses
// Redis, both do, and it comes back with nothing, while the database stands still for longer than a shopper is held up, again and again.
func TestNoKeyHasARefusalAndAnOrder(t *testing.T) {
	blackbox.EachDatabase(t, func(t *testing.T, d engine.Database) {
		r := newRivals(t, d)
		over := make(chan struct{})
		var shoppers sync.WaitGroup
		for range 24 {
			shoppers.Go(func() { r.shop(over) })
		}
		answered := func(more int64) {
			from := r.next.Load()
			await.Until(t, "shoppers are answered", func() bool { return r.next.Load() >= min(from+more, rivalShoppers) })
		}
		for round := range rivalRounds {
			answered(50)
			if round%2 == 0 {
				r.way.Break()
			} else {
				r.redis.Kill()
			}
			time.Sleep(time.Duration(round) * 700 * time.Millisecond) // the database stands still before the gate is closed, and after
			r.database.Pause(t)
			time.Sleep(stalledFor)
			r.database.Resume(t)
			answered(50)
			if round%2 == 0 {
				r.way.Mend()
			} else {
				r.redis.Start()
			}
		}
		answered(100)
		close(over)
		shoppers.Wait()
		t.Logf("%d shoppers were answered %v", r.next.Load(), r.codes)
		r.a.Reconciled() // nothing is under way any more
		for _, o := range r.a.Orders(r.sale.ID, "") {
			if code := r.refused[o.Customer]; code != "" {
				t.Errorf("order %s is there, and the last answer for its key was %s", o.ID, code)
			}
		}
		if r.codes["201"] == 0 || r.codes["202"]+r.codes["503"] == 0 || len(r.refused) == 0 {
			t.Errorf("answers %v: want orders, refusals, and such that tell to come back", r.codes)
		}
		r.a.Audit("I1", "I2", "I3", "I4", "I7", "I9")
	})
}
