package audit

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files")

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

func clean() Report {
	f := invariantList()
	fs := findings(f)
	for i := range fs {
		fs.saw(i, int64(1000+i))
	}
	return fs.report(noon)
}

func violated() Report {
	fs := findings(invariantList())
	fs.saw(i1, 3)
	fs.violated(i1, poolSubject{Sale: 7, SKU: 42}, "%d units are reserved, and pending orders hold %d", 3, 2)
	fs.violated(i1, poolSubject{SKU: 42}, "%d on hand, %d reserved, %d sold", 1, 2, 0)
	for n := range violationsMax + 7 {
		fs.violated(i2, orderSubject(n+1), "it was never announced as placed")
	}
	fs.violated(i7, customerSubject{9, 7}, "their orders are of 3 units, and the limit was 2 when the last was placed")
	fs.note(i7, "One.")
	fs.note(i7, "%d customers.", 2)
	for i := range fs {
		// What is told in full of one hundred violations is told as well by three.
		fs[i].Violations = fs[i].Violations[:min(3, len(fs[i].Violations))]
	}
	return fs.report(noon)
}

func TestReportTable(t *testing.T) {
	for name, r := range map[string]Report{"clean": clean(), "violated": violated()} {
		var b bytes.Buffer
		if err := r.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, "report_"+name+".txt", b.Bytes())
	}
}

func TestRepairedTable(t *testing.T) {
	changes := []Change{{"general stock of SKU 42, reserved", "7", "2"}, {"stock of SKU 42 in sale 7, available at the gate", "11", "12"}}
	for name, r := range map[string]RepairReport{
		"nothing": {At: noon},
		"busy":    {At: noon, Note: "The gate was not compared."},
		"dry":     {At: noon, Changes: changes},
		"one":     {At: noon, Changes: changes[:1]},
		"applied": {At: noon, Applied: true, Changes: changes},
	} {
		var b bytes.Buffer
		if err := r.WriteTable(&b); err != nil {
			t.Fatal(err)
		}
		golden(t, "repaired_"+name+".txt", b.Bytes())
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}
