package main

import (
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/tidegate/tidegate/internal/app"
)

// welcomeText is what "serve" prints once it serves. Everything between the last two rules can be pasted into a shell: the
// lines that are no comments are one command each.
var welcomeText = template.Must(template.New("welcome").Funcs(template.FuncMap{"moment": func(t time.Time) string {
	return t.UTC().Format("15:04:05 UTC")
}}).Parse(`
Tidegate is open.

  shop         {{.At.Public}}      contract to read and try: {{.At.Public}}/docs
{{- if .Console}}
  console      {{.At.Public}}/console      opens to an admin key
{{- end}}
{{- with .At.Express}}
  express      {{.}}      orders, sales and products alone, for a proxy to route to
{{- end}}
  operations   {{.At.Ops}}      /readyz, /metrics, /debug/pprof
  data         {{.Data}}
{{- if .KeyHint}}

There is no admin key yet. Make the first one, in another terminal:

  {{.KeyHint}}
{{- end}}
{{- with .Demo}}

  customer     {{.Email}}      password {{.Password}}
  admin key    {{.AdminKey}}
  sale         {{.Sale.ID}} "{{.Sale.Title}}": {{if $.Opens}}opens at {{moment .Sale.StartsAt}}, {{$.Opens}} from now{{else}}open until {{moment .Sale.EndsAt}}{{end}}
{{range .Sale.Items}}               SKU {{.SKU}} at {{.Price}} instead of {{.ListPrice}}, {{.Allocation}} units
{{end}}
Buy something: in a browser, at the shop's address, or paste this into another terminal.

# 1. log in
TOKEN=$(curl -fsS {{$.At.Public}}/v1/sessions -H 'Content-Type: application/json' -d '{"email":"{{.Email}}","password":"{{.Password}}"}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/'); echo "logged in"

# 2. place an order; until the sale opens it asks again each second, which the key makes safe
ORDER=$(curl -fs --retry 45 --retry-delay 1 --retry-all-errors {{$.At.Public}}/v1/sales/{{.Sale.ID}}/orders -H "Authorization: Bearer $TOKEN" -H 'Idempotency-Key: {{$.Key}}' -H 'Content-Type: application/json' -d '{"lines":[{"sku_id":"{{$.SKU}}","quantity":1}]}' | sed 's/^{"id":"\([0-9]*\)".*/\1/'); echo "order ${ORDER:-refused: is the sale over, or sold out?}"

# 3. pay at the sandbox cashier
PAYMENT=$(curl -fsS -X POST {{$.At.Public}}/v1/orders/$ORDER/payments -H "Authorization: Bearer $TOKEN" | sed 's/.*"pay_url":"\([^"]*\)".*/\1/'); curl -fsS "$PAYMENT" -d action=pay
{{- end}}

Ctrl-C stops it in order.
`))

// welcome prints what a newcomer needs to know of a shop that has just opened.
func welcome(w io.Writer, a *app.App, c app.Config, key string, now time.Time) error {
	say := struct {
		At                        app.Addresses
		Data, KeyHint, Key, Opens string
		SKU                       string
		Console                   bool
		Demo                      *app.Demo
	}{At: a.Addresses(), Data: c.Data, Key: key, Console: c.Web.Enabled, Demo: a.Demo()}
	if d := say.Demo; d != nil {
		if wait := d.Sale.StartsAt.Sub(now); wait > 0 {
			say.Opens = wait.Round(time.Second).String()
		}
		say.SKU = d.Sale.Items[0].SKU.String()
	} else if a.NeedsKey() {
		say.KeyHint = "tidegate key create --name console --role all --data " + shellQuote(c.Data)
	}
	if err := welcomeText.Execute(w, say); err != nil {
		return fmt.Errorf("print the welcome: %w", err)
	}
	return nil
}

// shellQuote quotes a word for a shell where it needs it.
func shellQuote(word string) string {
	plain := func(r rune) bool {
		return r == '/' || r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
	}
	if strings.IndexFunc(word, func(r rune) bool { return !plain(r) }) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}
