package productcsv

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// A small file that unpacks into a large one ends at the limit, whatever it holds.
func TestAPackedFileIsBounded(t *testing.T) {
	for name, unit := range map[string]string{"one line": strings.Repeat("a", 1<<20), "lines": strings.Repeat("a,b\n", 1<<18), "a quote": `"` + strings.Repeat("x\n", 1<<19)} {
		t.Run(name, func(t *testing.T) {
			var packed bytes.Buffer
			z := gzip.NewWriter(&packed)
			for range 20 {
				if _, err := z.Write([]byte(unit)); err != nil {
					t.Fatal(err)
				}
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			in, err := text(&packed)
			if err != nil {
				t.Fatal(err)
			}
			r := newRecords(in)
			r.most = 10 << 20
			for err == nil {
				_, err = r.next()
			}
			if errors.Is(err, io.EOF) || r.read > r.most+64<<10 || cap(r.buf) > 4*RecordBytesMax {
				t.Errorf("%v after %d bytes, buffer %d", err, r.read, cap(r.buf))
			}
		})
	}
}

// Whatever encoding/csv writes comes back, in either kind of line break.
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
		r := newRecords(&b)
		for _, want := range rows {
			if !slices.ContainsFunc(want, func(f string) bool { return f != "" }) {
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

// No input makes the reader fail other than by an error, and lines only grow.
func FuzzRecords(f *testing.F) {
	for _, seed := range []string{"a,b\r\n", "\"a\"\"b\",c\n", "\"a\nb", "a\"b\n", "\xff,\n", "\"a\"b,\n\n,,\n"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := newRecords(bytes.NewReader(in))
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
			cells = append(cells, escaped.Replace(w))
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
