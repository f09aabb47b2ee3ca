package site

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/web/lang"
	"github.com/tidegate/tidegate/internal/web/picture"
	"github.com/tidegate/tidegate/internal/wire"
)

//go:embed *.html
var files embed.FS

// frame is what stands around every page.
type frame struct {
	layout  *template.Template
	problem *template.Template
}

// part is what a template that is used by others gets: what it shows, and the view for its words.
type part struct {
	View View
	Of   any
}

// question is what the console's template "ask" asks: what will be done, where that is sent, and what it means, the first and the
// last as keys of the language. Grave ones cannot be taken back.
type question struct {
	View               View
	Word, Action, Note string
	Grave              bool
}

var funcs = template.FuncMap{
	"ask":     func(v View, word, action, note string) question { return question{v, word, action, note, false} },
	"grave":   func(v View, word, action, note string) question { return question{v, word, action, note, true} },
	"arg":     func(v View, of any) part { return part{v, of} },
	"minutes": func(d time.Duration) int64 { return int64(math.Ceil(d.Minutes())) },
}

func newFrame() (f frame, err error) {
	if f.layout, err = template.New("page").Funcs(funcs).ParseFS(files, "layout.html"); err != nil {
		return f, err
	}
	f.problem, err = f.page(files, "problem.html")
	return f, err
}

func (f frame) page(from fs.FS, names ...string) (*template.Template, error) {
	t, err := f.layout.Clone()
	if err != nil {
		return nil, err
	}
	return t.ParseFS(from, names...)
}

// Template reads the template of a page, with others that it uses, and puts the frame around it. It panics where one cannot be
// parsed: they are in the binary.
func (s *Site) Template(from fs.FS, names ...string) *template.Template {
	return template.Must(s.frame.page(from, names...))
}

// View is what a template gets.
type View struct {
	// Data is what the page's handler gave.
	Data any
	// Title is the page's, without the shop's name.
	Title string
	// SignedIn says whether a shopper is.
	SignedIn bool
	// Path is the address of this page, for the language switch to come back to.
	Path string

	site     *Site
	lang     *lang.Language
	operator account.Admin
	at       string // the path that was asked for, also where a form was sent
}

// T returns the words of a key: see lang.Language.T.
func (v View) T(key string, pairs ...any) string { return v.lang.T(key, pairs...) }

// Word returns the words of a name under a prefix: see lang.Language.Word.
func (v View) Word(prefix string, name any) string { return v.lang.Word(prefix, fmt.Sprint(name)) }

// May reports whether the operator who looks may see what needs a role; false for everyone else.
func (v View) May(role string) bool { return v.operator.May(account.Role(role)) }

// In reports whether the page's path begins with path.
func (v View) In(path string) bool { return strings.HasPrefix(v.at, path) }

// At reports whether the page's address, without its parameters, is a path.
func (v View) At(path string) bool {
	at, _, _ := strings.Cut(v.Path, "?")
	return at == path
}

// Lang returns the language's tag.
func (v View) Lang() string { return v.lang.Tag }

// Langs returns every language.
func (v View) Langs() []*lang.Language { return v.site.Langs.All }

// Shop returns the shop's name.
func (v View) Shop() string { return v.site.Config.Name }

// Payments returns the name of the provider that takes the money of orders; empty where nobody does.
func (v View) Payments() string { return v.site.Payments }

// Asset returns the address of a style, a script or a picture.
func (v View) Asset(name string) string { return v.site.Assets.URL(name) }

// Money writes an amount.
func (v View) Money(a money.Amount) string { return v.lang.Money(a) }

// Number writes a number.
func (v View) Number(n int64) string { return v.lang.Number(n) }

// Picture returns the address of a product's picture: its own where it is one of this shop's files, else a drawing of what its title
// says it is. One that is elsewhere is not shown: no page asks anyone but the shop for anything.
func (v View) Picture(p id.Product, title string, own []catalog.Picture) string {
	if len(own) > 0 && LocalPath(own[0].URL, "") != "" {
		return own[0].URL
	}
	return picture.URL(p, title)
}

// Zone returns the name of the shop's time zone, such as Europe/London.
func (v View) Zone() string { return v.site.zone.String() }

// Moment writes a moment in the shop's time zone, which it names. A script writes it in the reader's own zone where they have chosen that.
func (v View) Moment(t time.Time) template.HTML {
	stamp := t.UTC().Format(time.RFC3339)
	return template.HTML(`<time datetime="` + stamp + `">` + template.HTMLEscapeString(v.lang.Time(t, v.site.zone)) + `</time>`)
}

// Day is Moment for a list, where a script that writes it anew writes less of it.
func (v View) Day(t time.Time) template.HTML {
	return template.HTML(strings.Replace(string(v.Moment(t)), "<time ", "<time data-short ", 1))
}

// Fault says a fault in the shopper's language: one sentence.
func (v View) Fault(e *fault.Error) string { return FaultText(v.lang, e) }

