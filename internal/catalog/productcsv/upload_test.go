package productcsv

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"hash/maphash"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

func packed(t *testing.T, head, unit string, times int) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, head)
	for i := 0; i < times && err == nil; i++ {
		_, err = io.WriteString(z, unit)
	}
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// A small file that decompresses into a large one is stopped at the limit, and so is a file of only line breaks.
func TestFilesThatKeepAProcessorBusy(t *testing.T) {
	const header = "handle,title,sku,price\n"
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"one line":        {packed(t, header, strings.Repeat("a", 1<<20), 40), "100 times its size"},
		"lines":           {packed(t, header, strings.Repeat("a,b\n", 1<<18), 40), "100 times its size"},
		"blank lines":     {packed(t, header, strings.Repeat("\n", 1<<20), 40), "100 times its size"},
		"a quote":         {packed(t, header, `"`+strings.Repeat("x\n", 1<<19), 40), "100 times its size"},
		"quotes":          {packed(t, header, strings.Repeat(`"`, 1<<20), 40), "100 times its size"},
		"packed in turn":  {bytes.Repeat(packed(t, "", strings.Repeat(",\n", 1<<19), 8), 8), "100 times its size"},
		"unpacked lines":  {[]byte(header + strings.Repeat("\n", linesMax)), "lines"},
		"a row of fields": {[]byte(header + strings.Repeat(",", 900_000) + "x\n"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Open(t.Context(), bytes.NewReader(c.file), Options{Currency: "GBP"})
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = r.Close() }()
				if e, err := r.Next(); err != nil || e.Refusal == nil || !strings.Contains(e.Refusal.Detail, "more than 1000 fields") {
					t.Errorf("%+v, %v", e, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// A well compressed file that is no attack is accepted.
func TestAFileOfEqualRowsIsTaken(t *testing.T) {
	r, err := Open(t.Context(), bytes.NewReader(packed(t, "handle,title,sku,price\n", "a,A,A,1\n", 100_000)), Options{Currency: "GBP"})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// leaving is an endless file whose sender leaves part-way.
type leaving struct {
	leave context.CancelFunc
	reads int
}

func (l *leaving) Read(p []byte) (int, error) {
	if l.reads--; l.reads == 0 {
		l.leave()
	}
	return copy(p, "handle,title,sku,price\n"), nil
}

// An import ends when its caller leaves: during the upload, and during every pass over the file.
func TestAnImportEndsWhenNobodyWaits(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	if _, err := Open(ctx, &leaving{leave, 1000}, Options{Currency: "GBP"}); fault.CodeOf(err) != fault.TimedOut {
		t.Errorf("while it comes: %v", err)
	}
	s := &spool{}
	if _, err := s.Write([]byte("handle,title,sku,price\na,A,A,1\n")); err != nil {
		t.Fatal(err)
	}
	r := &Reader{shop: "GBP", seed: maphash.MakeSeed(), codes: map[uint64]codeUse{}, text: &text{spool: s}}
	if err := errors.Join(r.readHeader(t.Context(), nil), r.index(t.Context())); err != nil {
		t.Fatal(err)
	}
	for name, step := range map[string]func(context.Context) error{
		"encoding": func(ctx context.Context) error { _, err := toText(ctx, s, ""); return err },
		"letters":  func(ctx context.Context) error { _, err := r.text.guess(ctx, 1); return err },
		"header":   func(ctx context.Context) error { return r.readHeader(ctx, nil) },
		"rows":     r.index, "codes": r.findCodes,
	} {
		if err := step(ctx); fault.CodeOf(err) != fault.TimedOut {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A large file is on disk while it is read, and leaves no file behind.
func TestALargeFileLeavesNothingBehind(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	var b strings.Builder
	b.WriteString("handle,title,description,sku,price\n")
	for b.Len() < spoolMemoryBytes+chunkBytes {
		b.WriteString("a" + strings.Repeat("0", b.Len()%100) + ",A," + strings.Repeat("word ", 2000) + ",A,1\n")
	}
	r, err := Open(t.Context(), strings.NewReader(b.String()), Options{Currency: "GBP"})
	if err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(os.TempDir())
	if err := errors.Join(err, r.Close()); err != nil || len(left) != 0 || r.text.file == nil {
		t.Errorf("%v is left, %v", left, err)
	}
	t.Setenv("TMPDIR", "/dev/null/nowhere")
	if _, err := Open(t.Context(), strings.NewReader(b.String()), Options{Currency: "GBP"}); fault.CodeOf(err) != fault.Internal {
		t.Errorf("without a folder: %v", err)
	}
}
