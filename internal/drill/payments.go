package drill

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/drill/profile"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// payments pays orders at the sandbox, or cancels them, some time after they were made. It is not part of the hot loop:
// a payment takes seconds.
type payments struct {
	client  *client
	books   *PurchaseLog
	tokens  *tokens
	profile *profile.LoadProfile

	mu    sync.Mutex
	queue []visit // in the order of their due times
	done  []receipt
	wake  chan struct{}

	paid, cancelled, failed atomic.Int64
}

type visit struct {
	purchase int
	due      time.Time
}

// receipt is a flag for the purchase log. The load loop owns the log while it runs, so the flag is set afterwards.
type receipt struct {
	purchase int
	mark     uint8
}

// payersMax bounds the shoppers who pay concurrently.
const payersMax = 16

func newPayments(c *client, b *PurchaseLog, t *tokens, n *profile.LoadProfile) *payments {
	return &payments{client: c, books: b, tokens: t, profile: n, wake: make(chan struct{}, 1)}
}

// schedule queues a purchase for payment after PayAfter.
func (t *payments) schedule(purchase int, _ time.Duration) {
	t.mu.Lock()
	t.queue = append(t.queue, visit{purchase, time.Now().Add(t.profile.PayAfter)})
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// run serves until closing is closed and nobody waits any more, or ctx ends.
func (t *payments) run(ctx context.Context, closing <-chan struct{}) {
	var wg sync.WaitGroup
	places := make(chan struct{}, payersMax)
	for {
		v, wait, any := t.nextVisit()
		switch {
		case !any:
			select {
			case <-t.wake:
				continue
			case <-closing:
			case <-ctx.Done():
			}
			if _, _, more := t.nextVisit(); more && ctx.Err() == nil {
				continue
			}
			wg.Wait()
			return
		case wait > 0:
			select {
			case <-time.After(wait):
			case <-ctx.Done():
				wg.Wait()
				return
			}
		}
		t.mu.Lock()
		t.queue = t.queue[1:]
		t.mu.Unlock()
		places <- struct{}{}
		wg.Go(func() {
			defer func() { <-places }()
			t.process(ctx, v.purchase)
		})
	}
}

func (t *payments) nextVisit() (v visit, wait time.Duration, any bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.queue) == 0 {
		return v, 0, false
	}
	return t.queue[0], time.Until(t.queue[0].due), true
}

func (t *payments) receipt(purchase int, mark uint8) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done = append(t.done, receipt{purchase, mark})
}

// flush writes what was done into the books. Call it when the load is over.
func (t *payments) flush() {
	for _, r := range t.done {
		t.books.mark(r.purchase, r.mark)
	}
}

func (t *payments) process(ctx context.Context, purchase int) {
	order := id.Order(t.books.order[purchase])
	token := string(t.tokens.of(purchase / t.books.Keys))
	act := t.cancel
	if t.profile.Abandon >= 1 || dice(t.books.Seed, purchase, 5)*(1-t.profile.Abandon) < t.profile.Pay {
		act = t.pay
	}
	for range triesAtTill {
		err := act(ctx, purchase, order, token)
		var no *refusal
		switch {
		case err == nil:
			return
		case errors.As(err, &no) && no.status < 500, ctx.Err() != nil:
			t.failed.Add(1)
			return
		}
		time.Sleep(tillPause)
	}
	t.failed.Add(1)
}

// triesAtTill is how often a shopper tries whom the shop gives no answer, and tillPause the time between two tries: long
// enough together for a shop that was killed to be back.
const (
	triesAtTill = 20
	tillPause   = 250 * time.Millisecond
)

func (t *payments) cancel(ctx context.Context, purchase int, order id.Order, token string) error {
	if err := t.client.json(ctx, http.MethodPost, t.client.at.Load().Public+"/v1/orders/"+order.String()+"/cancel", token, nil, nil); err != nil {
		return err
	}
	t.receipt(purchase, markCancelled)
	t.cancelled.Add(1)
	return nil
}

// pay starts a payment and settles it at the sandbox cashier, which tells the shop in its own time.
func (t *payments) pay(ctx context.Context, purchase int, order id.Order, token string) error {
	base := t.client.at.Load().Public
	var attempt api.Payment
	if err := t.client.json(ctx, http.MethodPost, base+"/v1/orders/"+order.String()+"/payments", token, nil, &attempt); err != nil {
		return err
	}
	// The shop may be reached by another address than the one it tells shoppers.
	at, err := url.Parse(attempt.PayUrl)
	if err != nil {
		return err
	}
	settle := map[string]string{"settle": "paid"}
	if err := t.client.json(ctx, http.MethodPost, base+at.EscapedPath()+"/control", t.client.at.Load().AdminKey, settle, nil); err != nil {
		return err
	}
	t.receipt(purchase, markPaid)
	t.paid.Add(1)
	return nil
}
