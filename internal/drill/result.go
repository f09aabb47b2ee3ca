package drill

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/tidegate/tidegate/internal/drill/profile"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Result is what came of a drill. Its JSON names are a contract: scripts compare them between runs. What was not measured
// is null.
type Result struct {
	Lane     string `json:"lane"`
	Load     string `json:"load"` // of the latencies below
	Shoppers int    `json:"shoppers"`
	Units    int64  `json:"units"`
	// Accepted, in all sales of the drill, counts purchases; the others count answers.
	Accepted     int64 `json:"accepted"`
	InDatabase   int64 `json:"in_database"`
	SoldOut      int64 `json:"sold_out"`
	LimitReached int64 `json:"limit_reached"`
	Replayed     int64 `json:"replayed"`
	Errors5xx    int64 `json:"errors_5xx"`
	Violations

	DurableOrdersPerSecond *float64 `json:"durable_orders_per_s"`
	// QueuedOrdersPerSecond is the rate at which a shop with a queue has kept orders, while the durable ones were measured.
	QueuedOrdersPerSecond *float64 `json:"queued_orders_per_s"`
	SoldOutPerSecond      *float64 `json:"sold_out_per_s"`
	ProductReadsPerSecond *float64 `json:"product_reads_per_s"`
	// SalePagesPerSecond is the rate of the page of a sale as nobody sees it, SignedInPagesPerSecond as shoppers do who are signed in.
	SalePagesPerSecond     *float64 `json:"sale_pages_per_s"`
	SignedInPagesPerSecond *float64 `json:"signed_in_pages_per_s"`
	// Viewers is how many watched a sale's numbers as they changed; they were sent so many messages a second, which took so many
	// of the shop's cores.
	Viewers              int      `json:"viewers"`
	ViewersToldPerSecond *float64 `json:"viewers_told_per_s"`
	ViewersCores         *float64 `json:"viewers_cores"`

	P50              float64  `json:"p50_ms"`
	P99              float64  `json:"p99_ms"`
	P999             float64  `json:"p999_ms"`
	CommitsPerSecond *float64 `json:"commits_per_s"`

	// CeilingPerSecond is what a bare server answered, over all slices of its measurement.
	CeilingPerSecond *float64 `json:"ceiling_per_s"`
	// Ratio is that of durable orders to the ceiling in the slices around them; the other rates have their own ratios.
	Ratio              *float64 `json:"ratio"`
	QueuedRatio        *float64 `json:"queued_ratio"`
	SoldOutRatio       *float64 `json:"sold_out_ratio"`
	ProductReadsRatio  *float64 `json:"product_reads_ratio"`
	SalePagesRatio     *float64 `json:"sale_pages_ratio"`
	SignedInPagesRatio *float64 `json:"signed_in_pages_ratio"`

	ServerRSSMaxMiB *float64 `json:"server_rss_max_mib"`
	ServerCPU       *float64 `json:"server_cpu_s"`
	GeneratorCPU    float64  `json:"generator_cpu_s"`
	// GeneratorPerRequest is the generator's CPU time for one request, in microseconds: over the closed phases, where
	// there are any, because there nothing else than requests is done.
	GeneratorPerRequest float64 `json:"generator_us_per_request"`

	// OK says that every violation is zero and the shop's audit agrees.
	OK       bool         `json:"ok"`
	Audit    AuditVerdict `json:"audit"`
	Examples []string     `json:"violation_examples"`
	// StoppedEarly says that the night was ended before everybody had come; Killed how often the shop was killed and started
	// again.
	StoppedEarly bool             `json:"stopped_early"`
	Killed       int              `json:"killed"`
	Paid         int64            `json:"paid"`
	Cancelled    int64            `json:"cancelled"`
	TillFailures int64            `json:"payment_failures"`
	ByStatus     map[string]int64 `json:"orders_by_status"`

	Target    string              `json:"target"`
	Version   string              `json:"version"`
	StartedAt time.Time           `json:"started_at"`
	Seconds   float64             `json:"seconds"`
	Night     profile.LoadProfile `json:"-"`
	Phases    []Phase             `json:"phases"`
	// Express is the same drill on the express lane, where both were asked for.
	Express *Result `json:"express,omitempty"`
}

// AuditVerdict is what the shop's own audit found.
type AuditVerdict struct {
	Ran        bool     `json:"ran"`
	OK         bool     `json:"ok"`
	Violations []string `json:"violations"`
	// Note says why it did not run.
	Note string `json:"note,omitempty"`
}

// Phase is one part of a drill.
type Phase struct {
	Name        string  `json:"name"`
	Load        string  `json:"load"`
	Connections int     `json:"connections"`
	Seconds     float64 `json:"seconds"`
	Requests    int64   `json:"requests"`
	// Answers are those that count for the phase, PerSecond their rate.
	Answers   int64   `json:"answers"`
	PerSecond float64 `json:"per_s"`
	Errors    int64   `json:"errors"`
	// Queued counts new orders that were queued, QueuedPerSecond their rate until the last of them.
	Queued          int64   `json:"queued,omitempty"`
	QueuedPerSecond float64 `json:"queued_per_s,omitempty"`
	// CeilingPerSecond is the rate of the bare server in the slices before and after the phase, where there were any.
	CeilingPerSecond float64 `json:"ceiling_per_s,omitempty"`
	// GeneratorCPU is what the generator used meanwhile, in seconds.
	GeneratorCPU float64 `json:"generator_cpu_s"`
	Latency
	Points []Point `json:"points"`
}

