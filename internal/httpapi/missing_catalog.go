package httpapi

import (
	"net/http"

	"github.com/tidegate/tidegate/api"
)

// AdminListBrands implements api.ServerInterface.
func (s *Server) AdminListBrands(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// CreateBrand implements api.ServerInterface.
func (s *Server) CreateBrand(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// AdminListCategories implements api.ServerInterface.
func (s *Server) AdminListCategories(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// CreateCategory implements api.ServerInterface.
func (s *Server) CreateCategory(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// AdminListProducts implements api.ServerInterface.
func (s *Server) AdminListProducts(w http.ResponseWriter, r *http.Request, params api.AdminListProductsParams) {
	s.missing(w, r)
}

// CreateProduct implements api.ServerInterface.
func (s *Server) CreateProduct(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// ExportProducts implements api.ServerInterface.
func (s *Server) ExportProducts(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// ImportProducts implements api.ServerInterface.
func (s *Server) ImportProducts(w http.ResponseWriter, r *http.Request, params api.ImportProductsParams) {
	s.missing(w, r)
}

// DeleteProduct implements api.ServerInterface.
func (s *Server) DeleteProduct(w http.ResponseWriter, r *http.Request, id api.ProductPath) {
	s.missing(w, r)
}

// AdminGetProduct implements api.ServerInterface.
func (s *Server) AdminGetProduct(w http.ResponseWriter, r *http.Request, id api.ProductPath) {
	s.missing(w, r)
}

// ReplaceProduct implements api.ServerInterface.
func (s *Server) ReplaceProduct(w http.ResponseWriter, r *http.Request, id api.ProductPath, params api.ReplaceProductParams) {
	s.missing(w, r)
}

// ListBrands implements api.ServerInterface.
func (s *Server) ListBrands(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// ListCategories implements api.ServerInterface.
func (s *Server) ListCategories(w http.ResponseWriter, r *http.Request) { s.missing(w, r) }

// ListProducts implements api.ServerInterface.
func (s *Server) ListProducts(w http.ResponseWriter, r *http.Request, params api.ListProductsParams) {
	s.missing(w, r)
}

// GetProductByHandle implements api.ServerInterface.
func (s *Server) GetProductByHandle(w http.ResponseWriter, r *http.Request, handle api.Handle, params api.GetProductByHandleParams) {
	s.missing(w, r)
}

// GetProductBySKU implements api.ServerInterface.
func (s *Server) GetProductBySKU(w http.ResponseWriter, r *http.Request, code api.SKUCode, params api.GetProductBySKUParams) {
	s.missing(w, r)
}

// GetProduct implements api.ServerInterface.
func (s *Server) GetProduct(w http.ResponseWriter, r *http.Request, id api.ProductPath, params api.GetProductParams) {
	s.missing(w, r)
}
