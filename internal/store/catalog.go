package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
)

// querier runs a SELECT on a reader's snapshot or inside a write transaction.
type querier func(text string, args ...any) (*sql.Rows, error)

const productColumns = `p.id, p.handle, p.title, p.description, p.status, p.brand_id, p.options, p.attributes, p.pictures,
       p.version, p.created_at, p.updated_at, p.rehearsal`

// Product implements catalog.Store.
func (s *Store) Product(ctx context.Context, product id.Product) (catalog.Product, error) {
	var found []catalog.Product
	err := s.catalogSnapshot(ctx, func(q querier) error {
		var err error
		found, err = loadProducts(q, `
SELECT `+productColumns+`
  FROM product p
 WHERE p.id = ?`, product)
		return err
	})
	if err == nil && len(found) == 0 {
		err = noProduct(product)
	}
	if err != nil {
		return catalog.Product{}, err
	}
	return found[0], nil
}

func noProduct(product id.Product) *fault.Error {
	return fault.New(fault.NotFound, "There is no product %s.", product)
}

// ProductByHandle implements catalog.Store.
func (s *Store) ProductByHandle(ctx context.Context, handle string) (id.Product, error) {
	var p id.Product
	err := s.queryRow(ctx, `
SELECT id
  FROM product
 WHERE handle = ?`, []any{handle}, &p)
	return p, notFound(err, "product with the handle", handle)
}

// ProductByCode implements catalog.Store.
func (s *Store) ProductByCode(ctx context.Context, code string) (id.Product, error) {
	var p id.Product
	err := s.queryRow(ctx, `
SELECT product_id
  FROM sku
 WHERE code = ?
   AND retired = 0`, []any{code}, &p)
	return p, notFound(err, "product with the stock code", code)
}

// Products implements catalog.Store.
func (s *Store) Products(ctx context.Context, q catalog.Query) ([]catalog.Product, error) {
	text, args := pageOfProducts(q, s.sql(crossJoin))
	var page []catalog.Product
	err := s.listSnapshot(ctx, catalogueTopic, func(now view) error {
		var err error
		page, err = loadProducts(now.querier(ctx), text, args...)
		return err
	})
	return page, err
}

// likeEscape escapes the wildcards of LIKE.
var likeEscape = strings.NewReplacer("!", "!!", "%", "!%", "_", "!_")

// pageOfProducts returns the SELECT of a page. Each variant walks one index from the cursor and stops at the limit.
func pageOfProducts(q catalog.Query, crossJoin string) (text string, args []any) {
	from, where := "product p", "p.rehearsal = 0\n   AND p.status IN ('draft', 'published')"
	if q.Status != "" {
		where = "p.rehearsal = 0\n   AND p.status = ?"
		args = append(args, string(q.Status))
	}
	key := "p.id"
	if !q.Category.IsZero() {
		// The category's key is the outer loop, because it already has the order of the page.
		from, key = "product_category c"+crossJoin+"product p", "c.product_id"
		where += "\n   AND p.id = c.product_id\n   AND c.category_id = ?"
		args = append(args, q.Category)
	}
	if !q.Brand.IsZero() {
		where += "\n   AND p.brand_id = ?"
		args = append(args, q.Brand)
	}
	for _, word := range q.Words {
		where += "\n   AND LOWER(p.title) LIKE ? ESCAPE '!'"
		args = append(args, "%"+likeEscape.Replace(word)+"%")
	}
	order, after, cursor := "DESC", "<", int64(math.MaxInt64)
	if q.OldestFirst {
		order, after, cursor = "ASC", ">", 0
	}
	if !q.After.IsZero() {
		cursor = int64(q.After)
	}
	args = append(args, cursor, q.Limit)
	return fmt.Sprintf(`
SELECT %s
  FROM %s
 WHERE %s
   AND %s %s ?
 ORDER BY %s %s
 LIMIT ?`, productColumns, from, where, key, after, key, order), args
}

// Sellables implements catalog.Store.
func (s *Store) Sellables(ctx context.Context, skus []id.SKU) ([]catalog.Sellable, error) {
	if len(skus) == 0 {
		return nil, nil
	}
	places, args := inList(skus)
	rows, err := s.query(ctx, `
SELECT s.id, s.product_id, s.price_minor, s.retired = 0 AND p.status = 'published', p.rehearsal
  FROM sku s
  JOIN product p ON p.id = s.product_id
 WHERE s.id IN (`+places+`)`, args...)
	return collect(rows, err, func(r *sql.Rows) (v catalog.Sellable, err error) {
		return v, r.Scan(&v.SKU, &v.Product, &v.PriceMinor, &v.Published, &v.Rehearsal)
	})
}

// CatalogKeys implements catalog.Store. It reads a snapshot product by product, so memory use does not grow with the
// catalogue.
func (s *Store) CatalogKeys(ctx context.Context, fn func(catalog.Keys)) error {
	rows, err := s.query(ctx, `
SELECT p.id, p.handle, s.id, s.code
  FROM product p
  LEFT JOIN sku s ON s.product_id = p.id
 ORDER BY p.id, s.position`)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var k catalog.Keys
	for rows.Next() {
		var (
			product id.Product
			handle  string
			sku     id.SKU
			code    sql.NullString
		)
		if err := rows.Scan(&product, &handle, &sku, &code); err != nil {
			return readError(err)
		}
		if product != k.Product {
			if !k.Product.IsZero() {
				fn(k)
			}
			k = catalog.Keys{Product: product, Handle: handle}
		}
		if code.Valid {
			k.SKUs, k.Codes = append(k.SKUs, sku), append(k.Codes, code.String)
		}
	}
	if !k.Product.IsZero() {
		fn(k)
	}
	return readError(rows.Err())
}

