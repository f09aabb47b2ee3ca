package app

import (
	"context"
	"fmt"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/catalog/demo"
	"github.com/tidegate/tidegate/internal/catalog/productcsv"
)

// importDemo imports the demo catalogue. Repeating it changes nothing.
func (a *App) importDemo(ctx context.Context) error {
	if c := a.config.Catalog.Currency; c != demo.Currency {
		return fmt.Errorf("its prices are in %s and catalog.currency is %s", demo.Currency, c)
	}
	source, err := productcsv.Open(ctx, demo.Products(), productcsv.Options{Currency: demo.Currency})
	if err != nil {
		return err
	}
	defer func() { _ = source.Close() }() // it was only read
	report, err := a.catalog.Import(ctx, source, catalog.ImportOptions{Refused: func(r catalog.RefusedRow) error {
		return fmt.Errorf("line %d: %s", r.Line, r.Reason)
	}})
	if err == nil {
		a.log.InfoContext(ctx, "demo catalogue imported", "products", report.Created+report.Updated+report.Unchanged, "credit", demo.Credit)
	}
	return err
}
