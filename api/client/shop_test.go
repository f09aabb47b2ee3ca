package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/api/client"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// answer is one answer of a script. A status of zero breaks the connection.
type answer struct {
	status     int
	retryAfter string
	body       string
}

const order = `{"id":"7","status":"pending","lines":[],"total":{"minor":1,"currency":"GBP"},"created_at":"2026-11-27T20:00:00.000Z","expires_at":"2026-11-27T20:10:00.000Z"}`

func problem(status int, code string) answer {
	return answer{status, "", fmt.Sprintf(`{"type":"x","title":"T","status":%d,"code":%q,"number":5001,"detail":"D","request_id":"r1"}`, status, code)}
}

// scripted is a shop that answers as the script says, and what it was asked.
func scripted(t *testing.T, script ...answer) (shop *client.Shop, asked func() []*http.Request) {
	t.Helper()
	var mu sync.Mutex
	var requests []*http.Request
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		a := script[min(len(requests), len(script)-1)]
		requests = append(requests, r.Clone(context.Background()))
		mu.Unlock()
		if a.status == 0 {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		if a.status >= 400 {
			w.Header().Set("Content-Type", "application/problem+json")
		}
		if a.retryAfter != "" {
			w.Header().Set("Retry-After", a.retryAfter)
		}
		w.WriteHeader(a.status)
		_, _ = w.Write([]byte(a.body))
	}))
	t.Cleanup(server.Close)
	shop, err := client.New(server.URL, client.WithToken("t1"), client.WithRetry(client.Retry{TriesMax: 3, WaitMin: time.Millisecond, WaitMax: 2 * time.Second}))
	if err != nil {
		t.Fatal(err)
	}
	return shop, func() []*http.Request {
		mu.Lock()
		defer mu.Unlock()
		return slices.Clone(requests)
	}
}

func TestARequestIsRepeatedWhereThatIsSafe(t *testing.T) {
	t.Parallel()
	get := func(s *client.Shop) error { _, err := s.GetOrderWithResponse(t.Context(), "7", nil); return err }
	buy := func(s *client.Shop) error { _, err := s.Buy(t.Context(), client.Purchase{}); return err }
	cancel := func(s *client.Shop) error { _, err := s.CancelOrderWithResponse(t.Context(), "7"); return err }
	busy := answer{503, "", `{"code":"overloaded","title":"T"}`}
	for name, c := range map[string]struct {
		do     func(*client.Shop) error
		script []answer
		tries  int
		fails  bool
	}{
		"a read that is answered":                   {get, []answer{{200, "", order}}, 1, false},
		"a read, the second time":                   {get, []answer{busy, {200, "", order}}, 2, false},
		"a read whose reply is lost":                {get, []answer{{}, {200, "", order}}, 2, false},
		"a read, for ever":                          {get, []answer{busy}, 3, true},
		"a read that is refused":                    {get, []answer{problem(404, "not_found")}, 1, true},
		"a read of a proxy that is broken":          {get, []answer{{502, "", "<html>"}, {200, "", order}}, 2, false},
		"a purchase whose reply is lost":            {buy, []answer{{}, {201, "", order}}, 2, false},
		"a purchase that is limited":                {buy, []answer{{429, "", `{"code":"too_many_requests"}`}, {201, "", order}}, 2, false},
		"a purchase that is refused":                {buy, []answer{problem(409, "sold_out")}, 1, true},
		"a pause that is longer than is waited":     {get, []answer{{503, "3", `{}`}}, 1, true},
		"a write that has no key, its reply lost":   {cancel, []answer{{}}, 1, true},
		"a write that has no key, the shop is busy": {cancel, []answer{busy}, 1, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop, asked := scripted(t, c.script...)
			if err := c.do(shop); (err != nil) != c.fails {
				t.Errorf("err = %v", err)
			}
			keys := map[string]bool{}
			for _, r := range asked() {
				keys[r.Header.Get("Idempotency-Key")] = true
				if r.Header.Get("Authorization") != "Bearer t1" {
					t.Errorf("Authorization: %q", r.Header.Get("Authorization"))
				}
			}
			if len(asked()) != c.tries || len(keys) != 1 {
				t.Errorf("%d tries with keys %v, want %d with one", len(asked()), keys, c.tries)
			}
			if asked()[0].Method == http.MethodPost && strings.HasSuffix(asked()[0].URL.Path, "/orders") && keys[""] {
				t.Error("a purchase has no key")
			}
		})
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	shop, _ := scripted(t, answer{503, "1", `{}`}, answer{200, "", order})
	began := time.Now()
	if _, err := shop.GetOrderWithResponse(t.Context(), "7", nil); err != nil || time.Since(began) < time.Second {
		t.Errorf("%v after %s, want a second's pause", err, time.Since(began))
	}
	// A pause that the caller does not have time for is not begun: the shop's answer says more than a deadline.
	shop, _ = scripted(t, answer{503, "2", `{"code":"overloaded"}`})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	refused, ok := errors.AsType[*client.Error](func() error { _, err := shop.GetOrderWithResponse(ctx, "7", nil); return err }())
	if !ok || refused.RetryAfter != 2*time.Second {
		t.Errorf("%+v, want the answer", refused)
	}
}

