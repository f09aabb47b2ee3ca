package store

import (
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/inventory"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/order"
	"github.com/tidegate/tidegate/internal/sale"
)

// The catalogue decides what the shop sells. The transaction that changes a product also closes or opens its pools; the
// statement that reserves checks that its pool is open. A product cannot be withdrawn while a scheduled, live or paused
// sale sells it: its item must be stopped first. Both transactions, the one that adds a SKU to a sale and the one that
// withdraws it, lock the product, so one of them sees the other.

// soldSKUs returns the SKUs of a product that are for sale.
func soldSKUs(p *catalog.Product) []id.SKU {
	if p.Status != catalog.Published {
		return nil
	}
	skus := make([]id.SKU, len(p.Variants))
	for i := range p.Variants {
		skus[i] = p.Variants[i].ID
	}
	return skus
}

// without returns the elements of all that are not in some.
func without(all, some []id.SKU) []id.SKU {
	return slices.DeleteFunc(slices.Clone(all), func(s id.SKU) bool { return slices.Contains(some, s) })
}

// sellingStops returns an error if the change withdraws a SKU that an open sale sells. The caller has locked the
// product.
func (tx *Tx) sellingStops(before, after *catalog.Product) (*fault.Error, error) {
	stopped := without(soldSKUs(before), soldSKUs(after))
	if len(stopped) == 0 {
		return nil, nil
	}
	places, args := inList(stopped)
	rows, err := tx.Query(`
		SELECT i.sku_id, s.id, s.title, s.status
		FROM `+tx.sql(salesOpenAsS)+tx.sql(crossJoin)+`sale_item AS i
		LEFT JOIN stock AS st
		  ON st.sale_id = i.sale_id
		 AND st.sku_id = i.sku_id
		WHERE s.status <> 'ended'
		  AND s.status IN ('scheduled', 'live', 'paused')
		  AND i.sale_id = s.id
		  AND i.sku_id IN (`+places+`)
		  AND COALESCE(st.closed_at, 0) = 0
		ORDER BY s.id, i.sku_id`, args...)
	sells, err := collect(rows, err, func(r *sql.Rows) (one sellsIn, err error) {
		return one, r.Scan(&one.sku, &one.sale, &one.title, &one.status)
	})
	if err != nil || len(sells) == 0 {
		return nil, err
	}
	return sellsFault(before, sells), nil
}

// sellsIn is an item of a sale that has not ended.
type sellsIn struct {
	sku    id.SKU
	sale   id.Sale
	title  string
	status sale.Status
}

// sellsTold bounds the items that a refusal names.
const sellsTold = 3

func sellsFault(p *catalog.Product, sells []sellsIn) *fault.Error {
	var told []string
	for _, one := range sells[:min(len(sells), sellsTold)] {
		code := one.sku.String()
		if i := slices.IndexFunc(p.Variants, func(v catalog.Variant) bool { return v.ID == one.sku }); i >= 0 {
			code = p.Variants[i].Code
		}
		told = append(told, fmt.Sprintf("%s (SKU %s) sells in the sale %q (%s, %s)", code, one.sku, one.title, one.sale, one.status))
	}
	if more := len(sells) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	return fault.New(fault.SellsInSale, "%s. End the sale, or stop the item in it (tidegate sale stop-item %s %s), and then try again.",
		strings.Join(told, "; "), sells[0].sale, sells[0].sku)
}

// followCatalogue closes the general pools of SKUs that a product no longer sells, and opens those of new ones.
func (tx *Tx) followCatalogue(before, after *catalog.Product, at time.Time) error {
	was, is := soldSKUs(before), soldSKUs(after)
	if err := tx.closeGeneral(without(was, is), millis(at)); err != nil {
		return err
	}
	return tx.closeGeneral(without(is, was), 0)
}

// closeGeneral sets the closing time of general pools; 0 opens them.
func (tx *Tx) closeGeneral(skus []id.SKU, since int64) error {
	if len(skus) == 0 {
		return nil
	}
	places, args := inList(skus)
	_, err := tx.Exec(`
		UPDATE `+tx.sql(stockByKey)+`
		SET closed_at = ?
		WHERE sale_id = 0
		  AND sku_id IN (`+places+`)`, append([]any{since}, args...)...)
	return err
}

// closePool sets the closing time of a pool; 0 opens it.
func (tx *Tx) closePool(p inventory.Pool, since int64) error {
	_, err := tx.Exec(`
		UPDATE `+tx.sql(stockByKey)+`
		SET closed_at = ?
		WHERE sale_id = ?
		  AND sku_id = ?`, since, p.Sale, p.SKU)
	return err
}

