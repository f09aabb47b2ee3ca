// Package browser looks at the shop's pages as shoppers and operators do: in a real browser. It needs Debian's chromium, and
// axe-core from the npm registry; on a bare machine it skips, in CI it fails without them.
//
//	go test ./test/browser                                     the scenarios
//	SCREENS=/tmp/screens go test ./test/browser       and a picture of every page in four forms in that folder
package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

func TestMain(m *testing.M) { blackbox.Main(m) }

// chromium is one browser for all tests; each test's shoppers have profiles of their own in it. said is the file of its output.
var chromium = struct {
	sync.Mutex
	context.Context
	said string
}{}

// startBrowser returns the context of the browser. One that has ended is told with what it said last, and another is started.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	chromium.Lock()
	defer chromium.Unlock()
	if chromium.Context != nil {
		if chromium.Err() == nil {
			return chromium.Context
		}
		said, err := os.ReadFile(chromium.said)
		t.Logf("the browser before has ended: %v, %v; it said: %s", context.Cause(chromium.Context), err, said[max(0, len(said)-4000):])
	}
	path := engine.Binary(t, "chromium", "chromium")
	folder, err := os.MkdirTemp("", "tidegate-browser-")
	if err != nil {
		t.Fatal(err)
	}
	said, err := os.Create(filepath.Join(folder, "said"))
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.CombinedOutput(said), chromedp.ExecPath(path), chromedp.UserDataDir(folder), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("force-color-profile", "srgb"), chromedp.WSURLReadTimeout(await.Max),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"),
	)
	ctx, _ := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, _ = chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("chromium does not start: %v", err)
	}
	chromium.Context, chromium.said = ctx, said.Name()
	return ctx
}

// Shopper is somebody with a browser of their own: cookies, cache and history are nobody else's. What goes wrong in it that a
// person would not see is noted, and ends the test: see strange.
type Shopper struct {
	t    *testing.T
	ctx  context.Context
	shop string // the shop's origin

	mu        sync.Mutex
	strange   []string
	received  map[network.RequestID]int64
	addresses map[network.RequestID]string
	expected  func(text string) bool
}

// Form is how a page is looked at.
type Form struct {
	Name          string
	Width, Height int64
	Dark          bool
}

// forms are the four in which every page is looked at.
var forms = []Form{
	{"narrow-light", 390, 844, false}, {"narrow-dark", 390, 844, true}, {"wide-light", 1280, 900, false}, {"wide-dark", 1280, 900, true},
}

// NewShopper opens a browser profile on a shop.
func NewShopper(t *testing.T, shop string) *Shopper {
	t.Helper()
	ctx, cancel := chromedp.NewContext(startBrowser(t), chromedp.WithNewBrowserContext())
	ctx, stop := context.WithTimeout(ctx, 4*await.Max)
	s := &Shopper{t: t, ctx: ctx, shop: shop, received: map[network.RequestID]int64{}, addresses: map[network.RequestID]string{}}
	t.Cleanup(func() {
		stop()
		cancel()
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, what := range s.strange {
			t.Errorf("the browser noted: %s", what)
		}
	})
	// The first action opens the page, and its context is the page's for good.
	if err := chromedp.Do(ctx); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, s.hear); err != nil {
		t.Fatal(err)
	}
	call(s, network.Enable, network.EnableParams{})
	call(s, log.Enable, cdp.Empty{})
	call(s, runtime.Enable, cdp.Empty{})
	// Every shopper looks at their own page, though the browser has only one in front.
	call(s, emulation.SetFocusEmulationEnabled, emulation.SetFocusEmulationEnabledParams{Enabled: true})
	s.As(forms[2])
	return s
}

// As looks at pages in a form from now on.
func (s *Shopper) As(f Form) {
	s.t.Helper()
	scheme := "light"
	if f.Dark {
		scheme = "dark"
	}
	call(s, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{
		Width: f.Width, Height: f.Height, DeviceScaleFactor: 1, Mobile: f.Width < 600,
	})
	call(s, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
}

// Expect lets what the browser notes with such a text pass.
func (s *Shopper) Expect(texts ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expected = func(text string) bool {
		for _, expected := range texts {
			if strings.Contains(text, expected) {
				return true
			}
		}
		return false
	}
}

func (s *Shopper) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if s.expected == nil || !s.expected(text) {
		s.strange = append(s.strange, text)
	}
}