func TestAnErrorSaysItsCode(t *testing.T) {
	t.Parallel()
	shop, _ := scripted(t, problem(409, "sold_out"))
	_, err := shop.Buy(t.Context(), client.Purchase{Sale: "3", Key: "mine"})
	got, ok := errors.AsType[*client.Error](err)
	if !ok || !errors.Is(err, client.CodeSoldOut) || errors.Is(err, client.CodeInternal) || got.Status != 409 || got.Number != 5001 || got.RequestID != "r1" {
		t.Errorf("err = %+v", err)
	}
}

func TestATicketIsFollowed(t *testing.T) {
	t.Parallel()
	ticket := answer{202, "", `{"id":"7","status":"queued","ticket":"abc"}`}
	shop, asked := scripted(t, ticket, ticket, answer{200, "", order})
	got, err := shop.Buy(t.Context(), client.Purchase{})
	if err != nil || got.Id != "7" || len(asked()) != 3 || asked()[1].URL.Query().Get("ticket") != "abc" {
		t.Errorf("%+v, %v after %d requests", got, err, len(asked()))
	}
	shop, _ = scripted(t, ticket, problem(409, "sold_out"))
	if _, err := shop.Buy(t.Context(), client.Purchase{}); !errors.Is(err, client.CodeSoldOut) {
		t.Errorf("refused later: %v", err)
	}
	shop, _ = scripted(t, ticket)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := shop.AwaitOrder(ctx, client.OrderTicket{Id: "7"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("never decided: %v", err)
	}
}

func TestAListIsReadPageByPage(t *testing.T) {
	t.Parallel()
	page := func(next string) answer {
		return answer{200, "", `{"items":[` + order + `,` + order + `],"next_cursor":"` + next + `"}`}
	}
	shop, asked := scripted(t, page("c1"), page(""))
	n := 0
	for _, err := range shop.Orders(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if n != 4 || len(asked()) != 2 || asked()[1].URL.Query().Get("cursor") != "c1" {
		t.Errorf("%d items of %d pages", n, len(asked()))
	}
	if asked()[0].URL.RawQuery != "" {
		t.Errorf("what was left out was asked: %s", asked()[0].URL)
	}
	shop, asked = scripted(t, page("c1"))
	for range shop.Orders(t.Context()) {
		break
	}
	if len(asked()) != 1 {
		t.Errorf("%d pages for one item", len(asked()))
	}
	shop, _ = scripted(t, page("c1"), problem(401, "unauthenticated"))
	var last error
	for _, err := range shop.Orders(t.Context()) {
		last = err
	}
	if !errors.Is(last, client.CodeUnauthenticated) {
		t.Errorf("the list ends with %v", last)
	}
}

func TestAShopNeedsAnAddress(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "shop.example.com", "ftp://shop.example.com", "http://", "http://%zz"} {
		if _, err := client.New(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, bad := range []client.Retry{{}, {TriesMax: 1}, {TriesMax: 1, WaitMin: 2, WaitMax: 1}} {
		if _, err := client.New("http://x", client.WithRetry(bad)); err == nil {
			t.Errorf("%+v is taken", bad)
		}
	}
}

// TestEveryCodeHasAName: the constants are the shop's own table.
func TestEveryCodeHasAName(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("code.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range fault.Codes() {
		slug, _ := json.Marshal(c.Row().Slug)
		if line := fmt.Sprintf("Code = %s", slug); !strings.Contains(string(text), line) {
			t.Errorf("code.go has no constant for %s", slug)
		}
	}
	if n := strings.Count(string(text), " Code = "); n != len(fault.Codes()) {
		t.Errorf("code.go has %d codes, the shop %d", n, len(fault.Codes()))
	}
}