// Clean reports whether nothing went wrong, on any lane.
func (r *Result) Clean() bool { return r.OK && (r.Express == nil || r.Express.OK) }

// number returns a figure that was measured.
func number(f float64) *float64 { return &f }

// ratios divides each rate by the ceiling that was measured with it.
func (r *Result) ratios() {
	of := func(phase string, rate *float64) *float64 {
		for i := range r.Phases {
			if p := &r.Phases[i]; p.Name == phase && p.CeilingPerSecond > 0 && rate != nil {
				return number(*rate / p.CeilingPerSecond)
			}
		}
		return nil
	}
	r.Ratio, r.QueuedRatio = of(phaseDurable, r.DurableOrdersPerSecond), of(phaseDurable, r.QueuedOrdersPerSecond)
	r.SoldOutRatio, r.ProductReadsRatio = of(phaseSoldOut, r.SoldOutPerSecond), of(phaseReads, r.ProductReadsPerSecond)
	r.SalePagesRatio, r.SignedInPagesRatio = of(phasePages, r.SalePagesPerSecond), of(phaseSignedIn, r.SignedInPagesPerSecond)
}

// OfCeiling is the phase's rate as a share of its ceiling; zero if it has none.
func (p *Phase) OfCeiling() float64 {
	if p.CeilingPerSecond == 0 {
		return 0
	}
	return p.PerSecond / p.CeilingPerSecond
}

// Verdict is the result in one sentence.
func (r *Result) Verdict() string {
	switch {
	case r.Violations.Sum() > 0:
		return "The books do not agree: " + r.Violations.String() + "."
	case r.Audit.Ran && !r.Audit.OK:
		return "Every answer was true, but the shop's own audit found a violation."
	case r.Accepted == 0:
		return "Nothing was sold, and nothing went wrong."
	}
	return fmt.Sprintf("All is well: %d orders accepted, every one of them in the database, no unit too many.", r.Accepted)
}

// String names the violations that are not zero.
func (v Violations) String() string {
	var found []string
	for _, one := range v.list() {
		if one.n > 0 {
			found = append(found, fmt.Sprintf("%d %s", one.n, one.name))
		}
	}
	return strings.Join(found, ", ")
}

type violation struct {
	name string
	n    int64
}

func (v Violations) list() []violation {
	return []violation{
		{"oversold", v.Oversold}, {"lost", v.Lost}, {"duplicated", v.Duplicated}, {"over the limit", v.OverLimit},
		{"with a wrong price", v.WrongPrice}, {"unanswered", v.Unanswered}, {"contradicted", v.Contradicted},
	}
}

// WriteText prints the result for people.
func (r *Result) WriteText(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(t, format+"\n", args...) } // Flush tells
	p("\n%s lane: %s\n", r.Lane, r.Verdict())
	p("phase\tload\tconnections\tanswers\tper second\tof ceiling\tp50 ms\tp99 ms\tp99.9 ms\terrors")
	for i := range r.Phases {
		ph := &r.Phases[i]
		share := ""
		if of := ph.OfCeiling(); of > 0 {
			share = fmt.Sprintf("%.2f", of)
		}
		p("%s\t%s\t%d\t%d\t%.0f\t%s\t%.2f\t%.2f\t%.2f\t%d", ph.Name, ph.Load, ph.Connections, ph.Answers, ph.PerSecond, share, ph.P50, ph.P99, ph.P999, ph.Errors)
	}
	if r.QueuedOrdersPerSecond != nil {
		p("queued orders\t\t\t\t%.0f", *r.QueuedOrdersPerSecond)
		if r.QueuedRatio != nil {
			p("queued, of the ceiling\t\t\t\t%.2f", *r.QueuedRatio)
		}
	}
	if r.ViewersCores != nil {
		p("\n%d viewers of a sale's numbers: %.0f messages a second, %.2f of a core", r.Viewers, *r.ViewersToldPerSecond, *r.ViewersCores)
	}
	p("\naccepted %d, in the database %d, sold out %d, limit reached %d, replayed %d, 5xx %d, paid %d, cancelled %d", r.Accepted, r.InDatabase, r.SoldOut, r.LimitReached, r.Replayed, r.Errors5xx, r.Paid, r.Cancelled)
	for _, v := range r.list() {
		p("%s\t%d", v.name, v.n)
	}
	switch {
	case !r.Audit.Ran:
		p("audit\tdid not run: %s", text.Visible(r.Audit.Note))
	case r.Audit.OK:
		p("audit\tclean")
	default:
		p("audit\t%s", text.Visible(strings.Join(r.Audit.Violations, "; ")))
	}
	for _, e := range r.Examples {
		p("  %s", text.Visible(e))
	}
	server := ""
	if r.ServerRSSMaxMiB != nil {
		server = fmt.Sprintf("server: %.0f MiB at most, %.1f s of CPU; ", *r.ServerRSSMaxMiB, *r.ServerCPU)
	}
	p("%sgenerator: %.1f s of CPU, %.1f µs a request", server, r.GeneratorCPU, r.GeneratorPerRequest)
	if err := t.Flush(); err != nil || r.Express == nil {
		return err
	}
	return r.Express.WriteText(w)
}
