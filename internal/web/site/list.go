package site

import (
	"net/url"

	"github.com/tidegate/tidegate/internal/kernel/cursor"
)

// List is a list on a page, as the address narrows it.
type List struct {
	path   string
	filter url.Values
	after  string // the cursor in the address
	cursor cursor.List
}

// cursorParameter is where an address has the cursor of its page.
const cursorParameter = "cursor"

// List returns the list at a path, narrowed by the parameters of the visit's address. A list that not everyone sees alike is its owner's.
func (v *Visit) List(path string, owner ...string) List {
	filter := v.Request.URL.Query()
	l := List{path: path, filter: filter, after: filter.Get(cursorParameter)}
	filter.Del(cursorParameter)
	l.cursor = cursor.Of(path, append(owner, filter.Encode())...)
	return l
}

// Place returns the id after which the page goes on; zero on the first page. It returns fault.BadRequest for a cursor of another list.
func Place[T ~int64](l List) (T, error) {
	last, err := l.cursor.Read(l.after)
	return T(last), err
}

// Next cuts a list that was read with one item more than a page has, and returns the address of the next page: empty on the last one.
func Next[E any, T ~int64](l List, items []E, limit int, id func(*E) T) ([]E, string) {
	if len(items) <= limit {
		return items, ""
	}
	return items[:limit], l.At(l.cursor.After(int64(id(&items[limit-1]))))
}

// Cursor returns the cursor in the address, for a list that reads its own.
func (l List) Cursor() string { return l.after }

// At returns the address of the page with a cursor.
func (l List) At(cursor string) string {
	l.filter.Set(cursorParameter, cursor)
	return l.path + "?" + l.filter.Encode()
}
