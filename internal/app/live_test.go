package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/app/settings"
	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/setting"
)

// logged is a log that tests read while it is written.
type logged struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logged) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// options returns what an App is opened with, with a log at the level of c that is kept.
func (l *logged) options(c Config) Options {
	log, level := NewLogger(l, c, false)
	return Options{Log: log, LogLevel: level}
}

func setLive(t *testing.T, a *App, set map[string]string, unset ...string) setting.Change {
	t.Helper()
	c, err := a.settings.Set(t.Context(), setting.Edit{Set: set, Unset: unset, Reason: "test", Actor: "ann"})
	noError(t, err)
	return c
}

// passes counts how many of n calls return no error.
func passes(n int, call func() error) (passed int) {
	for range n {
		if call() == nil {
			passed++
		}
	}
	return passed
}

// probes finds out, of each live setting, what its component goes by. Its text is what it is set to, and what the probe then returns.
var probes = map[string]struct {
	text  string
	probe func(t *testing.T, a *App) string
}{
	"log.level": {"error", func(t *testing.T, a *App) string {
		if a.log.Enabled(t.Context(), slog.LevelWarn) || !a.log.Enabled(t.Context(), slog.LevelError) {
			return "another"
		}
		return "error"
	}},
	"http.rate_limit.customer_per_second": {"1", func(_ *testing.T, a *App) string {
		if passes(10_000, func() error { return a.admission.Limits.Customer(1) }) == 10_000 {
			return "0"
		}
		return "1"
	}},
	"http.rate_limit.customer_burst": {"7", func(_ *testing.T, a *App) string {
		return fmt.Sprint(passes(100, func() error { return a.admission.Limits.Customer(2) }))
	}},
	"http.rate_limit.client_per_second": {"1", func(_ *testing.T, a *App) string {
		if !a.admission.Limits.LimitsClients() {
			return "0"
		}
		return "1"
	}},
	"http.rate_limit.client_burst": {"9", func(_ *testing.T, a *App) string {
		return fmt.Sprint(passes(100, func() error { return a.admission.Limits.Client(netip.MustParseAddr("192.0.2.1")) }))
	}},
	"http.rate_limit.tracked_max": {"1000", func(_ *testing.T, a *App) string {
		// So many that who was counted first is forgotten, and has its burst again.
		if passes(10_000, func() error { return a.admission.Limits.Customer(4) }) == 10_000 {
			return "no limit"
		}
		first := func() int { return passes(100, func() error { return a.admission.Limits.Customer(3) }) }
		first()
		for i := range 20_000 {
			_ = a.admission.Limits.Customer(id.Customer(100 + i))
		}
		if first() == 0 {
			return "more"
		}
		return "1000"
	}},
	"http.client_connections_max": {"3", func(_ *testing.T, a *App) string {
		client := netip.MustParseAddr("192.0.2.2")
		var held [2]int
		for i, h := range []interface {
			Enter(netip.Addr) bool
			Leave(netip.Addr)
		}{a.connections, a.streams} {
			for range 10 {
				if h.Enter(client) {
					held[i]++
				}
			}
			for range held[i] {
				h.Leave(client)
			}
		}
		if held[0] != held[1] {
			return fmt.Sprint(held)
		}
		return fmt.Sprint(held[0])
	}},
	"orders.payment_window":     {"7m", func(_ *testing.T, a *App) string { return strings.TrimSuffix(a.orders.PaymentWindow().String(), "0s") }},
	"orders.unpaid_orders_max":  {"2", func(_ *testing.T, a *App) string { return fmt.Sprint(a.orders.Limits().UnpaidOrdersMax) }},
	"orders.unpaid_units_max":   {"40", func(_ *testing.T, a *App) string { return fmt.Sprint(a.orders.Limits().UnpaidUnitsMax) }},
	"orders.batch_orders_max":   {"50", func(_ *testing.T, a *App) string { return fmt.Sprint(a.intake.Limits().BatchOrdersMax) }},
	"orders.queue_orders_max":   {"60", func(_ *testing.T, a *App) string { return fmt.Sprint(a.intake.Limits().QueueOrdersMax) }},
	"orders.backlog_orders_max": {"70", func(_ *testing.T, a *App) string { return fmt.Sprint(a.intake.Limits().BacklogOrdersMax) }},
}

