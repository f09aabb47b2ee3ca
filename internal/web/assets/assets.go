// Package assets serves the files that pages are made with: embedded in the binary, named by their content, and kept by browsers for
// good. A file is compressed when a browser first asks for it, so that starts do not pay for it. Nothing of a page comes from anywhere else.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
)

//go:embed files
var files embed.FS

// Prefix is where the files are served.
const Prefix = "/assets/"

// brotliQuality is not the densest: that takes seconds for two percent.
const brotliQuality = 9

// Set is every file, ready to be sent. Read-only, and safe for concurrent use.
type Set struct {
	names map[string]string // a file's name: its address
	byURL map[string]*file
}

type file struct {
	contentType       []string
	plain             body
	brotlied, gzipped func() body // each compresses once
}

type body struct {
	encoding []string // nil: as it is
	length   []string
	bytes    []byte
}

// Load returns the files. Every call in a process returns the same set. It returns an error where a file cannot be read.
var Load = sync.OnceValues(load)

func load() (*Set, error) {
	s := &Set{names: map[string]string{}, byURL: map[string]*file{}}
	entries, err := fs.ReadDir(files, "files")
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		text, err := files.ReadFile("files/" + e.Name())
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(text)
		ext := path.Ext(e.Name())
		url := Prefix + strings.TrimSuffix(e.Name(), ext) + "." + base64.RawURLEncoding.EncodeToString(sum[:6]) + ext
		s.names[e.Name()], s.byURL[url] = url, newFile(mime.TypeByExtension(ext), text)
	}
	return s, nil
}

func newFile(contentType string, text []byte) *file {
	return &file{
		contentType: []string{contentType},
		plain:       newBody("", text),
		brotlied: sync.OnceValue(func() body {
			return compressed("br", text, func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, brotliQuality) })
		}),
		gzipped: sync.OnceValue(func() body {
			return compressed("gzip", text, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
		}),
	}
}

// compressed returns the text in an encoding, or as it is where that fails.
func compressed(encoding string, text []byte, writer func(io.Writer) io.WriteCloser) body {
	var small bytes.Buffer
	w := writer(&small)
	if _, err := w.Write(text); err != nil {
		return newBody("", text)
	}
	if err := w.Close(); err != nil {
		return newBody("", text)
	}
	return newBody(encoding, small.Bytes())
}

func newBody(encoding string, b []byte) body {
	made := body{length: []string{strconv.Itoa(len(b))}, bytes: b}
	if encoding != "" {
		made.encoding = []string{encoding}
	}
	return made
}

// URL returns the address of a file by its name, such as "shop.css". It panics where there is no such file: a page names
// files that are in the binary beside it.
func (s *Set) URL(name string) string {
	url, ok := s.names[name]
	if !ok {
		panic("there is no asset " + name)
	}
	return url
}

// Header values that are the same for every answer.
var (
	forGood = []string{"public, max-age=31536000, immutable"}
	vary    = []string{"Accept-Encoding"}
	noSniff = []string{"nosniff"}
)

// ServeHTTP implements http.Handler.
func (s *Set) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f := s.byURL[r.URL.Path]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	b := f.plain
	switch accepted := r.Header.Get("Accept-Encoding"); {
	case strings.Contains(accepted, "br"):
		b = f.brotlied()
	case strings.Contains(accepted, "gzip"):
		b = f.gzipped()
	}
	h := w.Header()
	h["Content-Type"], h["Content-Length"], h["Cache-Control"], h["Vary"], h["X-Content-Type-Options"] = f.contentType, b.length, forGood, vary, noSniff
	if b.encoding != nil {
		h["Content-Encoding"] = b.encoding
	}
	// A client that has left is not told.
	_, _ = w.Write(b.bytes)
}
