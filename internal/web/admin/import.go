package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/account"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/web/site"
)

const (
	// importBytesMax bounds a file that is imported here, packed or not: some hundred thousand products. The command takes larger ones.
	importBytesMax = 64 << 20
	// importMemoryBytes is how much of a file is held in memory; the rest lies in a file of its own meanwhile.
	importMemoryBytes = 1 << 20
	// importPatience bounds an import with its upload.
	importPatience = 30 * time.Minute
	// importTellEvery is how often the browser is told how far an import is: often enough for a bar that moves.
	importTellEvery = 100 * time.Millisecond
	// importShown bounds the products and the refused rows that are shown one by one.
	importShown = 100
	// refusedBytesMax bounds the file of refused rows that is handed out.
	refusedBytesMax = 16 << 20
)

func (d *Pages) mountImport() {
	d.page("GET /console/products/import", account.RoleCatalog, func(r *request) error {
		return r.Show(http.StatusOK, d.imports, r.Lang.T("admin.import"), nil)
	})
	d.Console.Stream("POST /console/products/import", account.RoleCatalog, func(v *site.Visit, who account.Admin) error {
		return d.importProducts(&request{v, who})
	})
}

// importLine is a line of the answer: how far the import is, or, as the last one, what came of it.
type importLine struct {
	Rows  int64  `json:"rows,omitempty"`
	Bytes int64  `json:"bytes,omitempty"` // of the file
	HTML  string `json:"html,omitempty"`
	// Refused is the file of refused rows, to be corrected and imported.
	Refused string `json:"refused,omitempty"`
}

// importResult is what came of an import, or what would.
type importResult struct {
	catalog.ImportReport
	File    catalog.FileInfo
	Changed []importChange // the first of them
	Rows    []refusedRow   // the first of them
	Cut     bool           // there are more refused rows than are handed out
	Wrong   *fault.Error
}

// refusedRow is where a row that was refused stands, and why it was.
type refusedRow struct {
	Line   int64
	Reason string
}

// RemovalsShown are the first things that products have no longer.
func (r importResult) RemovalsShown() []catalog.Removal {
	return r.Removals[:min(len(r.Removals), importShown)]
}

// importChange is a product that is new, or changed.
type importChange struct {
	Line    int64
	Handle  string
	Title   string
	New     bool
	Changes []catalog.Difference
}

// importProducts reads a file, and says what it would change, or changes it. The browser has the file and sends it both times, so any
// process of the shop can answer, and nothing is kept between the two. It answers line by line, while it works.
func (d *Pages) importProducts(r *request) error {
	c := http.NewResponseController(r)
	until := time.Now().Add(importPatience)
	if err := errors.Join(c.SetReadDeadline(until), c.SetWriteDeadline(until)); err != nil {
		return err
	}
	if err := r.Request.Context().Err(); err != nil {
		return err // after the deadlines, which would else outlast those of the end
	}
	r.Take(importBytesMax)
	err := r.Request.ParseMultipartForm(importMemoryBytes)
	if form := r.Request.MultipartForm; form != nil {
		defer func() { _ = form.RemoveAll() }() // what is left lies in the system's folder for such
	}
	h := r.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "application/x-ndjson")
	h.Set("X-Accel-Buffering", "no")
	h.Set("X-Content-Type-Options", "nosniff")
	out := json.NewEncoder(r)
	done := importLine{}
	var result importResult
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		err = fault.New(fault.BodyTooLarge, "The file is larger than %d MiB. Take it with: tidegate import products.", importBytesMax>>20)
	} else if err != nil {
		err = fault.Bad("file", "The form with the file cannot be read: %v.", err)
	} else if !d.importing.TryLock() {
		err = fault.New(fault.Overloaded, "Another file is being read; try again when it has ended.").After(5 * time.Second)
	}
	if err == nil {
		defer d.importing.Unlock()
		done.Refused, err = d.runImport(r, &result, func(l importLine) error {
			if err := out.Encode(l); err != nil {
				return err
			}
			return c.Flush()
		})
	}
	if err != nil {
		f, ok := errors.AsType[*fault.Error](err)
		if !ok || f.Code.Row().Status >= 500 && f.Code != fault.Overloaded {
			return err
		}
		result.Wrong = f
	}
	if done.HTML, err = r.Part(d.imports, "result", result); err != nil {
		return err
	}
	return out.Encode(done)
}

// runImport imports the file of the form, and returns its refused rows as a file.
func (d *Pages) runImport(r *request, result *importResult, tell func(importLine) error) (refused string, err error) {
	ctx := r.Request.Context()
	dry := r.Form("do") != "import"
	if !dry {
		if ctx, err = d.withActor(r, "importProducts", "products"); err != nil {
			return "", err
		}
	}
	file, _, err := r.Request.FormFile("file")
	if err != nil {
		return "", fault.Bad("file", "Choose a file.")
	}
	defer func() { _ = file.Close() }() // it was only read
	src, err := productcsv.Open(ctx, file, productcsv.Options{
		Currency: d.Currency, Encoding: r.Form("encoding"), Map: strings.FieldsFunc(r.Form("map"), func(c rune) bool { return c == '\n' || c == '\r' }),
	})
	if err != nil {
		return "", err
	}
	defer func() { _ = src.Close() }() // it was only read
	result.File = src.File()
	var rows bytes.Buffer
	w, err := productcsv.NewRefusals(&rows, src.Header())
	if err != nil {
		return "", err
	}
	told := time.Time{}
	result.ImportReport, err = d.Catalogue.Import(ctx, src, catalog.ImportOptions{
		DryRun: dry, AllowFree: r.Form("allow_free") == "1",
		Refused: func(row catalog.RefusedRow) error {
			if len(result.Rows) < importShown {
				result.Rows = append(result.Rows, refusedRow{row.Line, row.Reason})
			}
			if result.Cut = rows.Len() > refusedBytesMax; result.Cut {
				return nil
			}
			return errors.Join(w.Write(row), w.Flush())
		},
		Changed: func(line int64, c catalog.Change) error {
			if len(result.Changed) < importShown {
				result.Changed = append(result.Changed, importChange{
					line, c.After.Handle, c.After.Title, c.Action == catalog.Created, catalog.Differences(&c.Before, &c.After),
				})
			}
			return nil
		},
		Progress: func(p catalog.ImportProgress) error {
			if now := time.Now(); now.Sub(told) >= importTellEvery {
				told = now
				return tell(importLine{Rows: p.Rows, Bytes: p.Bytes})
			}
			return nil
		},
	})
	if result.Refused == 0 {
		return "", err
	}
	return rows.String(), err
}