// Every live setting has a component that goes by it as soon as it is changed, and by what was before when that is undone.
func TestEveryLiveSettingReachesItsComponent(t *testing.T) {
	t.Parallel()
	paths, err := settings.LivePaths[Config]()
	noError(t, err)
	for path := range probes {
		if !slices.Contains(paths, path) {
			t.Errorf("%s has a probe and is not live", path)
		}
	}
	log := &logged{}
	a, _ := opened(t, log.options(DefaultConfig()), func(c *Config) { c.Web.Enabled = false })
	for _, path := range paths {
		p, there := probes[path]
		if !there {
			t.Errorf("%s is live, and no probe says which component it reaches", path)
			continue
		}
		before := p.probe(t, a)
		if before == p.text {
			t.Errorf("%s is %s before it is changed", path, before)
		}
		set := map[string]string{path: p.text}
		switch path { // a burst without a rate is none
		case "http.rate_limit.customer_burst", "http.rate_limit.tracked_max":
			set["http.rate_limit.customer_per_second"] = "1"
		case "http.rate_limit.client_burst":
			set["http.rate_limit.client_per_second"] = "1"
		}
		setLive(t, a, set)
		if got := p.probe(t, a); got != p.text {
			t.Errorf("%s was set to %s, and its component goes by %s", path, p.text, got)
		}
		_, err := a.settings.Undo(t.Context(), setting.Undo{Reason: "test", Actor: "ann"})
		noError(t, err)
		if got := p.probe(t, a); got != before {
			t.Errorf("%s was set back to %s, and its component goes by %s", path, before, got)
		}
	}
	for _, want := range []string{`"msg":"settings changed"`, `"settings":"orders.payment_window 15m -> 7m"`, `"settings":"orders.payment_window 7m -> 15m"`, `"by":"ann"`, `"reason":"test"`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log has no %s: %s", want, log)
		}
	}
	if !strings.Contains(log.String(), `"settings":"log.level info -> error"`) || !strings.Contains(log.String(), `"settings":"log.level error -> info"`) {
		t.Errorf("the log does not tell of its own level: %s", log)
	}
}

// The door itself goes by the limits of the moment: see also the tests of two processes.
func TestALimitThatIsSetLiveRefuses(t *testing.T) {
	t.Parallel()
	a, at := opened(t, Options{})
	read := func() int {
		t.Helper()
		answer, err := http.Get(at.Public + "/v1/products/77")
		noError(t, err)
		_, _ = io.Copy(io.Discard, answer.Body)
		noError(t, answer.Body.Close())
		return answer.StatusCode
	}
	if read() == http.StatusTooManyRequests {
		t.Fatal("by default there is a limit")
	}
	setLive(t, a, map[string]string{"http.rate_limit.client_per_second": "1", "http.rate_limit.client_burst": "1"})
	if read() == http.StatusTooManyRequests || read() != http.StatusTooManyRequests {
		t.Error("one request passes, and the next does not")
	}
	setLive(t, a, nil, "http.rate_limit.client_per_second", "http.rate_limit.client_burst")
	if read() == http.StatusTooManyRequests {
		t.Error("without a limit a request is refused")
	}
}

// A change outlasts the process, also one that it had no time to apply, and one that a process cannot go by is told of.
func TestAProcessStartsWithTheLiveLayer(t *testing.T) {
	t.Parallel()
	c := testConfig(t)
	a, err := New(t.Context(), c, Options{})
	noError(t, err)
	// It dies between the commit and the rest.
	added, err := a.store.AddSettingChange(t.Context(), setting.Change{Number: 1, Stands: 1, Actor: "ann", Layer: map[string]string{"orders.unpaid_orders_max": "3", "log.level": "warn"}})
	noError(t, err)
	if !added {
		t.Fatal("not added")
	}
	noError(t, a.Close())

	log := &logged{}
	a, err = New(t.Context(), c, log.options(c))
	noError(t, err)
	if got := a.orders.Limits().UnpaidOrdersMax; got != 3 || a.log.Enabled(t.Context(), slog.LevelInfo) {
		t.Errorf("it starts with %d orders unpaid", got)
	}
	if state := a.settings.Settings(); state.Change != 1 {
		t.Errorf("it goes by change %d", state.Change)
	}
	for _, s := range a.settings.Settings().Settings {
		if s.Path == "orders.unpaid_orders_max" && (s.Value != "3" || s.Origin != "live" || s.Where != "live change 1" || s.Below == nil || s.Below.Value != "20") {
			t.Errorf("%+v", s)
		}
	}
	_, err = a.store.AddSettingChange(t.Context(), setting.Change{Number: 2, Stands: 2, Actor: "bob", Layer: map[string]string{"orders.of_tomorrow": "3"}})
	noError(t, err)
	for range 3 {
		_, err = a.settings.Step(t.Context())
		noError(t, err)
	}
	if got := a.orders.Limits().UnpaidOrdersMax; got != 3 {
		t.Errorf("a change that it cannot go by has it go by %d", got)
	}
	noError(t, a.Close())
	a, err = New(t.Context(), c, log.options(c))
	noError(t, err)
	if got := a.orders.Limits().UnpaidOrdersMax; got != 20 {
		t.Errorf("it starts with %d orders unpaid", got)
	}
	noError(t, a.Close())
	const told = "cannot go by a change of live settings"
	if n := strings.Count(log.String(), told); n != 2 || !strings.Contains(log.String(), "orders.of_tomorrow (live change 2): there is no such setting") {
		t.Errorf("it is told %d times: %s", n, log)
	}
}

// A process hears of what another one changed: here, of what stands in the table.
func TestAProcessFollowsTheTable(t *testing.T) {
	t.Parallel()
	a, _ := opened(t, Options{})
	_, err := a.store.AddSettingChange(context.Background(), setting.Change{Number: 1, Stands: 1, Layer: map[string]string{"orders.unpaid_orders_max": "3"}})
	noError(t, err)
	began := time.Now()
	await.Until(t, "it goes by the change", func() bool { return a.orders.Limits().UnpaidOrdersMax == 3 })
	t.Logf("after %s", time.Since(began))
}
