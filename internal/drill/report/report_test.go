package report

import (
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/drill"
	"github.com/tidegate/tidegate/internal/drill/profile"
)

var update = flag.Bool("update", false, "write the golden files")

func result() *drill.Result {
	f := func(v float64) *float64 { return &v }
	n := profile.Default()
	return &drill.Result{
		Lane: drill.Main, Load: profile.Open, Shoppers: 20_000, Units: 5000, Accepted: 5061, InDatabase: 5061, SoldOut: 15_212, LimitReached: 725, Replayed: 507,
		DurableOrdersPerSecond: f(41_234.5), P50: 1.234, P99: 12.5, P999: 31, CeilingPerSecond: f(82_469), Ratio: f(0.5), ServerRSSMaxMiB: f(181.4), ServerCPU: f(15.84), GeneratorCPU: 4.7,
		OK: true, Audit: drill.AuditVerdict{Ran: true, OK: true}, Paid: 3057, Cancelled: 495, Target: "a private shop", Version: "devel",
		StartedAt: time.Date(2026, 11, 27, 20, 0, 0, 0, time.UTC), Seconds: 30.2, Night: n,
		Phases: []drill.Phase{
			{Name: "night", Load: profile.Open, Connections: 256, Answers: 21_658, PerSecond: 2710, Latency: drill.Latency{P50: 1.2, P99: 12.5, P999: 31}, Points: []drill.Point{
				{Seconds: 0.25, Answers: 900, Accepted: 800, P50: 1, P99: 9, Left: 4200}, {Seconds: 0.5, Left: -1}, {Seconds: 0.75, Answers: 700, SoldOut: 700, P50: 1, P99: 2, Left: 0},
			}},
			{Name: "durable orders", Load: profile.Closed, Connections: 256, Answers: 123_000, PerSecond: 41_234.5, CeilingPerSecond: 82_469},
		},
	}
}

// TestPage holds the page's text to its golden file, and the page to standing alone: nothing of it is fetched.
func TestPage(t *testing.T) {
	t.Parallel()
	bad := result()
	bad.OK, bad.Oversold, bad.Lost = false, 3, 1
	bad.Killed, bad.StoppedEarly = 1, true
	bad.Examples = []string{"order 7 was answered with 201 and is <not> there"}
	bad.Audit = drill.AuditVerdict{Ran: true, Violations: []string{"I1: stock of SKU 5: reserved 6 of 5"}}
	both := result()
	both.Express = result()
	both.Express.Lane = drill.Express
	bare := result()
	bare.DurableOrdersPerSecond, bare.CeilingPerSecond, bare.Ratio, bare.ServerRSSMaxMiB, bare.ServerCPU = nil, nil, nil, nil, nil
	bare.Phases, bare.Audit = []drill.Phase{}, drill.AuditVerdict{Note: "the admin key has not the role all"}
	for name, r := range map[string]*drill.Result{"clean": result(), "violations": bad, "both-lanes": both, "nothing-measured": bare} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var b strings.Builder
			if err := Write(&b, r); err != nil {
				t.Fatal(err)
			}
			text := b.String()
			if strings.Contains(text, "src=") || strings.Contains(text, "href=") || strings.Contains(text, "url(") || strings.Contains(text, "<script") {
				t.Error("the page needs something from elsewhere")
			}
			if verdict, first := strings.Index(text, `class="verdict`), strings.Index(text, "<h2>What was"); verdict < 0 || first < verdict {
				t.Error("the verdict is not first")
			}
			for _, svg := range regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(text, -1) {
				if strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") || !wellFormed(svg) {
					t.Errorf("a plot is broken: %s", svg)
				}
			}
			golden := "testdata/" + name + ".txt"
			got := words(text)
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("the page reads differently (-want +got):\n%s", diff)
			}
		})
	}
}

func wellFormed(text string) bool {
	d := xml.NewDecoder(strings.NewReader(text))
	for {
		if _, err := d.Token(); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// words is what a reader reads: the text outside of style and plots, a line for each element that has any.
func words(page string) string {
	page = regexp.MustCompile(`(?s)<style>.*?</style>|<svg.*?</svg>`).ReplaceAllString(page, "")
	var lines []string
	for _, line := range strings.Split(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(page, "\n"), "\n") {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestRoundNumbers(t *testing.T) {
	t.Parallel()
	for in, want := range map[float64]float64{0: 1, 0.3: 0.5, 1: 1, 1.1: 2, 7: 10, 2400: 2500, 52_000: 100_000} {
		if got := roundUp(in); got != want {
			t.Errorf("%g became %g, not %g", in, got, want)
		}
	}
	for in, want := range map[int]string{0: "0", 999: "999", 1000: "1\u2009000", 1234567: "1\u2009234\u2009567", -1000: "-1\u2009000"} {
		if got := whole(in); got != want {
			t.Errorf("%d became %q", in, got)
		}
	}
}
