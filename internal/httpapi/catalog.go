package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/wire"
)

// mustRevalidate lets others keep an answer and ask every time whether it still holds: a price is never an old one.
var mustRevalidate = []string{wire.MustRevalidate}

// answerPage writes an encoded answer, or 304 where the client has it. Nothing is allocated.
func (s *Server) answerPage(w http.ResponseWriter, r *http.Request, page *catalog.Page, err error, ifNoneMatch string) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	x := w.(*exchange)
	h := x.Header()
	h["Etag"], h["Cache-Control"] = page.ETagHeader, mustRevalidate
	if ifNoneMatch != "" && wire.Holds(ifNoneMatch, page.ETag) {
		x.WriteHeader(http.StatusNotModified)
		return
	}
	h["Content-Type"], h["Content-Length"] = jsonType, page.LengthHeader
	x.WriteHeader(http.StatusOK)
	// A client that has left is not told.
	_, _ = x.Write(page.Body)
}

// GetProduct implements api.ServerInterface.
func (s *Server) GetProduct(w http.ResponseWriter, r *http.Request, product api.ProductPath, params api.GetProductParams) {
	page, err := s.Products.Product(r.Context(), product)
	s.answerPage(w, r, page, err, params.IfNoneMatch)
}

// GetProductByHandle implements api.ServerInterface.
func (s *Server) GetProductByHandle(w http.ResponseWriter, r *http.Request, handle api.Handle, params api.GetProductByHandleParams) {
	if !catalog.IsHandle(handle) {
		s.fail(w, r, fault.Bad("handle", "A handle is a to z and digits, joined by single hyphens."))
		return
	}
	page, err := s.Products.ProductByHandle(r.Context(), handle)
	s.answerPage(w, r, page, err, params.IfNoneMatch)
}

// GetProductBySKU implements api.ServerInterface.
func (s *Server) GetProductBySKU(w http.ResponseWriter, r *http.Request, code api.SKUCode, params api.GetProductBySKUParams) {
	if err := catalog.CheckCode("sku", code); err != nil {
		s.fail(w, r, err)
		return
	}
	page, err := s.Products.ProductByCode(r.Context(), code)
	s.answerPage(w, r, page, err, params.IfNoneMatch)
}

// listQuery reads what the two lists of products are asked for.
func listQuery(r *http.Request, category, brand string, limit int, cursor string) (q catalog.ListQuery, err error) {
	q.Category, q.Brand, q.Cursor = category, brand, cursor
	q.Limit, err = pageLimit(r, limit)
	return q, err
}

// ListProducts implements api.ServerInterface.
func (s *Server) ListProducts(w http.ResponseWriter, r *http.Request, params api.ListProductsParams) {
	q, err := listQuery(r, params.Category, params.Brand, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page, err := s.Products.List(r.Context(), q)
	s.answerPage(w, r, page, err, params.IfNoneMatch)
}

// ListCategories implements api.ServerInterface.
func (s *Server) ListCategories(w http.ResponseWriter, r *http.Request) {
	page, err := s.Products.Categories(r.Context())
	s.answerPage(w, r, page, err, r.Header.Get("If-None-Match"))
}

// ListBrands implements api.ServerInterface.
func (s *Server) ListBrands(w http.ResponseWriter, r *http.Request) {
	page, err := s.Products.Brands(r.Context())
	s.answerPage(w, r, page, err, r.Header.Get("If-None-Match"))
}

// AdminListCategories implements api.ServerInterface.
func (s *Server) AdminListCategories(w http.ResponseWriter, r *http.Request) { s.ListCategories(w, r) }

// AdminListBrands implements api.ServerInterface.
func (s *Server) AdminListBrands(w http.ResponseWriter, r *http.Request) { s.ListBrands(w, r) }

// CreateCategory implements api.ServerInterface.
func (s *Server) CreateCategory(w http.ResponseWriter, r *http.Request) {
	var in api.CategoryInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	made, err := s.Catalogue.AddCategory(r.Context(), catalog.Category{Handle: in.Handle, Title: in.Title, Parent: in.ParentId})
	s.answerMade(w, r, made, err)
}

// CreateBrand implements api.ServerInterface.
func (s *Server) CreateBrand(w http.ResponseWriter, r *http.Request) {
	var in api.BrandInput
	if err := s.read(w, r, &in); err != nil {
		s.fail(w, r, err)
		return
	}
	made, err := s.Catalogue.AddBrand(r.Context(), catalog.Brand{Handle: in.Handle, Title: in.Title})
	s.answerMade(w, r, made, err)
}

func (s *Server) answerMade(w http.ResponseWriter, r *http.Request, made any, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusCreated, made)
}

