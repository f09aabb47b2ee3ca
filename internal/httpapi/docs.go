package httpapi

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	_ "embed" // for the page
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

//go:embed docs.html
var docsPage string

// document is something that does not change while the process runs. It is compressed when a client first asks for that.
type document struct {
	contentType []string
	policy      []string
	plain       encoded
	gzipped     func() encoded
}

// encoded is a document in one content encoding; nil: as it is. Each has an ETag of its own.
type encoded struct {
	encoding []string
	etag     string
	body     []byte
}

func newDocument(contentType string, body []byte) *document {
	sum := sha256.Sum256(body)
	tag := hex.EncodeToString(sum[:8])
	plain := encoded{nil, `"` + tag + `"`, body}
	return &document{[]string{contentType}, []string{policyOf(body)}, plain, sync.OnceValue(func() encoded {
		var small bytes.Buffer
		w := gzip.NewWriter(&small)
		if _, err := w.Write(body); err != nil {
			return plain
		}
		if err := w.Close(); err != nil {
			return plain
		}
		return encoded{[]string{"gzip"}, `"` + tag + `-gzip"`, small.Bytes()}
	})}
}

// policyOf returns the Content-Security-Policy of a page that stands alone: nothing is loaded, and its style sheet is the one
// that it came with, by its hash. See https://www.w3.org/TR/CSP3/#grammardef-hash-source.
func policyOf(page []byte) string {
	style := ""
	if _, rest, has := bytes.Cut(page, []byte("<style>")); has {
		sheet, _, _ := bytes.Cut(rest, []byte("</style>"))
		sum := sha256.Sum256(sheet)
		style = "; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	}
	return "default-src 'none'" + style + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// ServeHTTP implements http.Handler.
func (d *document) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	as := d.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		as = d.gzipped()
	}
	h := w.Header()
	h["Etag"] = []string{as.etag}
	h["Cache-Control"] = []string{"no-cache"}
	h["Vary"] = []string{"Accept-Encoding"}
	if strings.Contains(r.Header.Get("If-None-Match"), as.etag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"] = d.contentType
	h["Content-Security-Policy"] = d.policy
	h["X-Content-Type-Options"] = []string{wire.NoSniff}
	h["Referrer-Policy"] = []string{"no-referrer"}
	if as.encoding != nil {
		h["Content-Encoding"] = as.encoding
	}
	h["Content-Length"] = []string{strconv.Itoa(len(as.body))}
	// A client that has left is not told.
	_, _ = w.Write(as.body)
}

// mountDocs serves the contract, and the page that is made of it.
func (s *Server) mountDocs(r *registrar) error {
	spec := newDocument("application/yaml", api.Spec)
	r.HandleFunc("GET /openapi.yaml", spec.ServeHTTP)
	r.HandleFunc("GET /docs", func(w http.ResponseWriter, r *http.Request) {
		page, err := docsDocument()
		if err != nil {
			s.fail(w, r, fmt.Errorf("make the page of the contract: %w", err))
			return
		}
		page.ServeHTTP(w, r)
	})
	return r.err
}

// docsDocument makes the page of the contract once in a process, when it is first asked for.
var docsDocument = sync.OnceValues(func() (*document, error) {
	page, err := renderDocs(api.Spec)
	if err != nil {
		return nil, err
	}
	return newDocument("text/html; charset=utf-8", page), nil
})

// renderDocs makes a page of the contract that needs neither the internet nor JavaScript.
func renderDocs(spec []byte) ([]byte, error) {
	contract, err := readContract(spec)
	if err != nil {
		return nil, err
	}
	page, err := template.New("docs").Funcs(template.FuncMap{
		"text":   proseHTML,
		"line":   lineHTML,
		"type":   typeHTML,
		"status": http.StatusText,
		"lower":  strings.ToLower,
		"anchor": anchor,
	}).Parse(docsPage)
	if err != nil {
		return nil, err
	}
	var codes []fault.Row
	for _, c := range fault.Codes() {
		codes = append(codes, c.Row())
	}
	var out bytes.Buffer
	err = page.Execute(&out, map[string]any{"Contract": contract, "Codes": codes})
	return out.Bytes(), err
}

func anchor(s string) string { return strings.ReplaceAll(strings.ToLower(s), " ", "-") }
