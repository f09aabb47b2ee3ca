package sandbox

import (
	"bytes"
	"embed"
	"html/template"
	"io"
	"net/http"

	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/payment"
)

// The addresses of the cashier.
const (
	// Path is where to mount Handler.
	Path      = "/sandbox/"
	pathPay   = Path + "pay/"
	pathStyle = Path + "cashier.css"
)

// formBytesMax bounds a request to the cashier: one button, or a test's script.
const formBytesMax = 32 << 10

//go:embed cashier.html cashier.css
var files embed.FS

var page = template.Must(template.ParseFS(files, "cashier.html"))

// Handler serves the cashier and the test controls below Path. Its pages need no scripts and load nothing from
// elsewhere. Everyone who knows a payment's token may open its page.
func (p *Provider) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+pathPay+"{token}", p.show)
	mux.HandleFunc("POST "+pathPay+"{token}", p.decide)
	mux.HandleFunc("POST "+pathPay+"{token}/control", p.control)
	mux.HandleFunc("GET "+pathStyle, style)
	return mux
}

func style(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "max-age=3600")
	http.ServeFileFS(w, r, files, "cashier.css")
}

// view is the data of the page. Title and Text are keys of its words.
type view struct {
	Lang        string
	Title, Text string
	Payment     *Payment
	Expires     string
	Action      string
	Return      string // the shop's page of the order; empty: no link
}

// T returns a text in the page's language.
func (v view) T(key string) string { return words.words[v.Lang][key] }

// show answers with the page of a payment.
func (p *Provider) show(w http.ResponseWriter, r *http.Request) {
	one, err := p.ledger.SandboxPaymentByToken(r.Context(), r.PathValue("token"))
	if err != nil {
		p.refuse(w, r, err)
		return
	}
	p.render(w, r, http.StatusOK, p.view(&one))
}

// view returns the page of a payment in its current state.
func (p *Provider) view(one *Payment) view {
	v := view{Payment: one, Expires: one.ExpiresAt.UTC().Format("15:04:05 UTC")}
	if p.back != nil {
		v.Return = p.back(one.Order)
	}
	switch {
	case one.Status == payment.Paid:
		v.Title, v.Text = "title.paid", "text.paid"
	case one.Status == payment.Declined:
		v.Title, v.Text = "title.declined", "text.declined"
	case !p.open(one):
		v.Title, v.Text = "title.late", "text.late"
	default:
		v.Title, v.Text, v.Action = "title.pay", "text.pay", pathPay+one.Token
	}
	return v
}

// open reports whether the payment can still be paid or declined.
func (p *Provider) open(one *Payment) bool {
	return one.Status == payment.Waiting && p.clock.Now().Before(one.ExpiresAt)
}

// decide carries out the shopper's decision to pay or decline.
func (p *Provider) decide(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, formBytesMax)
	to, known := map[string]payment.State{"pay": payment.Paid, "decline": payment.Declined}[r.PostFormValue("action")]
	if !known {
		p.refuse(w, r, fault.Bad("action", "must be pay or decline"))
		return
	}
	one, err := p.ledger.SandboxPaymentByToken(r.Context(), r.PathValue("token"))
	if err == nil && p.open(&one) {
		var notes []Note
		if notes, err = one.notes(); err == nil {
			one, _, err = p.transition(r.Context(), one, to, notes)
		}
	}
	switch {
	case err != nil:
		p.refuse(w, r, err)
	case one.Status != to:
		p.render(w, r, http.StatusConflict, p.view(&one))
	default:
		// See Other: reloading the page does not send the form again.
		w.Header().Set("Location", pathPay+one.Token)
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(http.StatusSeeOther)
		_, _ = io.WriteString(w, string(one.Status)+"\n") // an error means that the client has left
	}
}

// refuse answers with an error page.
func (p *Provider) refuse(w http.ResponseWriter, r *http.Request, err error) {
	f := fault.As(err)
	status := f.Code.Row().Status
	if status >= http.StatusInternalServerError {
		p.log.ErrorContext(r.Context(), "the sandbox's cashier failed", "error", err)
	}
	v := view{Title: "title.problem", Text: "text.problem"}
	switch f.Code {
	case fault.NotFound:
		v.Text = "text.missing"
	case fault.Invalid:
		v.Text = "text.invalid"
	}
	p.render(w, r, status, v)
}

// headers forbid the page everything it does not need. See https://www.w3.org/TR/CSP3/.
func headers(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
	h.Set("Referrer-Policy", "no-referrer") // the address is the key
	h.Set("Cache-Control", "no-store")
	h.Set("Vary", "Accept-Language, Cookie")
	h.Set("X-Content-Type-Options", "nosniff")
}

func (p *Provider) render(w http.ResponseWriter, r *http.Request, status int, v view) {
	var b bytes.Buffer
	v.Lang = words.of(r)
	if err := page.Execute(&b, v); err != nil {
		p.log.ErrorContext(r.Context(), "the sandbox's cashier failed", "error", err)
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	headers(w.Header())
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // an error means that the client has left
}