// AdminListProducts implements api.ServerInterface.
func (s *Server) AdminListProducts(w http.ResponseWriter, r *http.Request, params api.AdminListProductsParams) {
	q, err := listQuery(r, params.Category, params.Brand, params.Limit, params.Cursor)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	items, next, err := s.Catalogue.List(r.Context(), catalog.Status(params.Status), q)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.answer(w, r, http.StatusOK, struct {
		Items []catalog.View `json:"items"`
		Next  string         `json:"next_cursor,omitempty"`
	}{items, next})
}

// answerProduct answers an operator with a product, or with why not. Its ETag is its version, for If-Match.
func (s *Server) answerProduct(w http.ResponseWriter, r *http.Request, status int, view catalog.View, err error) {
	if err != nil {
		s.fail(w, r, err)
		return
	}
	w.Header().Set("ETag", versionTag(view.Version))
	s.answer(w, r, status, view)
}

// AdminGetProduct implements api.ServerInterface.
func (s *Server) AdminGetProduct(w http.ResponseWriter, r *http.Request, product api.ProductPath) {
	view, err := s.Catalogue.Get(r.Context(), product)
	s.answerProduct(w, r, http.StatusOK, view, err)
}

// readProduct reads a product as an operator writes it.
func (s *Server) readProduct(w http.ResponseWriter, r *http.Request) (catalog.Input, error) {
	var in api.ProductInput
	if err := s.read(w, r, &in); err != nil {
		return catalog.Input{}, err
	}
	p := catalog.Product{
		Handle: in.Handle, Title: in.Title, Description: in.Description, Status: catalog.Status(in.Status), Options: in.Options,
	}
	for _, a := range in.Attributes {
		p.Attributes = append(p.Attributes, catalog.Attribute{Name: a.Name, Value: a.Value})
	}
	for _, picture := range in.Pictures {
		p.Pictures = append(p.Pictures, catalog.Picture{URL: picture.Url, Alt: picture.Alt})
	}
	for _, v := range in.Variants {
		p.Variants = append(p.Variants, catalog.Variant{Code: v.Sku, Options: v.Options, Price: v.Price})
	}
	return catalog.Input{Product: p, Brand: in.Brand, Categories: in.Categories}, nil
}

// CreateProduct implements api.ServerInterface.
func (s *Server) CreateProduct(w http.ResponseWriter, r *http.Request, params api.CreateProductParams) {
	in, err := s.readProduct(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	in.AllowFree = params.AllowFree
	made, err := s.Catalogue.Create(r.Context(), in)
	s.answerProduct(w, r, http.StatusCreated, made, err)
}

// ReplaceProduct implements api.ServerInterface.
func (s *Server) ReplaceProduct(w http.ResponseWriter, r *http.Request, product api.ProductPath, params api.ReplaceProductParams) {
	version, err := matchedVersion(params.IfMatch)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	in, err := s.readProduct(w, r)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	in.AllowFree = params.AllowFree
	replaced, err := s.Catalogue.Replace(r.Context(), product, version, in)
	s.answerProduct(w, r, http.StatusOK, replaced, err)
}

// DeleteProduct implements api.ServerInterface.
func (s *Server) DeleteProduct(w http.ResponseWriter, r *http.Request, product api.ProductPath) {
	if err := s.Catalogue.Retire(r.Context(), product, 0); err != nil {
		s.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
