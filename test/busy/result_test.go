package main

import (
	"errors"
	"strings"
	"testing"
)

// TestARunIsReadAsItWas: a run passes where everything passed and something ran; whatever failed is named.
func TestARunIsReadAsItWas(t *testing.T) {
	t.Parallel()
	const of = `"Package":"github.com/tidegate/tidegate/test/x"`
	for _, c := range []struct {
		name, events string
		ended        error
		passed       bool
		failed       string
		skipped      int
	}{
		{"all pass", `{"Action":"pass",` + of + `,"Test":"TestA"}
{"Action":"skip",` + of + `,"Test":"TestB"}
{"Action":"pass",` + of + `}`, nil, true, "", 1},
		{"a test fails", `{"Action":"output",` + of + `,"Test":"TestA/one","Output":"the reason\n"}
{"Action":"fail",` + of + `,"Test":"TestA/one"}
{"Action":"fail",` + of + `,"Test":"TestA"}
{"Action":"pass",` + of + `,"Test":"TestB"}
{"Action":"fail",` + of + `}`, errors.New("exit status 1"), false, "test/x TestA/one, test/x TestA", 0},
		{"a package fails without a test", `{"Action":"pass",` + of + `,"Test":"TestA"}
{"Action":"output",` + of + `,"Output":"panic: test timed out\n"}
{"Action":"fail",` + of + `}`, errors.New("exit status 1"), false, "test/x", 0},
		{"the go command fails", `{"Action":"pass",` + of + `,"Test":"TestA"}`, errors.New("exit status 2"), false, "", 0},
		{"nothing runs", `{"Action":"skip",` + of + `}`, nil, false, "", 0},
		{"no output", "", nil, false, "", 0},
		{"words of the go command", "no such package\n", errors.New("exit status 1"), false, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var said strings.Builder
			r, err := read(strings.NewReader(c.events+"\n"), func(line string) { said.WriteString(line + "\n") })
			r.ended = c.ended
			if err != nil || r.passed() != c.passed || strings.Join(r.failed, ", ") != c.failed || r.skipped != c.skipped {
				t.Errorf("read %+v, %v", r, err)
			}
			if c.name == "a test fails" && !strings.Contains(said.String(), "the reason") {
				t.Errorf("said:\n%s", said.String())
			}
			var shown strings.Builder
			table(&shown, []result{r})
			if strings.Contains(shown.String(), "1 of 1 passed") != c.passed {
				t.Errorf("the table says:\n%s", shown.String())
			}
		})
	}
}
