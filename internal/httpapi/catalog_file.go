package httpapi

import (
	"encoding/json"
	"mime"
	"net/http"
	"slices"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

// importTypes are the content types of an import. Whether a file is packed is told by its first bytes, not by its type.
var importTypes = []string{"text/csv", "application/gzip"}

// importEvent is a line of an import's answer; one field is there.
type importEvent struct {
	Progress *api.ImportProgress `json:"progress,omitempty"`
	Refusal  *api.ImportRefusal  `json:"refusal,omitempty"`
	Report   *api.ImportReport   `json:"report,omitempty"`
	Problem  json.RawMessage     `json:"problem,omitempty"`
}

// ImportProducts implements api.ServerInterface. A file that is not of products at all is refused with a problem; from
// then on the answer streams, while the file is read.
func (s *Server) ImportProducts(w http.ResponseWriter, r *http.Request, params api.ImportProductsParams) {
	x := w.(*exchange)
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || !slices.Contains(importTypes, kind) {
		s.fail(w, r, fault.New(fault.UnsupportedMedia, "The body must be text/csv or application/gzip.").In("Content-Type"))
		return
	}
	src, err := productcsv.Open(r.Body, s.Catalogue.Currency())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	c := http.NewResponseController(x.ResponseWriter)
	// HTTP/2 is always full duplex and says that it does not know the word.
	_ = c.EnableFullDuplex()
	h := x.Header()
	h.Set("Content-Type", wire.TypeLines)
	// An import that ends early leaves a part of the body unread, and net/http does not take another request on a full
	// duplex connection then.
	h.Set("Connection", "close")
	x.WriteHeader(http.StatusOK)
	lines := json.NewEncoder(x)
	lines.SetEscapeHTML(false)
	report, err := s.Catalogue.Import(r.Context(), src, catalog.ImportOptions{
		DryRun: params.DryRun,
		Refused: func(row catalog.RefusedRow) error {
			return lines.Encode(importEvent{Refusal: &api.ImportRefusal{Line: row.Line, Reason: row.Reason, Row: row.Fields}})
		},
		Progress: func(p catalog.ImportProgress) error {
			if err := lines.Encode(importEvent{Progress: &api.ImportProgress{Rows: p.Rows, Products: p.Products, Bytes: p.Bytes}}); err != nil {
				return err
			}
			return c.Flush()
		},
	})
	if err != nil {
		s.fail(w, r, err) // logs what is ours to mend; the answer has begun
		_ = lines.Encode(importEvent{Problem: wire.AppendProblem(nil, wire.AsFault(err, r.Context().Err() != nil), x.requestID)})
		return
	}
	_ = lines.Encode(importEvent{Report: &api.ImportReport{
		DryRun: report.DryRun, Rows: report.Rows, Created: report.Created, Updated: report.Updated, Unchanged: report.Unchanged,
		Refused: report.Refused, Notes: report.Notes,
	}})
}

// ExportProducts implements api.ServerInterface. A page of products is in memory at a time. An answer that breaks off ends
// without the last chunk, which HTTP clients report.
func (s *Server) ExportProducts(w http.ResponseWriter, r *http.Request) {
	x := w.(*exchange)
	h := x.Header()
	h.Set("Content-Type", wire.TypeCSV)
	h.Set("Content-Disposition", `attachment; filename="products.csv"`)
	out, err := productcsv.NewWriter(x)
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
