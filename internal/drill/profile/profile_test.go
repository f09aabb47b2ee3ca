package profile

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, text, wrong string
	}{
		{"empty", "", ""},
		{"one field", "shoppers: 5", ""},
		{"everything", "title: Friday\nshoppers: 10\nskus: 1\nunits: 3\nlimit: 1\nunits_per_order: 1\nprice_minor: 100\npayment_time: 1m\nload: closed\narrivals: {shape: ramp, over: 3s}\nconnections: 4\nduration: 10s\nretry: 0.5\nother_body: 0\ngreedy: 1\npay: 0.2\npay_after: 10ms\nabandon: 0.8\nreaders: {connections: 2, per_second: 10}\nseed: 7", ""},
		{"an unknown field", "shopers: 5", "line 1: field shopers not found"},
		{"an unknown field inside", "shoppers: 5\narrivals:\n  shap: ramp", "line 3: field shap not found"},
		{"a wrong type", "shoppers: many", "line 1: cannot unmarshal !!str `many` into int"},
		{"not YAML", "shoppers: [", "did not find expected node content"},
		{"two documents", "shoppers: 5\n---\nunits: 3", "more than one YAML document"},
		{"nobody", "shoppers: 0", "shoppers: 1 to 1000000, not 0"},
		{"a share over 1", "retry: 1.5", "retry: a share from 0 to 1, not 1.5"},
		{"a share below 0", "greedy: -0.1", "greedy: a share"},
		{"a share that is no number", "pay: .nan", "pay: a share"},
		{"more than all", "pay: 0.8\nabandon: 0.4", "pay and abandon together"},
		{"another load", "load: half", `load: open or closed, not "half"`},
		{"another shape", "arrivals: {shape: wave}", "arrivals.shape: spike, ramp, steps, constant or csv"},
		{"no file", "arrivals: {shape: csv}", "arrivals.file"},
		{"a file for nothing", "arrivals: {file: x.csv}", "arrivals.file"},
		{"a column for nothing", "arrivals: {column: x}", "arrivals.column"},
		{"more than the limit", "limit: 2\nunits_per_order: 3", "units_per_order: at most the limit of 2"},
		{"readers without connections", "readers: {connections: 0, per_second: 10}", "readers: connections and per_second"},
		{"a short hold", "payment_time: 1s", "payment_time: 10s to"},
		{"a title too long", "title: " + strings.Repeat("x", 201), "title"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			n := Default()
			err := n.Read([]byte(c.text))
			if err == nil {
				err = n.Validate()
			}
			if c.wrong == "" && err != nil || c.wrong != "" && (err == nil || !strings.Contains(err.Error(), c.wrong)) {
				t.Errorf("got %v, want %q", err, c.wrong)
			}
		})
	}
}

func TestTimes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".gz") {
			z := gzip.NewWriter(f)
			_, err = z.Write([]byte(text))
			_ = z.Close()
		} else {
			_, err = f.WriteString(text)
		}
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
		return path
	}
	// Nine orders in the first hour, one ten hours later.
	history := "InvoiceNo,InvoiceDate\n" + strings.Repeat("1,2010-12-01 08:00:00\n", 8) + "C2,not a date\n3,2010-12-01 09:00:00\n4,2010-12-01 18:00:00\n"
	const second = time.Second
	for _, c := range []struct {
		name        string
		a           Arrivals
		half, whole time.Duration // when the half and everybody has come
		wrong       string
	}{
		{"constant", Arrivals{Shape: Constant, Over: 8 * second}, 4 * second, 8 * second, ""},
		{"constant rate", Arrivals{Shape: Constant, PerSecond: 100, Over: 99 * second}, 5 * second, 10 * second, ""},
		{"spike", Arrivals{Shape: Spike, Over: 8 * second}, second, 7800 * time.Millisecond, ""},
		{"ramp", Arrivals{Shape: Ramp, Over: 10 * second}, 7071 * time.Millisecond, 10 * second, ""},
		{"steps", Arrivals{Shape: Steps, Over: 3 * second, Steps: 2}, 1875 * time.Millisecond, 3 * second, ""},
		{"at once", Arrivals{Shape: Constant}, 0, 0, ""},
		{"a file", Arrivals{Shape: CSV, File: write("a.csv", history), Compress: 3600}, 0, 10 * second, ""},
		{"a compressed file, fitted", Arrivals{Shape: CSV, File: write("a.csv.gz", history), Column: "InvoiceDate", Over: 20 * second}, 0, 20 * second, ""},
		{"a named column of numbers", Arrivals{Shape: CSV, File: write("n.csv", "at\n0\n1\n2\n3\n4\n"), Column: "at", Compress: 1}, 2 * second, 4 * second, ""},
		{"no such column", Arrivals{Shape: CSV, File: write("b.csv", history), Column: "When"}, 0, 0, `there is no column "When"; there are InvoiceNo, InvoiceDate`},
		{"no times", Arrivals{Shape: CSV, File: write("c.csv", "a,b\n1,2\n")}, 0, 0, "it has no times"},
		{"an empty file", Arrivals{Shape: CSV, File: write("d.csv", "")}, 0, 0, "it has no times"},
		{"no gzip", Arrivals{Shape: CSV, File: write("plain", "x") + "/nowhere.gz"}, 0, 0, "not a directory"},
		{"no file", Arrivals{Shape: CSV, File: filepath.Join(dir, "nowhere")}, 0, 0, "no such file"},
		{"too long", Arrivals{Shape: CSV, File: write("e.csv", "2010-01-01\n2012-01-01\n"), Compress: 2}, 0, 0, "arrivals.compress"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			times, err := c.a.Times(1000)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("got %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			near := func(is, want time.Duration) bool {
				return (is - want).Abs() <= 60*time.Millisecond+want/100
			}
			if !slices.IsSorted(times) || len(times) != 1000 || !near(times[500], c.half) || !near(times[999], c.whole) {
				t.Errorf("the half came at %v, the last at %v; want %v and %v", times[500], times[999], c.half, c.whole)
			}
		})
	}
}
