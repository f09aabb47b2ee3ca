package site

import (
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/telemetry"
	"github.com/tidegate/tidegate/internal/web/lang"
	"github.com/tidegate/tidegate/internal/wire"
)

// Visit is one request of a page, and the answer to it. It belongs to its handler, and is another one's afterwards.
type Visit struct {
	http.ResponseWriter
	// Request is what was asked.
	Request *http.Request
	// Lang is the language to answer in.
	Lang *lang.Language
	// Operator is who looks at a page of the console; its zero value elsewhere.
	Operator account.Admin

	site      *Site
	at        time.Time // when the request came
	name      string    // of HandleHot: what follows its path
	cookies   []string  // the header's lines
	recorder  Recorder
	requestID string // empty while nobody has asked for it: see id
	status    int
	replaced  bool // the mux's own refusal was replaced by a page
	who       account.Principal
	known     bool          // who has been found out
	whoErr    error         // why it could not be
	body      io.ReadCloser // as it comes, unbounded
}

// formBytesMax bounds a form of the storefront: the largest is a search, or a password.
const formBytesMax = 16 << 10

// visits are those that are over: see finish.
var visits = sync.Pool{New: func() any { return new(Visit) }}

func (s *Site) newVisit(w http.ResponseWriter, r *http.Request) *Visit {
	v := visits.Get().(*Visit)
	v.ResponseWriter, v.Request, v.site, v.at, v.cookies, v.recorder = w, r, s, s.Clock.Now(), r.Header["Cookie"], s.unknown
	v.Lang = s.Langs.Find(v.cookie(languageCookie), v.header("Accept-Language"))
	if r.Method != http.MethodGet {
		v.Request = r.WithContext(telemetry.WithRequestID(r.Context(), v.id()))
		v.body = r.Body
		v.Take(formBytesMax)
	}
	return v
}

// id returns the request's id: the one that a proxy has given it, or one that is made here.
func (v *Visit) id() string {
	if v.requestID == "" {
		given := ""
		if all := v.Request.Header["X-Request-Id"]; len(all) == 1 {
			given = all[0]
		}
		var b [64]byte
		v.requestID = string(wire.AppendRequestID(b[:0], given))
	}
	return v.requestID
}

// header returns the first value of a header of the request, by its canonical name; empty where there is none.
func (v *Visit) header(name string) string {
	if all := v.Request.Header[name]; len(all) > 0 {
		return all[0]
	}
	return ""
}

// Now returns when the request came.
func (v *Visit) Now() time.Time { return v.at }

// Zone returns the shop's time zone.
func (v *Visit) Zone() *time.Location { return v.site.zone }

// Take bounds what is read of the request's body, in bytes. Call it before the form is read.
func (v *Visit) Take(bytesMax int64) {
	if v.body != nil {
		v.Request.Body = http.MaxBytesReader(v.ResponseWriter, v.body, bytesMax)
	}
}

// Unwrap lets http.ResponseController find the connection.
func (v *Visit) Unwrap() http.ResponseWriter { return v.ResponseWriter }

// WriteHeader implements http.ResponseWriter. What the mux itself refuses, because no route fits, becomes a page.
func (v *Visit) WriteHeader(status int) {
	if v.status != 0 || v.replaced {
		return
	}
	if v.recorder == v.site.unknown && status == http.StatusNotFound {
		v.replaced = true
		v.instead(fault.New(fault.NotFound, "There is nothing at this address."))
		return
	}
	if v.recorder == v.site.unknown && status == http.StatusMethodNotAllowed {
		v.replaced = true
		v.instead(fault.New(fault.MethodNotAllowed, "This address is not asked like that."))
		return
	}
	v.status = status
	v.ResponseWriter.WriteHeader(status)
}

// instead shows the page of a fault in place of what is being written.
func (v *Visit) instead(e *fault.Error) {
	own := &Visit{
		ResponseWriter: v.ResponseWriter, Request: v.Request, Lang: v.Lang, site: v.site, at: v.at, cookies: v.cookies, recorder: replacing{v.site.unknown},
		requestID: v.id(), who: v.who, known: v.known, whoErr: v.whoErr,
	}
	own.fail(e)
	v.status = own.status
}

// replacing is a recorder that is not Site.unknown, so that the page of a refusal is not replaced again.
type replacing struct{ Recorder }

// Write implements http.ResponseWriter.
func (v *Visit) Write(b []byte) (int, error) {
	if v.replaced {
		return len(b), nil
	}
	if v.status == 0 {
		v.status = http.StatusOK
	}
	return v.ResponseWriter.Write(b)
}

// answered returns the status that was answered.
func (v *Visit) answered() int {
	if v.status == 0 {
		return http.StatusOK
	}
	return v.status
}

// Client returns whom the request comes from.
func (v *Visit) Client() netip.Addr { return v.site.Client(v.Request) }

// Form returns a field of the form that was sent, without space around it.
func (v *Visit) Form(name string) string { return strings.TrimSpace(v.Request.PostFormValue(name)) }

// Query returns a parameter of the address.
func (v *Visit) Query(name string) string {
	if v.Request.URL.RawQuery == "" {
		return "" // as most have it: nothing is parsed
	}
	return strings.TrimSpace(v.Request.URL.Query().Get(name))
}

// PathValue returns what stands in the path for the pattern's {name}.
func (v *Visit) PathValue(name string) string {
	if v.name != "" {
		return v.name
	}
	return v.Request.PathValue(name)
}

// PathID reads an id in the path. It returns fault.NotFound for what is none: such an address has nothing.
func PathID[T ~int64](v *Visit, name string) (T, error) {
	n, err := id.Parse[T](v.PathValue(name))
	if err != nil {
		return 0, fault.New(fault.NotFound, "There is nothing at this address.")
	}
	return n, nil
}

// Redirect sends the browser to an address of this shop, which it asks for with GET: reloading sends no form again.
func (v *Visit) Redirect(to string) error {
	v.Header().Set("Location", to)
	v.Header()["Cache-Control"] = noStore
	v.WriteHeader(http.StatusSeeOther)
	return nil
}

// TellTime sends the shop's time along, so that a script counts down by this clock whatever the shopper's own says. See
// https://www.w3.org/TR/server-timing/.
func (v *Visit) TellTime() {
	var b [40]byte
	text := strconv.AppendInt(append(b[:0], "now;dur="...), v.site.Clock.Now().UnixMilli(), 10)
	v.Header()["Server-Timing"] = []string{string(text)}
}

// FromHTMX reports whether htmx asks, and not the browser for a whole page.
func (v *Visit) FromHTMX() bool { return v.Request.Header.Get("Hx-Request") == "true" }

// LocalPath returns an address inside the shop as it was given, and otherwise the other: whoever makes up a link must not send
// a shopper elsewhere after signing in.
func LocalPath(given, otherwise string) string {
	if len(given) < 1 || len(given) > 500 || given[0] != '/' || strings.ContainsAny(given, "\\\r\n\t") || strings.HasPrefix(given, "//") {
		return otherwise
	}
	return given
}

// Number reads a whole number from least to most out of a form or an address; otherwise where it is empty. It returns
// fault.Invalid.
func Number(field, text string, least, most, otherwise int64) (int64, error) {
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < least || n > most {
		return 0, fault.Bad(field, "It must be a whole number from %d to %d.", least, most)
	}
	return n, nil
}