// stocked is what the catalogue knows of a SKU.
type stocked struct {
	sku     id.SKU
	code    string
	product id.Product
	sold    bool
}

// holdProducts locks the products of SKUs, in the order of their ids, and returns what the catalogue knows of each SKU.
func (tx *Tx) holdProducts(skus []id.SKU) ([]stocked, error) {
	before, err := tx.readStocked(skus)
	if err != nil || !tx.s.Shared() {
		return before, err
	}
	products := make([]id.Product, len(before))
	for i := range before {
		products[i] = before[i].product
	}
	slices.Sort(products)
	for _, p := range slices.Compact(products) {
		if err := tx.lock("SELECT 1 FROM product WHERE id = ? FOR UPDATE", p); err != nil {
			return nil, err
		}
	}
	after, err := tx.readStocked(skus)
	for i := range after {
		if err == nil && !slices.Contains(products, after[i].product) {
			err = errTerms // the code moved to another product meanwhile
		}
	}
	return after, err
}

// skusAtOnce bounds the SKUs of one statement. With more, SQLite would scan the whole table.
const skusAtOnce = 64

func (tx *Tx) readStocked(skus []id.SKU) (all []stocked, err error) {
	for len(skus) > 0 {
		part := skus[:min(len(skus), skusAtOnce)]
		skus = skus[len(part):]
		places, args := inList(part)
		rows, err := tx.Query(`
			SELECT s.id, s.code, s.product_id, s.retired = 0 AND p.status = 'published'
			FROM sku AS s
			JOIN product AS p
			  ON p.id = s.product_id
			WHERE s.id IN (`+places+`)`, args...)
		found, err := collect(rows, err, func(r *sql.Rows) (one stocked, err error) {
			return one, r.Scan(&one.sku, &one.code, &one.product, &one.sold)
		})
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	slices.SortFunc(all, func(a, b stocked) int { return cmp.Compare(a.sku, b.sku) })
	return all, nil
}

// checkSold locks the products of items that a sale is about to sell. It returns fault.NotInSale if the catalogue does
// not sell an item, or assigns it to another product.
func (tx *Tx) checkSold(items ...sale.Item) error {
	skus := make([]id.SKU, len(items))
	for i := range items {
		skus[i] = items[i].SKU
	}
	known, err := tx.holdProducts(skus)
	if err != nil {
		return err
	}
	for _, one := range known {
		i := slices.Index(skus, one.sku)
		switch {
		case !one.sold:
			return fault.New(fault.NotInSale, "SKU %s (%s) is not sold any more: its product was deleted, or is a draft. Publish it, or leave it out of the sale.", one.sku, one.code).
				In(fmt.Sprintf("items[%d].sku_id", i))
		case one.product != items[i].Product:
			return fault.New(fault.NotInSale, "SKU %s (%s) has become another product's: write the sale's items anew.", one.sku, one.code).
				In(fmt.Sprintf("items[%d].sku_id", i))
		}
	}
	return nil
}

// closedSince returns the closing time of a pool, 0 if it is open, and whether the pool exists.
func (tx *Tx) closedSince(p inventory.Pool) (since int64, known bool, err error) {
	err = tx.QueryRow(`
		SELECT closed_at
		FROM stock
		WHERE sale_id = ?
		  AND sku_id = ?`, []any{p.Sale, p.SKU}, &since)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, false, nil
	}
	return since, err == nil, err
}

// handsOn returns those of the SKUs whose released units go to general stock: all if the sale has ended, otherwise the
// stopped items.
func (tx *Tx) handsOn(s id.Sale, skus []id.SKU) ([]id.SKU, error) {
	if s == 0 {
		return nil, nil
	}
	ended, err := tx.saleEnded(s)
	if err != nil || ended {
		return skus, err
	}
	places, args := inList(skus)
	rows, err := tx.Query(`
		SELECT sku_id
		FROM `+tx.sql(stockByKey)+`
		WHERE sale_id = ?
		  AND sku_id IN (`+places+`)
		  AND closed_at <> 0`, append([]any{s}, args...)...)
	return collect(rows, err, scanSKU)
}

// skusOf returns the SKUs of an order's lines.
func skusOf(lines []order.Line) []id.SKU {
	skus := make([]id.SKU, len(lines))
	for i := range lines {
		skus[i] = lines[i].SKU
	}
	return skus
}
