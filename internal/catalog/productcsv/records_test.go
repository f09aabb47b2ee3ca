package productcsv

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Reading returns what encoding/csv wrote, with either kind of line break.
func TestRecordsReadWhatCSVWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		field := rapid.StringMatching(`[a-z",\n éñ]{0,12}`)
		rows := rapid.SliceOfN(rapid.SliceOfN(field, 1, 5), 1, 20).Draw(t, "rows")
		var b bytes.Buffer
		w := csv.NewWriter(&b)
		w.UseCRLF = rapid.Bool().Draw(t, "crlf")
		if err := w.WriteAll(rows); err != nil {
			t.Fatal(err)
		}
		r := newRecords(&b, ',')
		for _, want := range rows {
			if !slices.ContainsFunc(want, func(f string) bool { return !blank(f) }) {
				continue
			}
			rec, err := r.next()
			for i := range rec.fields { // encoding/csv writes CR LF inside fields too
				rec.fields[i] = strings.ReplaceAll(rec.fields[i], "\r\n", "\n")
			}
			if err != nil || rec.wrong != "" || !slices.Equal(rec.fields, want) {
				t.Fatalf("got %q, %v, %s, want %q", rec.fields, err, rec.wrong, want)
			}
		}
		if _, err := r.next(); !errors.Is(err, io.EOF) {
			t.Fatalf("at the end: %v", err)
		}
	})
}

// No input makes the reader fail other than by an error, and line numbers only grow.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{"a,b\r\n", "\"a\"\"b\",c\n", "\"a\nb", "a\"b\n", "\xff,\n", "\"a\"b,\n\n,,\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newRecords(bytes.NewReader(in), ',')
		last := int64(0)
		for {
			rec, err := r.next()
			if err != nil {
				return
			}
			if rec.line <= last || rec.wrong == "" && rec.fields == nil {
				t.Fatalf("%+v after line %d", rec, last)
			}
			last = rec.line
		}
	})
}

func TestListsInCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.StringMatching(`[a|=\\][a|=\\ é]{0,5}[a|=\\]`), 1, 4).Draw(t, "words")
		var cells []string
		for _, w := range words {
			cells = append(cells, escapedName.Replace(w))
		}
		var got []string
		for _, part := range cut(strings.Join(cells, " | "), '|') {
			got = append(got, plain(part))
		}
		if !slices.Equal(got, words) {
			t.Fatalf("got %q, want %q", got, words)
		}
	})
}
