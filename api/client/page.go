package client

import (
	"context"
	"iter"
)

// Pages yields the items of a list, page after page, as far as the caller ranges. fetch returns the page at a cursor, which is empty for the
// first, and the cursor of the next, which is empty after the last. An error is yielded once, with the zero item, and ends the list.
func Pages[T any](fetch func(cursor string) (items []T, next string, err error)) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for cursor := ""; ; {
			items, next, err := fetch(cursor)
			if err != nil {
				var none T
				yield(none, err)
				return
			}
			for _, item := range items {
				if !yield(item, nil) {
					return
				}
			}
			if next == "" {
				return
			}
			cursor = next
		}
	}
}

// Products yields the published products that p selects; p.Cursor says where to begin.
func (s *Shop) Products(ctx context.Context, p ListProductsParams) iter.Seq2[Product, error] {
	return Pages(func(cursor string) ([]Product, string, error) {
		if cursor != "" {
			p.Cursor = cursor
		}
		answer, err := s.ListProductsWithResponse(ctx, &p)
		if err != nil {
			return nil, "", err
		}
		if answer.JSON200 == nil {
			return nil, "", unexpected(answer.HTTPResponse)
		}
		return answer.JSON200.Items, answer.JSON200.NextCursor, nil
	})
}

// Orders yields the customer's orders, newest first.
func (s *Shop) Orders(ctx context.Context) iter.Seq2[Order, error] {
	return Pages(func(cursor string) ([]Order, string, error) {
		answer, err := s.ListOrdersWithResponse(ctx, &ListOrdersParams{Cursor: cursor})
		if err != nil {
			return nil, "", err
		}
		if answer.JSON200 == nil {
			return nil, "", unexpected(answer.HTTPResponse)
		}
		return answer.JSON200.Items, answer.JSON200.NextCursor, nil
	})
}
