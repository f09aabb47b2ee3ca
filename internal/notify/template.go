package notify

import (
	"bytes"
	"cmp"
	"embed"
	html "html/template"
	"strings"
	text "text/template"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

//go:embed templates
var files embed.FS

var (
	texts = text.Must(text.ParseFS(files, "templates/*.txt"))
	pages = html.Must(html.ParseFS(files, "templates/*.html"))
)

// page is the data of the templates.
type page struct {
	Shop, Subject string
	Order         id.Order
	Lines         []item
	Total         money.Amount
	PayBefore     string
}

type item struct {
	Title string
	Units int64
	Total money.Amount
}

// write makes the mail of an event. The template's first line is the subject, the rest is the text.
func write(c Config, kind string, o *told, titles map[id.SKU]string) (*Mail, error) {
	name := strings.TrimSuffix(strings.TrimPrefix(kind, "order."), ".v1")
	p := page{Shop: c.ShopName, Order: o.ID, Total: o.Total, PayBefore: o.ExpiresAt.UTC().Format("15:04 on 2 January 2006 (UTC)")}
	for _, l := range o.Lines {
		title := titles[l.SKU]
		if title == "" {
			title = "Item " + l.SKU.String()
		}
		p.Lines = append(p.Lines, item{title, cmp.Or(l.Quantity, l.Units), l.Total})
	}
	var plain, rich bytes.Buffer
	if err := texts.ExecuteTemplate(&plain, name+".txt", p); err != nil {
		return nil, err
	}
	subject, body, _ := strings.Cut(plain.String(), "\n")
	p.Subject = subject
	if err := pages.ExecuteTemplate(&rich, name+".html", p); err != nil {
		return nil, err
	}
	return &Mail{Subject: subject, Text: strings.TrimLeft(body, "\n"), HTML: rich.String()}, nil
}
