package catalog

import (
	"encoding/json"
	"slices"

	"github.com/tidegate/tidegate/internal/kernel/id"
)

// EventChanged announces that a product was created, changed or deleted.
const EventChanged = "product.changed.v1"

// ChangedEvent is the payload of EventChanged. It lists the product's keys before and after the change.
type ChangedEvent struct {
	Product id.Product `json:"product_id"`
	Status  Status     `json:"status"`
	Version int64      `json:"version"`
	Handles []string   `json:"handles"`
	SKUs    []id.SKU   `json:"sku_ids"`
	Codes   []string   `json:"skus"`
	// Rehearsal says that the product was made for a rehearsal.
	Rehearsal bool `json:"rehearsal,omitzero"`
}

// UnmarshalJSON also accepts events of earlier versions, which name skus codes.
func (e *ChangedEvent) UnmarshalJSON(b []byte) error {
	type plain ChangedEvent
	in := struct {
		*plain
		Earlier []string `json:"codes"`
	}{plain: (*plain)(e)}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	if e.Codes == nil {
		e.Codes = in.Earlier
	}
	return nil
}

// NewChangedEvent returns the payload for a change of a product. before is zero for a new product.
func NewChangedEvent(before, after *Product) ChangedEvent {
	e := ChangedEvent{Product: after.ID, Status: after.Status, Version: after.Version, SKUs: []id.SKU{}, Codes: []string{}, Rehearsal: before.Rehearsal || after.Rehearsal}
	for _, p := range []*Product{before, after} {
		if p.ID.IsZero() {
			continue
		}
		k := p.Keys()
		e.Handles, e.SKUs, e.Codes = append(e.Handles, k.Handle), append(e.SKUs, k.SKUs...), append(e.Codes, k.Codes...)
	}
	e.Handles, e.SKUs, e.Codes = distinct(e.Handles), distinct(e.SKUs), distinct(e.Codes)
	return e
}

func distinct[T int64 | string | id.SKU](all []T) []T {
	slices.Sort(all)
	return slices.Compact(all)
}

// Heard drops the cached values that other processes' changes have made outdated. It does no I/O.
func (r *Reader) Heard(all []ChangedEvent) {
	for _, e := range all {
		for i, handle := range e.Handles {
			k := Keys{Product: e.Product, Handle: handle}
			if i == 0 {
				k.SKUs, k.Codes = e.SKUs, e.Codes
			}
			r.known.addKeys(k)
			r.drop(k)
		}
	}
	r.generation.Add(1)
	r.dropShelf() // the product may have added a brand or category
}

// drop drops a product from memory.
func (r *Reader) drop(k Keys) {
	r.products.drop(k.Product)
	r.addresses.drop(address{byHandle, k.Handle})
	for _, code := range k.Codes {
		r.addresses.drop(address{byCode, code})
	}
	for _, sku := range k.SKUs {
		r.sellables.drop(sku)
	}
}
