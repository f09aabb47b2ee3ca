package httpapi

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
	"github.com/tidegate/tidegate/internal/kernel/auditlog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

// importTypes are the content types of an import. Whether a file is packed is told by its first bytes, not by its type.
var importTypes = []string{"text/csv", "application/gzip"}

// importEvent is a line of an import's answer; one field is there.
type importEvent struct {
	File      *api.ImportFile      `json:"file,omitempty"`
	Progress  *api.ImportProgress  `json:"progress,omitempty"`
	Rejection *api.ImportRejection `json:"rejection,omitempty"`
	Report    *api.ImportReport    `json:"report,omitempty"`
	Problem   json.RawMessage      `json:"problem,omitempty"`
}

// ImportProducts implements api.ServerInterface. A file that cannot be imported is refused with a problem before anything is written;
// from then on the answer streams. It ends when the client leaves.
func (s *Server) ImportProducts(w http.ResponseWriter, r *http.Request, params api.ImportProductsParams) {
	x := w.(*exchange)
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !slices.Contains(importTypes, kind) {
		s.fail(w, r, fault.New(fault.UnsupportedMedia, "The body must be text/csv or application/gzip.").In("Content-Type"))
		return
	}
	src, err := productcsv.Open(r.Context(), r.Body, productcsv.Options{Currency: s.Catalogue.Currency(), Encoding: params.Encoding, Map: params.Map})
	if err != nil {
		s.fail(w, r, err)
		return
	}
	defer func() { _ = src.Close() }() // it was only read
	x.Header().Set("Content-Type", wire.TypeLines)
	x.WriteHeader(http.StatusOK)
	lines := json.NewEncoder(x)
	lines.SetEscapeHTML(false)
	if lines.Encode(importEvent{File: importFile(src.File())}) != nil || params.Inspect {
		return
	}
	c := http.NewResponseController(x.ResponseWriter)
	report, err := s.Catalogue.Import(auditlog.About(r.Context(), "products"), src, catalog.ImportOptions{
		DryRun: params.DryRun, AllowFree: params.AllowFree,
		Refused: func(row catalog.RefusedRow) error {
			return lines.Encode(importEvent{Rejection: &api.ImportRejection{Line: row.Line, Reason: row.Reason, Row: row.Fields}})
		},
		Progress: func(p catalog.ImportProgress) error {
			if err := lines.Encode(importEvent{Progress: &api.ImportProgress{Rows: p.Rows, Products: p.Products, Bytes: p.Bytes}}); err != nil {
				return err
			}
			return c.Flush()
		},
	})
	if err != nil {
		if gone := lost(r.Context()); gone != nil {
			err = gone
		}
		s.fail(w, r, err) // logs what is ours to mend; the answer has begun
		_ = lines.Encode(importEvent{Problem: wire.AppendProblem(nil, wire.AsFault(err, r.Context().Err() != nil), x.requestID)})
		return
	}
	_ = lines.Encode(importEvent{Report: importReport(&report)})
}

func importFile(f catalog.FileInfo) *api.ImportFile {
	out := &api.ImportFile{
		Format: f.Format, Encoding: f.Encoding, Delimiter: f.Separator, Rows: f.Rows, Products: f.Products, Notes: append([]string{}, f.Notes...),
	}
	for _, c := range f.Columns {
		out.Columns = append(out.Columns, api.ImportColumn{Name: c.Name, Field: c.Field, Rows: c.Rows})
	}
	return out
}

func importReport(r *catalog.ImportReport) *api.ImportReport {
	out := &api.ImportReport{
		DryRun: r.DryRun, Rows: r.Rows, Created: r.Created, Updated: r.Updated, Unchanged: r.Unchanged, RejectedRows: r.Refused, RemovedValues: r.Removed, FreeProducts: r.Free, Notes: r.Notes,
	}
	for _, m := range r.Removals {
		out.Removed = append(out.Removed, api.ImportRemoval{Line: m.Line, Handle: m.Handle, Kind: m.What, Value: m.Value})
	}
	return out
}

// ExportProducts implements api.ServerInterface. A page of products is in memory at a time. An answer that breaks off ends
// without the last chunk, which HTTP clients report.
func (s *Server) ExportProducts(w http.ResponseWriter, r *http.Request, params api.ExportProductsParams) {
	x := w.(*exchange)
	h := x.Header()
	h.Set("Content-Type", wire.TypeCSV)
	h.Set("Content-Disposition", `attachment; filename="products.csv"`)
	out, err := productcsv.NewWriter(x, params.Excel)
	if err == nil {
		err = s.Catalogue.Export(r.Context(), out.Write)
	}
	if err == nil {
		err = out.Flush()
	}
	if err == nil {
		return
	}
	begun := x.status != 0
	h.Del("Content-Disposition")
	s.fail(w, r, err)
	if begun {
		panic(http.ErrAbortHandler)
	}
}
