package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
)

// listener is another team's system: it checks every signature, fails now and then, and writes down what it was told.
type listener struct {
	mu    sync.Mutex
	check *standardwebhooks.Webhook
	asked int
	// byID is the body that each webhook-id came with; times how often it came.
	byID  map[string]string
	times map[string]int
	// failed says which webhook-ids were answered 500 once.
	failed map[string]bool
	// orders counts the different ids that told of an order's event.
	orders map[string]int
	wrong  []string
}

// ServeHTTP implements http.Handler.
func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	time.Sleep(20 * time.Millisecond) // a death meets some on their way
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		err = l.check.Verify(body, r.Header)
	}
	if err != nil {
		l.wrong = append(l.wrong, err.Error())
	}
	name := r.Header.Get("webhook-id")
	if l.asked++; l.asked%10 == 0 && !l.failed[name] { // it has its moments; for a third one the shop would wait two minutes
		l.failed[name] = true
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	if before, known := l.byID[name]; known && before != string(body) {
		l.wrong = append(l.wrong, name+" came with another body")
	} else if !known {
		var told struct {
			Type string
			Data struct{ ID string }
		}
		if err := json.Unmarshal(body, &told); err != nil {
			l.wrong = append(l.wrong, err.Error())
		}
		l.orders[told.Type+" "+told.Data.ID]++
	}
	l.byID[name] = string(body)
	l.times[name]++
	w.WriteHeader(http.StatusNoContent)
}

// TestWhatFollowsAnOrder: shoppers buy and pay while the process is killed again and again, and nothing that follows an
// order is forgotten or done twice: each event is told to a webhook that sometimes fails, each paid order earns its points
// once, and each shopper with an address gets one mail an event.
func TestWhatFollowsAnOrder(t *testing.T) {
	t.Parallel()
	blackbox.EachEngines(t, whatFollows)
}

func whatFollows(t *testing.T, env []string) {
	const kills, round = 3, 30
	shop := blackbox.New(t, append(env, "TIDEGATE_WEBHOOKS_ALLOW_NETWORKS=127.0.0.0/8", "TIDEGATE_NOTIFY_SENDER=file")...)
	shop.Start()
	sku := shop.Stocked("FOLLOW-MUG", 1000)
	await.Until(t, "the gate has the stock", func() bool { return shop.Pool(sku, "").Available == 1000 })
	l := &listener{byID: map[string]string{}, times: map[string]int{}, failed: map[string]bool{}, orders: map[string]int{}}
	receiver := httptest.NewServer(l)
	t.Cleanup(receiver.Close)
	var hook struct{ ID, Secret string }
	shop.Admin("POST", "/v1/admin/webhooks", map[string]any{"url": receiver.URL, "event_types": []string{"order.placed.v1", "order.paid.v1"}}, &hook)
	var err error
	if l.check, err = standardwebhooks.NewWebhook(hook.Secret); err != nil {
		t.Fatal(err)
	}
	ada := signUp(shop, "ada@example.com")
	tokens := append(shop.Tokens(firstCustomer, kills*round), ada)

	book := blackbox.NewBook(nil)
	for k := range kills + 1 {
		some := tokens[k*round : min((k+1)*round, len(tokens))]
		if k == kills {
			some = tokens[k*round:]
		}
		for i, token := range some {
			p := blackbox.Buying("", 1, int64(i), token, fmt.Sprintf("k%d-%d", k, i), sku)
			var a blackbox.Answer
			await.Until(t, "the order is placed", func() bool { a = shop.Buy(p); return a.Status == http.StatusCreated || a.Status == http.StatusOK })
			book.Note(p, a)
		}
		for _, r := range book.Accepted() {
			if made, a := shop.StartPayment(r); a.Status == http.StatusCreated {
				shop.Pay(made.PayURL)
			}
		}
		if k < kills {
			shop.Kill() // wherever the consumers and the workers are
			shop.Start()
		}
	}
	var paid []blackbox.Order
	await.Until(t, "every order is paid", func() bool { paid = shop.Orders("", "paid"); return len(paid) == len(tokens) })
	await.Until(t, "every event is told", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return len(l.orders) == 2*len(paid)
	})
	l.mu.Lock()
	for _, o := range paid {
		for _, kind := range []string{"order.placed.v1 ", "order.paid.v1 "} {
			if n := l.orders[kind+o.ID]; n != 1 {
				t.Errorf("%s%s was told under %d ids, want 1", kind, o.ID, n)
			}
		}
	}
	for _, w := range l.wrong {
		t.Error(w)
	}
	again := 0
	for _, n := range l.times {
		again += n - 1
	}
	t.Logf("%d events told, %d of them again after a death; %d requests", len(l.byID), again, l.asked)
	l.mu.Unlock()

	const want = 12 // for 12.50 GBP
	for _, token := range tokens {
		var have struct {
			Balance int64
			Orders  []struct{ Earned int64 }
		}
		await.Until(t, "the points are there", func() bool {
			a := shop.Ask("GET", "/v1/points", token, "")
			return a.Status == http.StatusOK && json.Unmarshal(a.Body, &have) == nil && have.Balance > 0
		})
		if have.Balance != want || len(have.Orders) != 1 {
			t.Errorf("%d points from %d orders, want %d from 1", have.Balance, len(have.Orders), want)
		}
	}
	var mails []string
	await.Until(t, "ada has her mails", func() bool {
		mails, err = filepath.Glob(filepath.Join(shop.Folder, "mail", "*.eml"))
		return err == nil && len(mails) >= 2
	})
	if len(mails) != 2 { // the others have no account
		t.Errorf("the mails are %v, want ada's two", mails)
	}
	if code, out, errs := shop.Run("deadletter", "list", "--json"); code != 0 || strings.TrimSpace(out) != "[]" {
		t.Errorf("dead letters: exit %d, %s %s", code, out, errs)
	}
	shop.Audit("I1", "I2", "I3", "I4", "I5", "I9")
}