// FaultText says a fault in a language: by its field where there are words for that, else by its code.
func FaultText(l *lang.Language, e *fault.Error) string {
	if e.Field != "" && l.Has("fault."+e.Code.String()+"."+e.Field) {
		return l.T("fault." + e.Code.String() + "." + e.Field)
	}
	if key := "fault." + e.Code.String(); l.Has(key) {
		return l.T(key)
	}
	return l.T("fault.internal")
}

// Header values that are the same for every answer. They are shared, and must not be changed.
var (
	html    = []string{"text/html; charset=utf-8"}
	noStore = []string{wire.NoStore}
	// revalidate lets a browser, and nobody on the way, keep a page and ask every time whether it still holds. Its ETag
	// differs by language and sign-in, so that it needs no Vary.
	revalidate = []string{"private, no-cache"}
	noSniff    = []string{wire.NoSniff}
	gzipped    = []string{"gzip"}
)

// policy is what a page may do: load what is the shop's own, and nothing that stands in the page itself. See
// https://www.w3.org/TR/CSP3/.
func policyOf(formTargets []string) []string {
	targets := append([]string{"'self'"}, formTargets...)
	return []string{"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action " +
		strings.Join(targets, " ") + "; base-uri 'none'; frame-ancestors 'none'"}
}

// headers sets what every page has. They are few on purpose: a page that is kept has eight in all, and with nine the answer of
// net/http costs a third more. What can stand in the page itself, such as the referrer's policy, stands there.
func (v *Visit) headers(h http.Header) {
	h["Date"], h["Content-Type"], h["Content-Security-Policy"], h["X-Content-Type-Options"] = wire.Date(v.at), html, v.site.policy, noSniff
}

// Show renders a page for this one shopper, and answers with it. Nobody keeps it.
func (v *Visit) Show(status int, t *template.Template, title string, data any) error {
	return v.show(status, t, "layout", title, data)
}

// ShowPart renders a template of a page without the frame, for htmx to put in its place.
func (v *Visit) ShowPart(t *template.Template, part string, data any) error {
	return v.show(http.StatusOK, t, part, "", data)
}

// Part returns a template of a page without the frame, for a script to put in its place.
func (v *Visit) Part(t *template.Template, part string, data any) (string, error) {
	body, err := render(t, part, v.view("", false, data))
	return string(body), err
}

func (v *Visit) show(status int, t *template.Template, part, title string, data any) error {
	_, signedIn := v.Who()
	body, err := render(t, part, v.view(title, signedIn, data))
	if err != nil {
		return err
	}
	h := v.Header()
	v.headers(h)
	h["Cache-Control"], h["X-Request-Id"] = noStore, []string{v.id()}
	sent := body
	if len(body) > compressFrom && v.takesGzip() {
		sent = compress(body, quick)
		h["Content-Encoding"] = gzipped
	}
	h["Content-Length"] = []string{strconv.Itoa(len(sent))}
	v.WriteHeader(status)
	// A client that has left is not told.
	_, _ = v.Write(sent)
	return nil
}

// compressFrom is the size from which a page is compressed, in bytes: smaller ones fit one packet as they are.
const compressFrom = 1200

// view is what a template gets, of this visit.
func (v *Visit) view(title string, signedIn bool, data any) View {
	path := "/"
	if v.Request.Method == http.MethodGet {
		path = v.Request.URL.RequestURI()
	}
	return View{Data: data, Title: title, SignedIn: signedIn, Path: path, site: v.site, lang: v.Lang, operator: v.Operator, at: v.Request.URL.Path}
}

// render runs a template. It returns an error for one that fails.
func render(t *template.Template, part string, view View) ([]byte, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, part, view); err != nil {
		return nil, fmt.Errorf("render %s: %w", t.Name(), err)
	}
	return b.Bytes(), nil
}

func (v *Visit) takesGzip() bool {
	return strings.Contains(v.header("Accept-Encoding"), "gzip")
}

// drawn are the headers of a drawing: it never changes, and does nothing.
var (
	drawn   = []string{"image/svg+xml"}
	forGood = []string{"public, max-age=31536000, immutable"}
	nothing = []string{"default-src 'none'"}
)

// draw answers with the drawing of a product.
func (s *Site) draw(v *Visit) error {
	kind, product, ok := picture.ParsePath(v.Request.URL.Path)
	if !ok {
		return fault.New(fault.NotFound, "There is nothing at this address.")
	}
	body := picture.Draw(kind, product)
	h := v.Header()
	h["Content-Type"], h["Cache-Control"], h["Content-Security-Policy"], h["X-Content-Type-Options"] = drawn, forGood, nothing, noSniff
	if v.takesGzip() {
		body = compress(body, quick)
		h["Content-Encoding"] = gzipped
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	// A client that has left is not told.
	_, _ = v.Write(body)
	return nil
}
