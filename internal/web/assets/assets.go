// Package assets serves the files that pages are made with: embedded in the binary, named by what is in them, compressed
// once at the start, and kept by browsers for good. Nothing of a page comes from anywhere else.
package assets

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"strings"

	"github.com/andybalholm/brotli"
)

//go:embed files
var files embed.FS

// Prefix is where the files are served.
const Prefix = "/assets/"

// brotliQuality is not the densest: that takes seconds of every start for two percent.
const brotliQuality = 9

// Set is every file, ready to be sent. Read-only, and safe for concurrent use.
type Set struct {
	names map[string]string // a file's name: its address
	byURL map[string]*file
}

type file struct {
	contentType []string
	bodies      [3]body // by encoding
}

type body struct {
	encoding []string // nil: as it is
	length   []string
	bytes    []byte
}

// Load reads, names and compresses the files. It returns an error where one cannot be compressed.
func Load() (*Set, error) {
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
		f, err := compress(e.Name(), text)
		if err != nil {
			return nil, fmt.Errorf("compress %s: %w", e.Name(), err)
		}
		sum := sha256.Sum256(text)
		ext := path.Ext(e.Name())
		url := Prefix + strings.TrimSuffix(e.Name(), ext) + "." + base64.RawURLEncoding.EncodeToString(sum[:6]) + ext
		s.names[e.Name()], s.byURL[url] = url, f
	}
	return s, nil
}

func compress(name string, text []byte) (*file, error) {
	var small bytes.Buffer
	b := brotli.NewWriterLevel(&small, brotliQuality)
	if err := write(b, text); err != nil {
		return nil, err
	}
	var zipped bytes.Buffer
	g, err := gzip.NewWriterLevel(&zipped, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if err := write(g, text); err != nil {
		return nil, err
	}
	return &file{
		contentType: []string{mime.TypeByExtension(path.Ext(name))},
		bodies:      [3]body{newBody("br", small.Bytes()), newBody("gzip", zipped.Bytes()), newBody("", text)},
	}, nil
}

func write(w io.WriteCloser, text []byte) error {
	if _, err := w.Write(text); err != nil {
		return err
	}
	return w.Close()
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
	b := &f.bodies[2]
	switch accepted := r.Header.Get("Accept-Encoding"); {
	case strings.Contains(accepted, "br"):
		b = &f.bodies[0]
	case strings.Contains(accepted, "gzip"):
		b = &f.bodies[1]
	}
	h := w.Header()
	h["Content-Type"], h["Content-Length"], h["Cache-Control"], h["Vary"], h["X-Content-Type-Options"] = f.contentType, b.length, forGood, vary, noSniff
	if b.encoding != nil {
		h["Content-Encoding"] = b.encoding
	}
	// A client that has left is not told.
	_, _ = w.Write(b.bytes)
}
