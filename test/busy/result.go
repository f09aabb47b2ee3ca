package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// result is what became of a run.
type result struct {
	took  time.Duration
	ended error // of the go command
	// packages and tests count what passed, skipped the tests that did not run for want of something.
	packages, tests, skipped int
	// failed are the tests that failed, and the packages that failed without one.
	failed []string
}

// passed reports whether everything passed, and there was something.
func (r result) passed() bool { return r.ended == nil && len(r.failed) == 0 && r.tests > 0 }

// event is a line of go test -json.
type event struct {
	Action, Package, Test, Output string
	FailedBuild, ImportPath       string
	Elapsed                       float64
}

// linesMax bounds what is shown of a test that failed; all of it is in the run's output.
const linesMax = 30

// read reads what a run does. It tells progress of each package that has ended, and of each test that fails.
func read(from io.Reader, progress func(line string)) (result, error) {
	var r result
	said := map[string][]string{} // by test, what it has said
	failing := map[string]bool{}  // packages in which a test has failed
	lines := bufio.NewReaderSize(from, 1<<20)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if json.Unmarshal(line, &e) != nil { // the go command's own words
				progress(strings.TrimSpace(string(line)))
				continue
			}
			r.note(e, said, failing, progress)
		}
		if err == io.EOF {
			return r, nil
		}
		if err != nil {
			return r, err
		}
	}
}

func (r *result) note(e event, said map[string][]string, failing map[string]bool, progress func(string)) {
	name := strings.TrimPrefix(e.Package, "github.com/tidegate/tidegate/")
	test := name
	if e.Test != "" {
		test += " " + e.Test
	}
	switch e.Action {
	case "output", "build-output":
		said[test] = append(said[test], e.Output)
		if e.Action == "build-output" {
			progress(strings.TrimRight(e.Output, "\n"))
		}
		return
	case "pass":
		if e.Test != "" {
			r.tests++
			break
		}
		r.packages++
		progress(fmt.Sprintf("ok    %s  %.0f s", name, e.Elapsed))
	case "skip":
		if e.Test != "" {
			r.skipped++
		}
	case "fail":
		if e.Test == "" && failing[e.Package] {
			progress(fmt.Sprintf("FAIL  %s  %.0f s", name, e.Elapsed))
			break
		}
		failing[e.Package] = true
		r.failed = append(r.failed, test)
		progress("FAIL  " + test)
		lines := said[test]
		for _, one := range lines[max(0, len(lines)-linesMax):] {
			progress("      " + strings.TrimRight(one, "\n"))
		}
	}
	delete(said, test)
}

// table shows the runs.
func table(w io.Writer, runs []result) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nrun\ttime\tpackages\ttests\tskipped\tfailed")
	good := 0
	for i, r := range runs {
		failed := slices.Clone(r.failed)
		if r.ended != nil && len(failed) == 0 {
			failed = append(failed, "go test: "+r.ended.Error())
		}
		if r.tests == 0 && len(failed) == 0 {
			failed = append(failed, "no test ran")
		}
		if r.passed() {
			good++
		}
		fmt.Fprintf(t, "%d\t%v\t%d\t%d\t%d\t%s\n", i+1, r.took.Round(time.Second), r.packages, r.tests, r.skipped, strings.Join(failed, ", "))
	}
	_ = t.Flush()
	fmt.Fprintf(w, "%d of %d passed\n", good, len(runs))
}
