package catalog

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strconv"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// Page is an encoded answer. Readers share it and must not change it.
type Page struct {
	// Body is JSON as the API defines it.
	Body []byte
	// ETag is a strong validator of Body, quotes included. See RFC 9110, section 8.8.3.
	ETag string
	// ETagHeader and LengthHeader are the values of the ETag and Content-Length headers. They are made once, so that
	// writing an answer allocates nothing.
	ETagHeader   []string
	LengthHeader []string

	skus []id.SKU // of a product's page
}

// SKUs returns the variants of a product's page, in their order. The caller must not change them.
func (p *Page) SKUs() []id.SKU { return p.skus }

func newPage(body []byte) *Page {
	sum := sha256.Sum256(body)
	etag := `"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`
	return &Page{Body: body, ETag: etag, ETagHeader: []string{etag}, LengthHeader: []string{strconv.Itoa(len(body))}}
}

// View is a product in the API: brand and categories by handle.
type View struct {
	ID          id.Product    `json:"id"`
	Handle      string        `json:"handle"`
	Title       string        `json:"title"`
	Description string        `json:"description"`
	Brand       string        `json:"brand,omitempty"`
	Categories  []string      `json:"categories"`
	Options     []string      `json:"options"`
	Attributes  []Attribute   `json:"attributes"`
	Pictures    []Picture     `json:"pictures"`
	Status      Status        `json:"status"`
	Variants    []VariantView `json:"variants"`
	Version     int64         `json:"version"`
	UpdatedAt   string        `json:"updated_at"`
	Rehearsal   bool          `json:"rehearsal,omitempty"`
}

// VariantView is a variant in the API.
type VariantView struct {
	SKU     id.SKU       `json:"sku_id"`
	Code    string       `json:"sku"`
	Title   string       `json:"title"`
	Options []string     `json:"options"`
	Price   money.Amount `json:"price"`
}

type listView[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next_cursor,omitempty"`
}

// timeForm is RFC 3339 in UTC with milliseconds.
const timeForm = "2006-01-02T15:04:05.000Z"

func (s *shelf) view(p *Product) View {
	v := View{
		ID: p.ID, Handle: p.Handle, Title: p.Title, Description: p.Description, Brand: s.brandHandle[p.Brand],
		Categories: make([]string, 0, len(p.Categories)), Options: some(p.Options), Attributes: some(p.Attributes),
		Pictures: some(p.Pictures), Status: p.Status, Variants: make([]VariantView, len(p.Variants)), Version: p.Version,
		UpdatedAt: p.UpdatedAt.UTC().Format(timeForm), Rehearsal: p.Rehearsal,
	}
	for _, c := range p.Categories {
		v.Categories = append(v.Categories, s.categoryHandle[c])
	}
	for i, w := range p.Variants {
		title := strings.Join(w.Options, " / ")
		if title == "" {
			title = p.Title
		}
		v.Variants[i] = VariantView{SKU: w.ID, Code: w.Code, Title: title, Options: some(w.Options), Price: w.Price}
	}
	return v
}

// some returns an empty list instead of nil, which JSON would encode as null.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// encode returns v as JSON without a trailing line break. Everything encoded here can be marshalled, so a failure is a
// bug.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err)
	}
	return bytes.Clone(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// shelf holds all categories and brands. It is read-only.
type shelf struct {
	categories     []Category
	brands         []Brand
	categoryHandle map[id.Category]string
	brandHandle    map[id.Brand]string
	categoryID     map[string]id.Category
	brandID        map[string]id.Brand
	categoryByID   map[id.Category]Category
	brandByID      map[id.Brand]Brand
	categoriesPage *Page
	brandsPage     *Page
}

func newShelf(categories []Category, brands []Brand) *shelf {
	s := &shelf{
		categories: categories, brands: brands,
		categoryHandle: map[id.Category]string{}, categoryID: map[string]id.Category{}, categoryByID: map[id.Category]Category{},
		brandHandle: map[id.Brand]string{}, brandID: map[string]id.Brand{}, brandByID: map[id.Brand]Brand{},
		categoriesPage: newPage(encode(listView[Category]{Items: some(categories)})),
		brandsPage:     newPage(encode(listView[Brand]{Items: some(brands)})),
	}
	for _, c := range categories {
		s.categoryHandle[c.ID], s.categoryID[c.Handle], s.categoryByID[c.ID] = c.Handle, c.ID, c
	}
	for _, b := range brands {
		s.brandHandle[b.ID], s.brandID[b.Handle], s.brandByID[b.ID] = b.Handle, b.ID, b
	}
	return s
}

// path returns the titles from the root down to the category.
func (s *shelf) path(c id.Category) []string {
	var path []string
	for !c.IsZero() {
		at := s.categoryByID[c]
		path = append([]string{at.Title}, path...)
		c = at.Parent
	}
	return path
}
