package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
)

// errDryRun rolls back the transaction of a dry run.
var errDryRun = errors.New("dry run")

// PutProducts implements catalog.Store. A dry run performs the whole put and rolls it back.
func (s *Store) PutProducts(ctx context.Context, b catalog.Batch) ([]catalog.Change, error) {
	changes := make([]catalog.Change, len(b.Puts))
	err := s.write(ctx, jobs, func(tx *Tx) error {
		tx.wrote(catalogueTopic)
		shelves := shelves{tx: tx, newID: b.NewID}
		for i := range b.Puts {
			var err error
			if changes[i], err = putProduct(tx, &shelves, b.Puts[i], b.Now); err != nil {
				return err
			}
			if c := &changes[i]; c.Action == catalog.Created || c.Action == catalog.Updated {
				if err := tx.announceProduct(&c.Before, &c.After, b.Now); err != nil {
					return err
				}
			}
		}
		if b.DryRun {
			return errDryRun
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDryRun) {
		return nil, err
	}
	return changes, nil
}

// putProduct writes one product. A refused put has written nothing and its change holds the refusal. All checks come
// before all writes; that is safe because no other transaction writes meanwhile.
func putProduct(tx *Tx, shelves *shelves, put catalog.Put, now time.Time) (catalog.Change, error) {
	before, refusal, err := productBefore(tx, put)
	if refusal != nil || err != nil {
		return refused(refusal, err)
	}
	exists := !before.ID.IsZero()
	if exists {
		put.KeepFrom(&before)
	}
	p := put.Product
	p.CreatedAt = now
	if exists {
		p.ID, p.CreatedAt = before.ID, before.CreatedAt
	}
	p.Version, p.UpdatedAt = before.Version+1, now
	known, refusal, err := adoptCodes(tx, &p)
	if refusal != nil || err != nil {
		return refused(refusal, err)
	}
	if refusal = put.CheckFree(&before); refusal != nil {
		return refused(refusal, nil)
	}
	if exists {
		if refusal = put.CheckRemovals(&before); refusal != nil {
			return refused(refusal, nil)
		}
	}
	if refusal, err = tx.sellingStops(&before, &p); refusal != nil || err != nil {
		return refused(refusal, err)
	}
	if refusal, err = shelves.place(&p, put); refusal != nil || err != nil {
		return refused(refusal, err)
	}
	change, text := catalog.Change{Action: catalog.Updated, Before: before, After: p}, updateProduct
	switch {
	case !exists:
		change.Action, text = catalog.Created, insertProduct
	case catalog.Same(&before, &p):
		return catalog.Change{Action: catalog.Unchanged, Before: before, After: before}, nil
	}
	if err := writeProduct(tx, shelves, &p, known, text); err != nil {
		return change, err
	}
	return change, tx.followCatalogue(&before, &p, now)
}

func refused(refusal *fault.Error, err error) (catalog.Change, error) {
	return catalog.Change{Action: catalog.Refused, Err: refusal}, err
}

// productBefore returns the product that the put replaces, if there is one.
func productBefore(tx *Tx, put catalog.Put) (before catalog.Product, refusal *fault.Error, err error) {
	byHandle, err := loadProducts(tx.Query, `
SELECT `+productColumns+`
  FROM product p
 WHERE p.handle = ?`+tx.sql(forUpdate), put.Product.Handle)
	if err != nil {
		return before, nil, err
	}
	switch put.Mode {
	case catalog.PutByHandle:
		if len(byHandle) > 0 {
			before = byHandle[0]
		}
		return before, nil, nil
	case catalog.PutNew:
		if len(byHandle) > 0 {
			return before, handleTaken(&byHandle[0]), nil
		}
		return before, nil, nil
	}
	byID, err := loadProducts(tx.Query, `
SELECT `+productColumns+`
  FROM product p
 WHERE p.id = ?`+tx.sql(forUpdate), put.Product.ID)
	switch {
	case err != nil:
		return before, nil, err
	case len(byID) == 0:
		return before, noProduct(put.Product.ID), nil
	case byID[0].Version != put.Version:
		return before, otherVersion(byID[0].Version, put.Version), nil
	case len(byHandle) > 0 && byHandle[0].ID != byID[0].ID:
		return before, handleTaken(&byHandle[0]), nil
	}
	return byID[0], nil, nil
}

func handleTaken(p *catalog.Product) *fault.Error {
	f := fault.New(fault.Conflict, "The handle %q is product %s's.", p.Handle, p.ID)
	if p.Status == catalog.Retired {
		f = fault.New(fault.Conflict, "The handle %q is product %s's, which was deleted: writing over that product brings it back.", p.Handle, p.ID)
	}
	f.Field = "handle"
	return f
}

func otherVersion(is, asked int64) *fault.Error {
	return fault.New(fault.VersionMismatch, "The product has version %d, not %d: read it again, and change that.", is, asked)
}

// adoptCodes gives each variant with a known code the id of that code, and returns those ids. It refuses a code that
// another product sells.
func adoptCodes(tx *Tx, p *catalog.Product) (known map[id.SKU]bool, refusal *fault.Error, err error) {
	type row struct {
		sku     id.SKU
		product id.Product
		retired bool
	}
	codes := make([]string, len(p.Variants))
	for i := range p.Variants {
		codes[i] = p.Variants[i].Code
	}
	rows := make(map[string]row, len(codes))
	places, args := inList(codes)
	found, err := tx.Query(`
SELECT code, id, product_id, retired
  FROM sku
 WHERE code IN (`+places+`)`+tx.sql(forUpdate), args...)
	if _, err = collect(found, err, func(r *sql.Rows) (struct{}, error) {
		var (
			code string
			v    row
		)
		err := r.Scan(&code, &v.sku, &v.product, &v.retired)
		rows[code] = v
		return struct{}{}, err
	}); err != nil {
		return nil, nil, err
	}
	// Copy the caller's slice: a put may be retried.
	p.Variants = append([]catalog.Variant(nil), p.Variants...)
	known = make(map[id.SKU]bool, len(rows))
	for i := range p.Variants {
		v := &p.Variants[i]
		r, ok := rows[v.Code]
		switch {
		case !ok:
		case r.product != p.ID && !r.retired:
			f := fault.New(fault.Conflict, "The stock code %q is product %s's.", v.Code, r.product)
			f.Field = fmt.Sprintf("variants[%d].sku", i)
			return nil, f, nil
		default:
			v.ID, known[r.sku] = r.sku, true
		}
	}
	return known, nil, nil
}

const insertProduct = `
INSERT INTO product (handle, title, description, status, brand_id, options, attributes, pictures, version, created_at, updated_at, id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

const updateProduct = `
UPDATE product
   SET handle = ?, title = ?, description = ?, status = ?, brand_id = ?, options = ?, attributes = ?, pictures = ?,
       version = ?, created_at = ?, updated_at = ?
 WHERE id = ?`

func writeProduct(tx *Tx, shelves *shelves, p *catalog.Product, known map[id.SKU]bool, text string) error {
	if _, err := tx.Exec(text, p.Handle, p.Title, p.Description, string(p.Status), p.Brand, pack(p.Options), pack(p.Attributes),
		pack(p.Pictures), p.Version, millis(p.CreatedAt), millis(p.UpdatedAt), p.ID); err != nil {
		return err
	}
	if p.Rehearsal {
		if _, err := tx.Exec(`
UPDATE product
   SET rehearsal = 1
 WHERE id = ?`, p.ID); err != nil {
			return err
		}
	}
	// Retire all variants; those written again below become active again.
	if err := retireVariants(tx, p.ID); err != nil {
		return err
	}
	for i := range p.Variants {
		v := &p.Variants[i]
		text := `
INSERT INTO sku (product_id, position, code, options, price_minor, currency, retired, id)
VALUES (?, ?, ?, ?, ?, ?, 0, ?)`
		if known[v.ID] {
			text = `
UPDATE sku
   SET product_id = ?, position = ?, code = ?, options = ?, price_minor = ?, currency = ?, retired = 0
 WHERE id = ?`
		}
		if _, err := tx.Exec(text, p.ID, i, v.Code, pack(v.Options), v.Price.Minor, string(v.Price.Currency), v.ID); err != nil {
			return err
		}
	}
	return shelves.write(p)
}

func retireVariants(tx *Tx, product id.Product) error {
	_, err := tx.Exec(`
UPDATE sku
   SET retired = 1
 WHERE product_id = ?`, product)
	return err
}

// RetireProduct implements catalog.Store. Other products may use the codes of its variants afterwards.
func (s *Store) RetireProduct(ctx context.Context, product id.Product, version int64, now time.Time) (catalog.Product, error) {
	var before catalog.Product
	err := s.write(ctx, jobs, func(tx *Tx) error {
		tx.wrote(catalogueTopic)
		found, err := loadProducts(tx.Query, `
SELECT `+productColumns+`
  FROM product p
 WHERE p.id = ?`+tx.sql(forUpdate), product)
		switch {
		case err != nil:
			return err
		case len(found) == 0 || found[0].Status == catalog.Retired:
			return noProduct(product)
		case version != 0 && version != found[0].Version:
			return otherVersion(found[0].Version, version)
		}
		before = found[0]
		after := before
		after.Status, after.Version = catalog.Retired, before.Version+1
		refusal, err := tx.sellingStops(&before, &after)
		if err != nil {
			return err
		}
		if refusal != nil {
			return refusal
		}
		if _, err := tx.Exec(`
UPDATE product
   SET status = 'retired', version = version + 1, updated_at = ?
 WHERE id = ?`, millis(now), product); err != nil {
			return err
		}
		if err := retireVariants(tx, product); err != nil {
			return err
		}
		if err := tx.followCatalogue(&before, &after, now); err != nil {
			return err
		}
		return tx.announceProduct(&before, &after, now)
	})
	return before, err
}

// announceProduct writes the event of a changed product, for other processes and for subscribers.
func (tx *Tx) announceProduct(before, after *catalog.Product, at time.Time) error {
	return tx.announce(catalog.EventChanged, int64(after.ID), catalog.NewChangedEvent(before, after), at)
}

// SetMostRead implements catalog.Store.
func (s *Store) SetMostRead(ctx context.Context, products []id.Product) error {
	return s.write(ctx, jobs, func(tx *Tx) error {
		if _, err := tx.Exec(`DELETE FROM product_most_read`); err != nil {
			return err
		}
		for i, p := range products {
			if _, err := tx.Exec(`
INSERT INTO product_most_read (position, product_id)
VALUES (?, ?)`, i, p); err != nil {
				return err
			}
		}
		return nil
	})
}
