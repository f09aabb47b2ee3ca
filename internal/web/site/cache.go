package site

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/maypok86/otter/v2"

	"github.com/tidegate/tidegate/internal/wire"
)

// key names a page that many shoppers get alike.
type key struct {
	path     string
	lang     int
	signedIn bool
}

// Source says what a page is made of: one that is made of anything else has another Source.
type Source struct {
	Text     string // such as ETags
	Revision uint64
	Period   int64
}

// rendered is a page, ready to be sent.
type rendered struct {
	source Source
	etag   []string
	plain  []byte
	zipped []byte
	length [2][]string // of plain and zipped
}

// cache keeps pages that are the same for many. A page is kept with what it was made of (the ETag of a
// product, the revision of a sale): asked for with another source, it is rendered again, once for all who ask. So nothing
// needs to be told of a change, and a page is never older than what it was made of. Safe for concurrent use.
type cache struct {
	pages *otter.Cache[key, *rendered]
	locks [locks]sync.Mutex
}

// locks is how many pages can be rendered at once; two that share one wait for each other.
const locks = 64

// pageOverheadBytes is about what a page costs besides its two bodies.
const pageOverheadBytes = 512

func newCache(maxMiB int) *cache {
	return &cache{pages: otter.Must(&otter.Options[key, *rendered]{
		MaximumWeight: uint64(maxMiB) << 20,
		Weigher: func(k key, r *rendered) uint32 {
			return uint32(len(r.plain)+len(r.zipped)+len(k.path)) + pageOverheadBytes
		},
	})}
}

// get returns the page, rendering it where it is not there or was made of something else.
func (c *cache) get(k key, source Source, render func() ([]byte, error)) (*rendered, error) {
	if r, ok := c.pages.GetIfPresent(k); ok && r.source == source {
		return r, nil
	}
	lock := &c.locks[lockOf(k)]
	lock.Lock()
	defer lock.Unlock()
	if r, ok := c.pages.GetIfPresent(k); ok && r.source == source {
		return r, nil
	}
	body, err := render()
	if err != nil {
		return nil, err
	}
	r := newRendered(source, body)
	k.path = strings.Clone(k.path) // it may share the request's memory
	c.pages.Set(k, r)
	return r, nil
}

func lockOf(k key) int {
	sum := uint32(2166136261) // FNV-1a
	for i := range len(k.path) {
		sum = (sum ^ uint32(k.path[i])) * 16777619
	}
	return int(sum+uint32(k.lang)) % locks
}

func newRendered(source Source, body []byte) *rendered {
	sum := sha256.Sum256(body)
	r := &rendered{source: source, plain: body, zipped: compress(body, dense)}
	r.etag = []string{`"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`}
	r.length = [2][]string{{strconv.Itoa(len(r.plain))}, {strconv.Itoa(len(r.zipped))}}
	return r
}

// Pages are compressed densely where they are kept, and quickly where they are made for one shopper.
var (
	dense = newZipper(gzip.DefaultCompression)
	quick = newZipper(gzip.BestSpeed)
)

func newZipper(level int) *sync.Pool {
	return &sync.Pool{New: func() any {
		w, err := gzip.NewWriterLevel(nil, level)
		if err != nil {
			panic(err) // the levels above exist
		}
		return w
	}}
}

func compress(body []byte, zipper *sync.Pool) []byte {
	var b bytes.Buffer
	w := zipper.Get().(*gzip.Writer)
	defer zipper.Put(w)
	w.Reset(&b)
	// A buffer takes everything.
	_, _ = w.Write(body)
	_ = w.Close()
	return b.Bytes()
}

// Keep answers with a page that many get alike: whoever is signed in, or nobody, in one language. path is its address without
// anything that does not change what it shows. source says what it is made of; data is called where there is no such page
// yet, for its title and what its template gets, and must look at nothing that path, language and source do not say.
func (v *Visit) Keep(path string, source Source, t *template.Template, data func() (title string, data any, err error)) error {
	_, signedIn := v.Who()
	k := key{path, v.Lang.Index, signedIn}
	r, err := v.site.cache.get(k, source, func() ([]byte, error) {
		title, of, err := data()
		if err != nil {
			return nil, err
		}
		return render(t, "layout", View{Data: of, Title: title, SignedIn: signedIn, Path: path, site: v.site, lang: v.Lang})
	})
	if err != nil {
		return err
	}
	v.send(r)
	return nil
}

func (v *Visit) send(r *rendered) {
	h := v.Header()
	v.headers(h)
	h["Etag"] = r.etag
	if h["Cache-Control"] == nil { // a session that was just refreshed says no-store
		h["Cache-Control"] = revalidate
	}
	if given := v.header("If-None-Match"); given != "" && wire.Holds(given, r.etag[0]) {
		v.WriteHeader(http.StatusNotModified)
		return
	}
	body, length := r.plain, r.length[0]
	if v.takesGzip() {
		body, length = r.zipped, r.length[1]
		h["Content-Encoding"] = gzipped
	}
	h["Content-Length"] = length
	v.WriteHeader(http.StatusOK)
	// A client that has left is not told.
	_, _ = v.Write(body)
}