// signUp registers a shopper and returns an access token.
func signUp(shop *blackbox.Shop, email string) string {
	const password = "correct horse battery"
	body := fmt.Sprintf(`{"email":%q,"password":%q}`, email, password)
	if a := shop.Ask("POST", "/v1/customers", "", body); a.Status != http.StatusCreated {
		shop.T.Fatalf("sign up: %s", a)
	}
	a := shop.Ask("POST", "/v1/sessions", "", body)
	var grant struct {
		Access string `json:"access_token"`
	}
	if a.Status != http.StatusCreated || json.Unmarshal(a.Body, &grant) != nil {
		shop.T.Fatalf("log in: %s", a)
	}
	return grant.Access
}

// TestWebhookListen: the command of docs/operations.md receives an event, checks it with the published library, and takes its
// registration back.
func TestWebhookListen(t *testing.T) {
	t.Parallel()
	blackbox.EachEngines(t, webhookListen)
}

func webhookListen(t *testing.T, env []string) {
	shop := blackbox.New(t, append(env, "TIDEGATE_WEBHOOKS_ALLOW_NETWORKS=127.0.0.0/8")...)
	shop.Start()
	sku := shop.Stocked("LISTEN-MUG", 10)
	await.Until(t, "the gate has the stock", func() bool { return shop.Pool(sku, "").Available == 10 })
	listening := shop.Spawn("webhook", "listen", "--type", "order.placed.v1", "--count", "1")
	await.Until(t, "it listens", func() bool { return strings.Contains(listening.Stderr.String(), "listening on") })
	p := blackbox.Buying("", 1, 1, shop.Tokens(firstCustomer, 1)[0], "k", sku)
	await.Until(t, "the order is placed", func() bool { return shop.Buy(p).Status < 300 })
	if code := listening.Exit(t); code != 0 || !strings.Contains(listening.Stdout.String(), `{"type":"order.placed.v1"`) {
		t.Errorf("exit %d: %s %s", code, listening.Stdout.String(), listening.Stderr.String())
	}
	if code, out, _ := shop.Run("webhook", "list", "--json"); code != 0 || strings.TrimSpace(out) != "[]" {
		t.Errorf("the registration was not taken back: %s", out)
	}
}
