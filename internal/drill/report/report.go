// Package report tells a drill to people who were not there: one page that needs nothing but a browser, the verdict first.
package report

import (
	_ "embed" // for the page
	"fmt"
	"html/template"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/drill"
	"github.com/tidegate/tidegate/internal/drill/profile"
)

//go:embed page.html
var pageText string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"whole":   wholeAny,
	"ms":      ms,
	"rate":    func(f *float64) string { return optional(f, whole[float64]) },
	"seconds": func(f float64) string { return fmt.Sprintf("%.1f s", f) },
	"deref":   func(f *float64) float64 { return *f },
	"moment":  func(t time.Time) string { return t.Format("2 January 2006, 15:04 UTC") },
}).Parse(pageText))

// Write writes the page.
func Write(w io.Writer, r *drill.Result) error {
	p := sheet{Result: r}
	for one := r; one != nil; one = one.Express {
		l := lane{Result: one, Figures: figures(one), Checks: checks(one)}
		for i := range one.Phases {
			ph := &one.Phases[i]
			l.Rows = append(l.Rows, phaseRow{Phase: ph, Share: shareOf(ph)})
			if ph.Name == "night" {
				l.Night = ph
				l.Rates, l.Latencies, l.Stock = rates(ph), latencies(ph), stock(ph, one.Units)
			}
		}
		p.Lanes = append(p.Lanes, l)
	}
	return page.Execute(w, p)
}

// sheet is what the page is made of.
type sheet struct {
	*drill.Result
	Lanes []lane
}

type lane struct {
	*drill.Result
	Night                   *drill.Phase
	Figures                 []figure
	Checks                  []check
	Rows                    []phaseRow
	Rates, Latencies, Stock template.HTML
}

// Verdict is the result's, its number written as the others of the page.
func (l lane) Verdict() string {
	return strings.Replace(l.Result.Verdict(), strconv.FormatInt(int64(l.Accepted), 10)+" orders", whole(l.Accepted)+" orders", 1)
}

// Buyers tells the night in a sentence.
func (l lane) Buyers() string {
	n := &l.Result.Night
	how := "as fast as " + whole(n.Connections) + " connections go"
	if n.Load == profile.Open {
		how = map[string]string{
			profile.Spike: "most of them in the first moments", profile.Ramp: "ever more of them", profile.Steps: "in waves, each larger than the last",
			profile.Constant: "evenly", profile.CSV: "in the rhythm of a real shop's orders",
		}[n.Arrivals.Shape]
	}
	limit := "as many as they liked"
	if n.Limit > 0 {
		limit = fmt.Sprintf("at most %d each", n.Limit)
	}
	return fmt.Sprintf("%s shoppers came, %s, for %s units (%s).", whole(l.Shoppers), how, whole(l.Units), limit)
}

// figure is a number that a reader should take away.
type figure struct{ Name, Value, Note string }

func figures(r *drill.Result) []figure {
	all := []figure{
		{"orders accepted", whole(r.Accepted), "each confirmed only after it was on disk"},
		{"found in the database", whole(r.InDatabase), "counted afterwards, one by one"},
		{"turned away: sold out", whole(r.SoldOut), "told at once, not left waiting"},
		{"99 of 100 answers within", ms(r.P99), waited(r)},
	}
	if r.DurableOrdersPerSecond != nil {
		note := "at full speed"
		if r.Ratio != nil {
			note = fmt.Sprintf("%.2f of what a server that does nothing reaches here", *r.Ratio)
		}
		all = append(all, figure{"orders a second", whole(*r.DurableOrdersPerSecond), note})
	}
	if r.ServerRSSMaxMiB != nil {
		all = append(all, figure{"memory at most", fmt.Sprintf("%.0f MiB", *r.ServerRSSMaxMiB), "of the shop's process"})
	}
	return all
}

func waited(r *drill.Result) string {
	switch {
	case r.Load == profile.Open && r.DurableOrdersPerSecond != nil: // the last phase is what the answer's time is of
		return "at half of the shop's full speed, counted from when the shopper pressed the button"
	case r.Load == profile.Open:
		return "counted from when the shopper pressed the button"
	}
	return "each connection waiting for its answer before it asks again"
}

// check is one thing that must be zero, in words.
type check struct {
	Question string
	Found    int64
}

func checks(r *drill.Result) []check {
	v := r.Violations
	return []check{
		{"Units sold beyond what there was", v.Oversold},
		{"Orders confirmed to a shopper and not in the database", v.Lost},
		{"Second orders for one purchase, or orders nobody asked for", v.Duplicated},
		{"Units beyond a shopper's limit", v.OverLimit},
		{"Orders at another price than the sale's", v.WrongPrice},
		{"Purchases that never got an answer", v.Unanswered},
		{"Orders that contradict what the shopper was told", v.Contradicted},
	}
}

type phaseRow struct {
	*drill.Phase
	Share string
}

func shareOf(p *drill.Phase) string {
	if of := p.OfCeiling(); of > 0 {
		return fmt.Sprintf("%.2f", of)
	}
	return ""
}

func optional(f *float64, tell func(float64) string) string {
	if f == nil {
		return "not measured"
	}
	return tell(*f)
}

func ms(f float64) string {
	switch {
	case f >= 1000:
		return fmt.Sprintf("%.1f s", f/1000)
	case f >= 10:
		return fmt.Sprintf("%.0f ms", f)
	}
	return fmt.Sprintf("%.1f ms", f)
}

// wholeAny is whole for a template, which has numbers of several types.
func wholeAny(n any) (string, error) {
	switch v := n.(type) {
	case int:
		return whole(v), nil
	case int64:
		return whole(v), nil
	case float64:
		return whole(v), nil
	}
	return "", fmt.Errorf("%T is no number", n)
}

// whole writes a number with a thin space between its thousands.
func whole[T ~int | ~int64 | ~float64](n T) string {
	text := fmt.Sprintf("%.0f", float64(n))
	var out []byte
	for i := range len(text) {
		if i > 0 && (len(text)-i)%3 == 0 && text[i-1] != '-' {
			out = append(out, "\u2009"...)
		}
		out = append(out, text[i])
	}
	return string(out)
}
