package catalog

import "context"

// exportPageProducts is the number of products an export reads at a time. Paging avoids holding a snapshot while a slow
// client reads.
const exportPageProducts = 200

// Export calls write for every product that is not retired, oldest first, with its brand's title and its categories'
// paths. It reads in pages: a product that changes during the export is written as it is when its page is read. It
// returns the errors of the store and of write.
func (s *Service) Export(ctx context.Context, write func(p *Product, brand string, categories [][]string) error) error {
	q := Query{OldestFirst: true, Limit: exportPageProducts}
	for {
		page, err := s.store.Products(ctx, q)
		if err != nil {
			return err
		}
		for i := range page {
			p := &page[i]
			shelf, err := s.reader.shelfOf(ctx, p)
			if err != nil {
				return err
			}
			var paths [][]string
			for _, c := range p.Categories {
				paths = append(paths, shelf.path(c))
			}
			if err := write(p, shelf.brandByID[p.Brand].Title, paths); err != nil {
				return err
			}
		}
		if len(page) < q.Limit {
			return nil
		}
		q.After = page[len(page)-1].ID
	}
}
