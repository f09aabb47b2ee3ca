// Package catalogue keeps what this process has in memory of the catalogue true to the database.
package catalogue

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/store"
)

// ChangesEvery bounds how late this process knows what another one changed in the catalogue.
const ChangesEvery = 200 * time.Millisecond

// changesMax bounds one step: an import changes thousands of products.
const changesMax = 500

// Changes follows the outbox for what other processes change in the catalogue, where no Redis tells it. One loop drives it.
type Changes struct {
	store    *store.Store
	reader   *catalog.Reader
	position int64
}

// NewChanges returns what follows the outbox for the reader. Call Begin before anything is read into memory.
func NewChanges(s *store.Store, r *catalog.Reader) *Changes { return &Changes{store: s, reader: r} }

// Begin has everything that is committed from now on be heard of. It is called before anything is read into memory.
func (c *Changes) Begin(ctx context.Context) (err error) {
	c.position, err = c.store.NewestEvent(ctx)
	return err
}

// Step drops what was changed, and returns how many products that were.
func (c *Changes) Step(ctx context.Context) (int, error) {
	events, upTo, err := c.store.EventsOf(ctx, c.position, changesMax, []string{catalog.EventChanged})
	if err != nil {
		return 0, err
	}
	all := make([]catalog.ChangedEvent, len(events))
	for i, e := range events {
		if err := json.Unmarshal(e.Payload, &all[i]); err != nil {
			return 0, fmt.Errorf("event %d (%s) cannot be read: %w", e.Position, e.Type, err)
		}
	}
	if len(all) > 0 {
		c.store.CatalogueChanged()
		c.reader.Heard(all)
	}
	c.position = upTo
	return len(all), nil
}