// hear notes errors of the console, breaches of the policy (which the browser logs), and requests that go elsewhere.
func (s *Shopper) hear(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		s.note("exception: %s %v", e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *runtime.EventConsoleAPICalled:
		if e.Type == runtime.ConsoleAPICalledTypeError || e.Type == runtime.ConsoleAPICalledTypeWarning {
			s.note("console %s: %v", e.Type, e.Args)
		}
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			s.note("log %s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL)
		}
	case *network.EventRequestWillBeSent:
		s.addresses[e.RequestID] = e.Request.URL
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Scheme != "about" && u.Scheme+"://"+u.Host != s.shop {
			s.note("a request elsewhere: %s", e.Request.URL)
		}
	case *network.EventLoadingFinished:
		s.received[e.RequestID] = int64(e.EncodedDataLength)
	}
}

// do runs actions and ends the test where one fails.
func (s *Shopper) do(actions ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, await.Max)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		s.t.Fatalf("the browser: %v; it shows:\n%s", err, s.text())
	}
}

// call sends a command of the protocol.
func call[P, R any](s *Shopper, command cdp.Command[P, R], params P) R {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, await.Max)
	defer cancel()
	answer, err := chromedp.Call(ctx, command, params)
	if err != nil {
		s.t.Fatalf("the browser: %s: %v", command.Method, err)
	}
	return answer
}

// eval evaluates an expression of JavaScript, and waits for its promise where it is one.
func eval[T any](s *Shopper, expression string) T {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, await.Max)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		s.t.Fatalf("the browser: %.200s: %v; it shows:\n%s", expression, err, s.text())
	}
	return value
}

// text returns what the page says, for the test's log.
func (s *Shopper) text() string {
	ctx, cancel := context.WithTimeout(s.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.pathname + "\n" + document.body.innerText`))
	if err != nil {
		return err.Error()
	}
	return text
}

// WithoutScripts forbids pages their scripts; the test's own expressions still run.
func (s *Shopper) WithoutScripts() {
	s.t.Helper()
	call(s, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
}

// Go opens an address of the shop.
func (s *Shopper) Go(path string) {
	s.t.Helper()
	s.do(chromedp.Navigate(s.shop+path), chromedp.WaitReady(chromedp.CSS("body")))
}

// Press presses what a selector finds, where a person could, once the page is there: one that still arrives moves.
func (s *Shopper) Press(selector string) {
	s.t.Helper()
	s.Await("the page is there", loaded)
	s.do(chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// loaded says that a page has all that it loads, and its scripts have run.
const loaded = `document.readyState === "complete"`

// Fill writes into a field, once it is to be seen.
func (s *Shopper) Fill(selector, text string) {
	s.t.Helper()
	s.Await("there is "+selector, loaded+" && document.querySelector('"+selector+"')?.checkVisibility()")
	eval[bool](s, "(e => { e.value = ''; return true })(document.querySelector('"+selector+"'))")
	s.do(chromedp.SendKeys(chromedp.CSS(selector), text))
}

// Path returns the page's path.
func (s *Shopper) Path() string {
	s.t.Helper()
	return eval[string](s, "location.pathname")
}

// Doing does something that has the page's expression become true, and waits for that.
func (s *Shopper) Doing(what, expression string, do func()) {
	s.t.Helper()
	began := time.Now()
	do()
	s.Await(what, expression)
	s.t.Logf("%s: in %v", what, time.Since(began).Round(time.Millisecond))
}

// Await waits until an expression of JavaScript is true; a page that is being replaced is waited for, too.
func (s *Shopper) Await(what, expression string) {
	s.t.Helper()
	deadline := time.Now().Add(await.Max)
	for time.Now().Before(deadline) {
		ctx, cancel := context.WithTimeout(s.ctx, await.Max)
		holds, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		cancel()
		if err == nil && holds {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.t.Fatalf("not within %v: %s. The page says:\n%s", await.Max, what, s.text())
}

// SignUp makes an account and is signed in afterwards.
func (s *Shopper) SignUp(email string) {
	s.t.Helper()
	s.Go("/signup")
	s.Fill("#email", email)
	s.Fill("#password", "a long sentence of my own")
	s.Press("main form button")
	s.Await("signed in", `location.pathname === "/" && document.querySelector('form[action="/signout"]')`)
}

// browserRequest is what the browser asked for and how many bytes it received for it, headers included.
type browserRequest struct {
	URL   string
	Bytes int64
}

// Requests returns what was received since the last call.
func (s *Shopper) Requests() []browserRequest {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []browserRequest
	for id, n := range s.received {
		all = append(all, browserRequest{s.addresses[id], n})
	}
	clear(s.received)
	return all
}

// Shot returns a picture of the whole page.
func (s *Shopper) Shot() []byte {
	s.t.Helper()
	beyond := true
	return call(s, page.CaptureScreenshot, page.CaptureScreenshotParams{CaptureBeyondViewport: &beyond}).Data
}
