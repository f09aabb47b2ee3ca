package app

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
)

// ProductImport is an import of a file of products into a Shop.
type ProductImport struct {
	// File is the path of the CSV file, plain or gzipped.
	File   string
	DryRun bool
	// Progress, where not nil, is told after every batch; total is the file's size in bytes.
	Progress func(p api.ImportProgress, total int64)
	// Refused is the file that refused rows were written to, after Run; empty where there were none.
	Refused string

	header []string
	out    *os.File
	rows   *productcsv.Refusals
}

// importLine is a line of an import's answer.
type importLine struct {
	Progress *api.ImportProgress `json:"progress"`
	Refusal  *api.ImportRefusal  `json:"refusal"`
	Report   *api.ImportReport   `json:"report"`
	Problem  *api.Problem        `json:"problem"`
}

// Run sends the file to the shop, and writes the rows that the shop refuses next to it, to NAME.refused.csv. The report counts
// what was done. Ended early, by an error or a signal, what was committed stays; the same file again goes on. It returns the
// file's errors, and the fault that the shop answered with.
func (i *ProductImport) Run(ctx context.Context, s *Shop) (report api.ImportReport, err error) {
	in, size, err := i.open()
	if err != nil {
		return report, err
	}
	defer func() { _ = in.Close() }() // it was only read
	path := "/v1/admin/products/import"
	if i.DryRun {
		path += "?dry_run=true"
	}
	kind := "text/csv"
	if strings.HasSuffix(i.File, ".gz") {
		kind = "application/gzip"
	}
	// The client closes the body it is given; the file is closed here.
	answer, err := s.Call(ctx, http.MethodPost, path, kind, io.NopCloser(in))
	if err != nil {
		return report, err
	}
	defer func() { _ = answer.Body.Close() }()
	report, err = i.follow(answer.Body, size)
	return report, errors.Join(err, i.close())
}

// open opens the file and reads its header, so that a file which is not of products is refused before the shop is asked.
func (i *ProductImport) open() (in *os.File, size int64, err error) {
	if in, err = os.Open(i.File); err != nil {
		return nil, 0, err
	}
	info, err := in.Stat()
	if err == nil {
		size = info.Size()
		var source *productcsv.Reader
		// The header does not depend on the currency.
		if source, err = productcsv.Open(in, ""); err == nil {
			i.header = source.Header()
			_, err = in.Seek(0, io.SeekStart)
		}
	}
	if err != nil {
		return nil, 0, errors.Join(fmt.Errorf("%s: %w", i.File, err), in.Close())
	}
	return in, size, nil
}

// follow reads the shop's answer to its end.
func (i *ProductImport) follow(answer io.Reader, size int64) (report api.ImportReport, err error) {
	lines := json.NewDecoder(bufio.NewReader(answer))
	for {
		var line importLine
		if err := lines.Decode(&line); err != nil {
			return report, fmt.Errorf("the shop broke off the import; the same file again goes on: %w", err)
		}
		switch {
		case line.Report != nil:
			return *line.Report, nil
		case line.Problem != nil:
			return report, faultOf(line.Problem)
		case line.Progress != nil && i.Progress != nil:
			i.Progress(*line.Progress, size)
		case line.Refusal != nil:
			if err := i.refuse(line.Refusal); err != nil {
				return report, err
			}
		}
	}
}

// refuse writes a refused row to the file of refused rows, making that for the first one.
func (i *ProductImport) refuse(r *api.ImportRefusal) (err error) {
	if i.out == nil {
		i.Refused = refusedName(i.File)
		if i.out, err = os.Create(i.Refused); err != nil {
			return fmt.Errorf("the refused rows cannot be written: %w", err)
		}
		if i.rows, err = productcsv.NewRefusals(i.out, i.header); err != nil {
			return err
		}
	}
	return i.rows.Write(catalog.RefusedRow{Row: catalog.Row{Line: r.Line, Fields: r.Row}, Reason: r.Reason})
}

func (i *ProductImport) close() error {
	if i.out == nil {
		return nil
	}
	if err := errors.Join(i.rows.Flush(), i.out.Close()); err != nil {
		return fmt.Errorf("the refused rows cannot be written: %w", err)
	}
	return nil
}

// refusedName is products.refused.csv for products.csv and products.csv.gz.
func refusedName(file string) string {
	file = strings.TrimSuffix(file, ".gz")
	return strings.TrimSuffix(file, filepath.Ext(file)) + ".refused.csv"
}

// ExportProducts writes every product of the shop as CSV. It returns an error where the answer broke off.
func (s *Shop) ExportProducts(ctx context.Context, out io.Writer) error {
	answer, err := s.Call(ctx, http.MethodGet, "/v1/admin/products/export", "", nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(out, answer.Body); err != nil {
		return fmt.Errorf("the export broke off: %w", err)
	}
	return nil
}