// OtherCurrency implements catalog.Store. It reads every variant and is called once, at start.
func (s *Store) OtherCurrency(ctx context.Context, shop money.Currency) (money.Currency, error) {
	var other string
	err := s.queryRow(ctx, `
SELECT currency
  FROM sku
 WHERE currency <> ?
 LIMIT 1`, []any{string(shop)}, &other)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return money.Currency(other), err
}

// MostRead implements catalog.Store.
func (s *Store) MostRead(ctx context.Context) ([]id.Product, error) {
	rows, err := s.query(ctx, `
SELECT product_id
  FROM product_most_read
 ORDER BY position`)
	return collect(rows, err, func(r *sql.Rows) (p id.Product, err error) { return p, r.Scan(&p) })
}

// catalogSnapshot runs fn with a querier over one snapshot, so that a product is never read half before and half after
// a change.
func (s *Store) catalogSnapshot(ctx context.Context, fn func(q querier) error) error {
	return s.snapshot(ctx, func(now view) error { return fn(now.querier(ctx)) })
}

func (v view) querier(ctx context.Context) querier {
	return func(text string, args ...any) (*sql.Rows, error) { return v.query(ctx, text, args...) }
}

// loadProducts runs a SELECT of productColumns and adds each product's variants and categories. It keeps the SELECT's
// order.
func loadProducts(q querier, text string, args ...any) ([]catalog.Product, error) {
	rows, err := q(text, args...)
	products, err := collect(rows, err, scanProduct)
	if err != nil || len(products) == 0 {
		return nil, err
	}
	ids := make([]id.Product, len(products))
	at := make(map[id.Product]*catalog.Product, len(products))
	for i := range products {
		ids[i] = products[i].ID
		at[ids[i]] = &products[i]
	}
	// A long page needs several lists, because inListMax bounds one.
	for len(ids) > 0 {
		part := ids[:min(len(ids), inListMax)]
		ids = ids[len(part):]
		if err := loadVariants(q, part, at); err != nil {
			return nil, err
		}
		if err := loadProductCategories(q, part, at); err != nil {
			return nil, err
		}
	}
	return products, nil
}

func scanProduct(r *sql.Rows) (p catalog.Product, err error) {
	var (
		status, options, attributes, pictures string
		created, updated                      int64
	)
	if err := r.Scan(&p.ID, &p.Handle, &p.Title, &p.Description, &status, &p.Brand, &options, &attributes, &pictures,
		&p.Version, &created, &updated, &p.Rehearsal); err != nil {
		return p, err
	}
	p.Status, p.CreatedAt, p.UpdatedAt = catalog.Status(status), fromMillis(created), fromMillis(updated)
	return p, errors.Join(unpack(options, &p.Options), unpack(attributes, &p.Attributes), unpack(pictures, &p.Pictures))
}

func loadVariants(q querier, ids []id.Product, at map[id.Product]*catalog.Product) error {
	places, args := inList(ids)
	rows, err := q(`
SELECT product_id, id, code, options, price_minor, currency
  FROM sku
 WHERE product_id IN (`+places+`)
   AND retired = 0
 ORDER BY product_id, position`, args...)
	_, err = collect(rows, err, func(r *sql.Rows) (struct{}, error) {
		var (
			product id.Product
			v       catalog.Variant
			options string
		)
		if err := r.Scan(&product, &v.ID, &v.Code, &options, &v.Price.Minor, (*string)(&v.Price.Currency)); err != nil {
			return struct{}{}, err
		}
		at[product].Variants = append(at[product].Variants, v)
		return struct{}{}, unpack(options, &at[product].Variants[len(at[product].Variants)-1].Options)
	})
	return err
}

func loadProductCategories(q querier, ids []id.Product, at map[id.Product]*catalog.Product) error {
	places, args := inList(ids)
	rows, err := q(`
SELECT product_id, category_id
  FROM product_category
 WHERE product_id IN (`+places+`)
   AND direct = 1
 ORDER BY category_id`, args...)
	_, err = collect(rows, err, func(r *sql.Rows) (struct{}, error) {
		var (
			product  id.Product
			category id.Category
		)
		err := r.Scan(&product, &category)
		if err == nil {
			at[product].Categories = append(at[product].Categories, category)
		}
		return struct{}{}, err
	})
	return err
}

// inListMax bounds the ids of one IN list.
const inListMax = 256

// inList returns the placeholders and arguments of an IN list. It repeats the last id until the length is a power of
// two, so that there are nine statements to prepare instead of two hundred.
func inList[T any](ids []T) (places string, args []any) {
	n := 1
	for n < len(ids) {
		n *= 2
	}
	args = make([]any, n)
	for i := range args {
		args[i] = ids[min(i, len(ids)-1)]
	}
	return placeholders(n), args
}

// pack and unpack store small arrays as JSON. A nil list is stored as an empty array.
func pack[T any](list []T) string {
	if len(list) == 0 {
		return "[]"
	}
	b, err := json.Marshal(list)
	if err != nil { // strings and structs of strings always marshal
		panic(err)
	}
	return string(b)
}

func unpack[T any](text string, list *[]T) error {
	if text == "[]" {
		return nil
	}
	return json.Unmarshal([]byte(text), list)
}
