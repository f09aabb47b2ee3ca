package adminclient

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
	"github.com/tidegate/tidegate/internal/kernel/keyfile"
)

// ProductImport is an import of a file of products into a shop.
type ProductImport struct {
	// File is the path of the CSV file, plain or gzipped.
	File   string
	DryRun bool
	// AllowFree takes a price of zero also where the product is not free already.
	AllowFree bool
	// Inspect has the shop say what it recognised of the file, and no more.
	Inspect bool
	// Encoding and Map, where not empty, are what the file is in, and which column is which field: column=field.
	Encoding string
	Map      []string
	// Progress, where not nil, is told after every batch; total is the file's size in bytes.
	Progress func(p api.ImportProgress, total int64)
	// Refused is the file that refused rows were written to, after Run; empty where there were none. Recognised is what the shop
	// recognised of the file.
	Refused    string
	Recognised api.ImportFile

	out  *os.File
	rows *productcsv.Refusals
}

// importLine is a line of an import's answer.
type importLine struct {
	File      *api.ImportFile      `json:"file"`
	Progress  *api.ImportProgress  `json:"progress"`
	Rejection *api.ImportRejection `json:"rejection"`
	Report    *api.ImportReport    `json:"report"`
	Problem   *api.Problem         `json:"problem"`
}

// Run sends the file to the shop, and writes the rows that the shop refuses next to it, to NAME.refused.csv. The report counts
// what was done. Ended early, by an error or a signal, what was committed stays; the same file again goes on. It returns the
// file's errors, and the fault that the shop answered with.
func (i *ProductImport) Run(ctx context.Context, c *Client) (report api.ImportReport, err error) {
	in, err := os.Open(i.File)
	if err != nil {
		return report, err
	}
	defer func() { _ = in.Close() }() // it was only read
	info, err := in.Stat()
	if err != nil {
		return report, fmt.Errorf("%s: %w", i.File, err)
	}
	kind := "text/csv"
	if strings.HasSuffix(i.File, ".gz") {
		kind = "application/gzip"
	}
	// The client closes the body it is given; the file is closed here.
	answer, err := c.Call(ctx, http.MethodPost, "/v1/admin/products/import"+i.query(), kind, io.NopCloser(in))
	if err != nil {
		return report, fmt.Errorf("%s: %w", i.File, err)
	}
	defer func() { _ = answer.Body.Close() }()
	report, err = i.follow(answer.Body, info.Size())
	return report, errors.Join(err, i.close())
}

func (i *ProductImport) query() string {
	q := url.Values{"map": i.Map}
	for name, set := range map[string]bool{"dry_run": i.DryRun, "allow_free": i.AllowFree, "inspect": i.Inspect} {
		if set {
			q.Set(name, "true")
		}
	}
	if i.Encoding != "" {
		q.Set("encoding", i.Encoding)
	}
	if text := q.Encode(); text != "" {
		return "?" + text
	}
	return ""
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
		case line.File != nil:
			if i.Recognised = *line.File; i.Inspect {
				return report, nil
			}
		case line.Report != nil:
			return *line.Report, nil
		case line.Problem != nil:
			return report, faultOf(line.Problem)
		case line.Progress != nil && i.Progress != nil:
			i.Progress(*line.Progress, size)
		case line.Rejection != nil:
			if err := i.refuse(line.Rejection); err != nil {
				return report, err
			}
		}
	}
}

// refuse writes a refused row to the file of refused rows, making that for the first one.
func (i *ProductImport) refuse(r *api.ImportRejection) (err error) {
	if i.out == nil {
		i.Refused = refusedName(i.File)
		if i.out, err = keyfile.CreatePrivate(i.Refused); err != nil {
			return fmt.Errorf("the refused rows cannot be written: %w", err)
		}
		var header []string
		for _, c := range i.Recognised.Columns {
			header = append(header, c.Name)
		}
		if i.rows, err = productcsv.NewRefusals(i.out, header); err != nil {
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

// ExportProducts writes every product of the shop as CSV, with excel so that Excel reads it as UTF-8. It returns an error where the answer
// broke off.
func (c *Client) ExportProducts(ctx context.Context, out io.Writer, excel bool) error {
	path := "/v1/admin/products/export"
	if excel {
		path += "?excel=true"
	}
	answer, err := c.Call(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer func() { _ = answer.Body.Close() }()
	if _, err := io.Copy(out, answer.Body); err != nil {
		return fmt.Errorf("the export broke off: %w", err)
	}
	return nil
}
