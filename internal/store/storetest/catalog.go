package storetest

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/catalog"
	"github.com/tidegate/tidegate/internal/kernel/fault"
	"github.com/tidegate/tidegate/internal/kernel/id"
	"github.com/tidegate/tidegate/internal/kernel/money"
	"github.com/tidegate/tidegate/internal/store"
)

// Catalog checks the contract of catalog.Store. Each call of open returns a migrated store without rows.
func Catalog(t *testing.T, open func(t *testing.T) *store.Store) {
	for name, check := range map[string]func(*shelfTest){
		"a product comes back as it was written":       productRoundTrip,
		"a variant becomes free where it is allowed":   becomesFree,
		"codes and handles compare by bytes":           codesCompareByBytes,
		"a code keeps its id":                          codeKeepsItsID,
		"an edit needs the version":                    editNeedsVersion,
		"a refusal leaves its neighbours alone":        refusalLeavesNeighbours,
		"the same again changes nothing":               sameAgain,
		"a dry run writes nothing":                     dryRun,
		"a made code gives way to the variant's own":   madeCodes,
		"a file that cannot be read removes nothing":   unreadRemovesNothing,
		"a retired product frees its codes":            retireFreesCodes,
		"pages cover everything once":                  pages,
		"a category shows what stands below it":        categoryTree,
		"categories and brands are refused at a clash": shelfClashes,
		"paths and brands are made once":               pathsAreMadeOnce,
		"sellables":                                    sellables,
		"keys, most read and currency":                 smallReads,
	} {
		t.Run(name, func(t *testing.T) { check(&shelfTest{T: t, s: open(t), last: 1000}) })
	}
}

var catalogNoon = time.Date(2026, 11, 27, 12, 0, 0, 123_000_000, time.UTC)

// shelfTest writes products with ascending ids.
type shelfTest struct {
	*testing.T
	s    catalog.Store
	last int64
}

func (t *shelfTest) next() int64 {
	t.last++
	return t.last
}

// product returns a product with a variant for each code.
func (t *shelfTest) product(handle string, codes ...string) catalog.Product {
	p := catalog.Product{ID: id.Product(t.next()), Handle: handle, Title: "Title of " + handle, Status: catalog.Published}
	if len(codes) > 1 {
		p.Options = []string{"Colour"}
	}
	for i, code := range codes {
		v := catalog.Variant{ID: id.SKU(t.next()), Code: code, Price: money.Of(int64(100+i), "GBP")}
		if len(codes) > 1 {
			v.Options = []string{"Colour " + code}
		}
		p.Variants = append(p.Variants, v)
	}
	return p
}

func (t *shelfTest) put(puts ...catalog.Put) []catalog.Change {
	t.Helper()
	changes, err := t.s.PutProducts(t.Context(), catalog.Batch{Puts: puts, Now: catalogNoon, NewID: t.next})
	must(t.T, err)
	return changes
}

func (t *shelfTest) create(p catalog.Product) catalog.Product {
	t.Helper()
	c := t.put(catalog.Put{Mode: catalog.PutNew, Product: p})[0]
	if c.Action != catalog.Created {
		t.Fatalf("create %s: %+v", p.Handle, c)
	}
	return c.After
}

func (t *shelfTest) read(p id.Product) catalog.Product {
	t.Helper()
	got, err := t.s.Product(t.Context(), p)
	must(t.T, err)
	return got
}

func (t *shelfTest) refused(c catalog.Change, code fault.Code, field string) {
	t.Helper()
	if c.Action != catalog.Refused || c.Err == nil || c.Err.Code != code || c.Err.Field != field {
		t.Errorf("got %+v, want refused with %s at %q", c, code, field)
	}
}

func productRoundTrip(t *shelfTest) {
	must(t.T, t.s.AddBrand(t.Context(), catalog.Brand{ID: 7, Handle: "acme", Title: "Acme"}))
	must(t.T, t.s.AddCategory(t.Context(), catalog.Category{ID: 8, Handle: "mugs", Title: "Mugs"}))
	must(t.T, t.s.AddCategory(t.Context(), catalog.Category{ID: 9, Handle: "gifts", Title: "Gifts"}))
	p := t.product("mug", "MUG-B", "MUG-A")
	p.Description = "line\n<b>\"quoted\"</b> ☕ \u2028"
	p.Brand, p.Categories = 7, []id.Category{8, 9}
	p.Attributes = []catalog.Attribute{{Name: "Material", Value: "Stone | ware"}}
	p.Pictures = []catalog.Picture{{URL: "https://example.com/a.jpg", Alt: "A mug"}, {URL: "https://example.com/b.jpg"}}
	p.Variants[0].Price.Minor = catalog.PriceMinorMax
	want := p
	want.Version, want.CreatedAt, want.UpdatedAt = 1, catalogNoon, catalogNoon
	same(t.T, "what create returned", t.create(p), want)
	same(t.T, "what is read", t.read(p.ID), want)
	if _, err := t.s.Product(t.Context(), 1); !errors.Is(err, fault.NotFound) {
		t.Errorf("a product that is not there: %v", err)
	}
}

// becomesFree: a price of zero is written only if it is allowed or was zero before.
func becomesFree(t *shelfTest) {
	p := t.product("gift", "A", "B")
	p.Variants[1].Price.Minor = 0
	for _, dear := range []catalog.Put{{Mode: catalog.PutNew, Product: p}, {Mode: catalog.PutByHandle, Product: p}} {
		t.refused(t.put(dear)[0], fault.Invalid, "variants[1].price.minor")
	}
	made := t.put(catalog.Put{Mode: catalog.PutNew, Product: p, AllowFree: true})[0].After
	same(t.T, "what is read", t.read(made.ID).Variants, p.Variants)
	made.Title = "A gift"
	if c := t.put(catalog.Put{Mode: catalog.PutOver, Product: made, Version: 1})[0]; c.Action != catalog.Updated {
		t.Errorf("another title for what is free: %+v", c)
	}
	both := made
	both.Variants = slices.Clone(made.Variants)
	both.Variants[0].Price.Minor = 0
	t.refused(t.put(catalog.Put{Mode: catalog.PutOver, Product: both, Version: 2})[0], fault.Invalid, "variants[0].price.minor")
	if c := t.put(catalog.Put{Mode: catalog.PutOver, Product: both, Version: 2, AllowFree: true})[0]; c.Action != catalog.Updated {
		t.Errorf("both free: %+v", c)
	}
	_, err := t.s.RetireProduct(t.Context(), made.ID, 0, catalogNoon)
	must(t.T, err)
	t.refused(t.put(catalog.Put{Mode: catalog.PutByHandle, Product: p})[0], fault.Invalid, "variants[1].price.minor") // it needs permission again
}

// madeCodes: an existing variant keeps its code if the file has none, unless the file gives that code to another
// variant.
func madeCodes(t *shelfTest) {
	p := t.create(t.product("mug", "OWN-1", "OWN-2"))
	again := t.product("mug", "made-1", "made-2")
	again.Variants[0].Options, again.Variants[1].Options = p.Variants[1].Options, p.Variants[0].Options
	put := catalog.Put{Mode: catalog.PutByHandle, Product: again, MadeCodes: []bool{true, true}}
	for range 2 { // a put may be retried
		c := t.put(put)[0]
		same(t.T, "codes", []string{c.After.Variants[0].Code, c.After.Variants[1].Code}, []string{"OWN-2", "OWN-1"})
		same(t.T, "ids", []id.SKU{c.After.Variants[0].ID, c.After.Variants[1].ID}, []id.SKU{p.Variants[1].ID, p.Variants[0].ID})
	}
	given := t.product("mug", "OWN-1", "made-2")
	given.Variants[0].Options, given.Variants[1].Options = p.Variants[1].Options, p.Variants[0].Options
	c := t.put(catalog.Put{Mode: catalog.PutByHandle, Product: given, MadeCodes: []bool{false, true}})[0]
	same(t.T, "codes", []string{c.After.Variants[0].Code, c.After.Variants[1].Code}, []string{"OWN-1", "made-2"})
}

func unreadRemovesNothing(t *shelfTest) {
	p := t.create(t.product("mug", "A", "B"))
	less := p
	less.Variants = p.Variants[:1]
	t.refused(t.put(catalog.Put{Mode: catalog.PutByHandle, Product: less, Unread: 7})[0], fault.Invalid, "variants")
	same(t.T, "after it was refused", t.read(p.ID), p)
	dearer := p
	dearer.Variants = append([]catalog.Variant(nil), p.Variants...)
	dearer.Variants[0].Price.Minor++
	if c := t.put(catalog.Put{Mode: catalog.PutByHandle, Product: dearer, Unread: 7})[0]; c.Action != catalog.Updated {
		t.Errorf("a new price: %+v", c)
	}
	if c := t.put(catalog.Put{Mode: catalog.PutByHandle, Product: less})[0]; c.Action != catalog.Updated {
		t.Errorf("a file that is read: %+v", c)
	}
}

func codesCompareByBytes(t *shelfTest) {
	upper := t.create(t.product("upper", "15056BL"))
	lower := t.create(t.product("lower", "15056bl"))
	for code, want := range map[string]id.Product{"15056BL": upper.ID, "15056bl": lower.ID} {
		got, err := t.s.ProductByCode(t.Context(), code)
		must(t.T, err)
		same(t.T, code, got, want)
	}
	for _, code := range []string{"15056Bl", "15056BL ", "15056", ""} {
		if _, err := t.s.ProductByCode(t.Context(), code); !errors.Is(err, fault.NotFound) {
			t.Errorf("code %q: %v, want not found", code, err)
		}
	}
	got, err := t.s.ProductByHandle(t.Context(), "lower")
	must(t.T, err)
	same(t.T, "by handle", got, lower.ID)
	if _, err := t.s.ProductByHandle(t.Context(), "LOWER"); !errors.Is(err, fault.NotFound) {
		t.Errorf("another handle: %v, want not found", err)
	}
}

func codeKeepsItsID(t *shelfTest) {
	before := t.create(t.product("mug", "A", "B"))
	p := t.product("mug", "B", "C")
	p.ID = before.ID
	after := t.put(catalog.Put{Mode: catalog.PutOver, Product: p, Version: 1})[0].After
	same(t.T, "B's id", after.Variants[0].ID, before.Variants[1].ID)
	same(t.T, "as read", t.read(before.ID), after)
	p = t.product("mug", "A", "B", "C")
	p.ID = before.ID
	again := t.put(catalog.Put{Mode: catalog.PutOver, Product: p, Version: 2})[0].After
	same(t.T, "A's id, back again", again.Variants[0].ID, before.Variants[0].ID)
	same(t.T, "version", again.Version, int64(3))
}

func editNeedsVersion(t *shelfTest) {
	p := t.create(t.product("mug", "A"))
	other := t.create(t.product("other", "B"))
	edit := p
	edit.Title = "New"
	t.refused(t.put(catalog.Put{Mode: catalog.PutOver, Product: edit, Version: 2})[0], fault.VersionMismatch, "")
	edit.ID = 5
	t.refused(t.put(catalog.Put{Mode: catalog.PutOver, Product: edit, Version: 1})[0], fault.NotFound, "")
	edit.ID, edit.Handle = p.ID, other.Handle
	t.refused(t.put(catalog.Put{Mode: catalog.PutOver, Product: edit, Version: 1})[0], fault.Conflict, "handle")
	same(t.T, "after refusals", t.read(p.ID), p)
	edit.Handle = "renamed"
	c := t.put(catalog.Put{Mode: catalog.PutOver, Product: edit, Version: 1})[0]
	same(t.T, "action", c.Action, catalog.Updated)
	same(t.T, "before", c.Before, p)
	if _, err := t.s.ProductByHandle(t.Context(), "mug"); !errors.Is(err, fault.NotFound) {
		t.Errorf("the old handle: %v, want not found", err)
	}
}

func refusalLeavesNeighbours(t *shelfTest) {
	taken := t.create(t.product("taken", "A"))
	changes := t.put(
		catalog.Put{Mode: catalog.PutByHandle, Product: t.product("one", "B")},
		catalog.Put{Mode: catalog.PutByHandle, Product: t.product("two", "C", "A"), CategoryPaths: [][]string{{"Never"}}, BrandTitle: "Never"},
		catalog.Put{Mode: catalog.PutNew, Product: t.product("taken", "D")},
		catalog.Put{Mode: catalog.PutByHandle, Product: t.product("three", "E")},
	)
	t.refused(changes[1], fault.Conflict, "variants[1].sku")
	t.refused(changes[2], fault.Conflict, "handle")
	same(t.T, "one", changes[0].Action, catalog.Created)
	same(t.T, "three", changes[3].Action, catalog.Created)
	same(t.T, "taken", t.read(taken.ID), taken)
	categories, err := t.s.Categories(t.Context())
	must(t.T, err)
	brands, err := t.s.Brands(t.Context())
	must(t.T, err)
	if len(categories)+len(brands) > 0 {
		t.Errorf("a refused product left %v and %v behind", categories, brands)
	}
	p := t.product("brandless", "F")
	p.Brand = 99
	t.refused(t.put(catalog.Put{Mode: catalog.PutNew, Product: p})[0], fault.Invalid, "brand")
	p.Brand, p.Categories = 0, []id.Category{98}
	t.refused(t.put(catalog.Put{Mode: catalog.PutNew, Product: p})[0], fault.Invalid, "categories[0]")
}

func sameAgain(t *shelfTest) {
	put := func() catalog.Change {
		return t.put(catalog.Put{Mode: catalog.PutByHandle, Product: t.product("mug", "A", "B"), BrandTitle: "Acme",
			CategoryPaths: [][]string{{"Home", "Mugs"}, {"Gifts"}}})[0]
	}
	first := put()
	same(t.T, "first", first.Action, catalog.Created)
	again := put()
	same(t.T, "again", again.Action, catalog.Unchanged)
	same(t.T, "as read", t.read(first.After.ID), t.read(again.After.ID))
	same(t.T, "version", t.read(first.After.ID).Version, int64(1))
}

func dryRun(t *shelfTest) {
	p := t.create(t.product("mug", "A"))
	edit := p
	edit.Title = "New"
	changes, err := t.s.PutProducts(t.Context(), catalog.Batch{Now: catalogNoon, DryRun: true, NewID: t.next, Puts: []catalog.Put{
		{Mode: catalog.PutByHandle, Product: edit, BrandTitle: "Acme"},
		{Mode: catalog.PutByHandle, Product: t.product("cup", "B")},
		{Mode: catalog.PutByHandle, Product: p},
	}})
	must(t.T, err)
	// The third put sees what the first would have written.
	for i, want := range []catalog.Action{catalog.Updated, catalog.Created, catalog.Updated} {
		same(t.T, fmt.Sprint("action ", i), changes[i].Action, want)
	}
	same(t.T, "after", t.read(p.ID), p)
	if _, err := t.s.ProductByHandle(t.Context(), "cup"); !errors.Is(err, fault.NotFound) {
		t.Errorf("cup: %v, want not found", err)
	}
	brands, err := t.s.Brands(t.Context())
	must(t.T, err)
	same(t.T, "brands", len(brands), 0)
}

func retireFreesCodes(t *shelfTest) {
	ctx := t.Context()
	p := t.create(t.product("mug", "A", "B"))
	if _, err := t.s.RetireProduct(ctx, p.ID, 9, catalogNoon); !errors.Is(err, fault.VersionMismatch) {
		t.Errorf("another version: %v", err)
	}
	before, err := t.s.RetireProduct(ctx, p.ID, 1, catalogNoon)
	must(t.T, err)
	same(t.T, "before", before, p)
	if _, err := t.s.RetireProduct(ctx, p.ID, 0, catalogNoon); !errors.Is(err, fault.NotFound) {
		t.Errorf("twice: %v, want not found", err)
	}
	if _, err := t.s.ProductByCode(ctx, "A"); !errors.Is(err, fault.NotFound) {
		t.Errorf("its code: %v, want not found", err)
	}
	same(t.T, "status", t.read(p.ID).Status, catalog.Retired)
	t.refused(t.put(catalog.Put{Mode: catalog.PutNew, Product: t.product("mug", "Z")})[0], fault.Conflict, "handle")
	moved := t.create(t.product("cup", "A"))
	same(t.T, "A keeps its id and so its stock", moved.Variants[0].ID, p.Variants[0].ID)
	back := t.put(catalog.Put{Mode: catalog.PutByHandle, Product: t.product("mug", "B")})[0]
	same(t.T, "brought back", back.Action, catalog.Updated)
	same(t.T, "its id", back.After.ID, p.ID)
	same(t.T, "B's id", back.After.Variants[0].ID, p.Variants[1].ID)
	same(t.T, "as read", t.read(p.ID), back.After)
}

func pages(t *shelfTest) {
	const products = 25
	for i := range products {
		p := t.product(fmt.Sprint("p", i), fmt.Sprint("C", i))
		if i%5 == 0 {
			p.Status = catalog.Draft
		}
		t.create(p)
	}
	if _, err := t.s.RetireProduct(t.Context(), t.create(t.product("gone", "GONE")).ID, 0, catalogNoon); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		q    catalog.Query
		want int
	}{
		{catalog.Query{}, products},
		{catalog.Query{OldestFirst: true}, products},
		{catalog.Query{Status: catalog.Published}, 20},
		{catalog.Query{Status: catalog.Draft, OldestFirst: true}, 5},
		{catalog.Query{Status: catalog.Published, Brand: 4}, 0},
		{catalog.Query{Category: 4}, 0},
		{catalog.Query{Words: []string{"p1"}}, 11}, // p1 and p10 to p19
		{catalog.Query{Words: []string{"p1", "title", "of"}, Status: catalog.Published}, 9},
		{catalog.Query{Words: []string{"p1", "gone"}}, 0},
		{catalog.Query{Words: []string{"%"}}, 0},
		{catalog.Query{Words: []string{"p_"}}, 0},
		{catalog.Query{Words: []string{"!"}}, 0},
	} {
		q, seen := c.q, 0
		q.Limit = 7
		last := id.Product(math.MaxInt64)
		if q.OldestFirst {
			last = 0
		}
		for {
			page, err := t.s.Products(t.Context(), q)
			must(t.T, err)
			for _, p := range page {
				if p.ID == last || p.ID < last == q.OldestFirst {
					t.Fatalf("%+v: %d after %d", c.q, p.ID, last)
				}
				last = p.ID
				same(t.T, "variants", len(p.Variants), 1)
			}
			seen += len(page)
			if len(page) < q.Limit {
				break
			}
			q.After = last
		}
		if seen != c.want {
			t.Errorf("%+v: %d products, want %d", c.q, seen, c.want)
		}
	}
}

func categoryTree(t *shelfTest) {
	ctx := t.Context()
	for _, c := range []catalog.Category{{ID: 1, Handle: "home", Title: "Home"}, {ID: 2, Handle: "mugs", Title: "Mugs", Parent: 1},
		{ID: 3, Handle: "blue", Title: "Blue", Parent: 2}, {ID: 4, Handle: "garden", Title: "Garden"}} {
		must(t.T, t.s.AddCategory(ctx, c))
	}
	in := func(handle string, categories ...id.Category) catalog.Product {
		p := t.product(handle, "C-"+handle)
		p.Categories = categories
		return t.create(p)
	}
	blue, mug, both := in("a", 3), in("b", 2), in("c", 1, 3)
	check := func(category id.Category, want ...id.Product) {
		t.Helper()
		page, err := t.s.Products(ctx, catalog.Query{Category: category, Limit: 10, OldestFirst: true})
		must(t.T, err)
		got := []id.Product{}
		for _, p := range page {
			got = append(got, p.ID)
		}
		same(t.T, fmt.Sprint("category ", category), got, append([]id.Product{}, want...))
	}
	check(1, blue.ID, mug.ID, both.ID)
	check(2, blue.ID, mug.ID, both.ID)
	check(3, blue.ID, both.ID)
	check(4)
	same(t.T, "both stands where it was put", t.read(both.ID).Categories, []id.Category{1, 3})
	same(t.T, "blue stands where it was put", t.read(blue.ID).Categories, []id.Category{3})
	moved := t.read(blue.ID)
	moved.Categories = []id.Category{4}
	t.put(catalog.Put{Mode: catalog.PutOver, Product: moved, Version: 1})
	check(1, mug.ID, both.ID)
	check(4, blue.ID)
}

func shelfClashes(t *shelfTest) {
	ctx := t.Context()
	must(t.T, t.s.AddCategory(ctx, catalog.Category{ID: 1, Handle: "home", Title: "Home"}))
	must(t.T, t.s.AddBrand(ctx, catalog.Brand{ID: 1, Handle: "acme", Title: "Acme"}))
	for name, c := range map[string]struct {
		err  error
		code fault.Code
	}{
		"title":     {t.s.AddCategory(ctx, catalog.Category{ID: 2, Handle: "other", Title: "Home"}), fault.Conflict},
		"handle":    {t.s.AddCategory(ctx, catalog.Category{ID: 2, Handle: "home", Title: "Other"}), fault.Conflict},
		"parent":    {t.s.AddCategory(ctx, catalog.Category{ID: 2, Handle: "child", Title: "Child", Parent: 9}), fault.Invalid},
		"brand":     {t.s.AddBrand(ctx, catalog.Brand{ID: 2, Handle: "other", Title: "Acme"}), fault.Conflict},
		"b. handle": {t.s.AddBrand(ctx, catalog.Brand{ID: 2, Handle: "acme", Title: "Other"}), fault.Conflict},
	} {
		if !errors.Is(c.err, c.code) {
			t.Errorf("%s: %v, want %s", name, c.err, c.code)
		}
	}
	must(t.T, t.s.AddCategory(ctx, catalog.Category{ID: 10, Handle: "home-2", Title: "Home", Parent: 1}))
	for depth := id.Category(10); ; depth++ {
		err := t.s.AddCategory(ctx, catalog.Category{ID: depth + 1, Handle: fmt.Sprint("d", depth), Title: "Deeper", Parent: depth})
		if err == nil {
			continue
		}
		if !errors.Is(err, fault.Invalid) || depth != 10+catalog.CategoryDepthMax-2 {
			t.Errorf("at %d: %v, want invalid at the depth's limit", depth, err)
		}
		break
	}
}

func pathsAreMadeOnce(t *shelfTest) {
	t.put(
		catalog.Put{Mode: catalog.PutByHandle, Product: t.product("a", "A"), BrandTitle: "Acme", CategoryPaths: [][]string{{"Home", "Mugs"}}},
		catalog.Put{Mode: catalog.PutByHandle, Product: t.product("b", "B"), BrandTitle: "Acme!", CategoryPaths: [][]string{{"Home mugs"}, {"Home"}}},
	)
	t.put(catalog.Put{Mode: catalog.PutByHandle, Product: t.product("c", "C"), BrandTitle: "Acme", CategoryPaths: [][]string{{"Home", "Mugs"}, {"Home", "Cups"}}})
	categories, err := t.s.Categories(t.Context())
	must(t.T, err)
	got := map[string]string{}
	for _, c := range categories {
		got[c.Handle] = c.Title
	}
	same(t.T, "categories", got, map[string]string{"home": "Home", "home-mugs": "Mugs", "home-mugs-2": "Home mugs", "home-cups": "Cups"})
	brands, err := t.s.Brands(t.Context())
	must(t.T, err)
	if len(brands) != 2 || brands[0].Handle != "acme" || brands[1].Handle != "acme-2" {
		t.Errorf("brands: %v", brands)
	}
}

func sellables(t *shelfTest) {
	ctx := t.Context()
	shown := t.create(t.product("shown", "A", "B"))
	hidden := t.product("hidden", "C")
	hidden.Status = catalog.Draft
	hidden = t.create(hidden)
	edit := t.product("shown", "A")
	t.put(catalog.Put{Mode: catalog.PutByHandle, Product: edit})
	got, err := t.s.Sellables(ctx, []id.SKU{shown.Variants[0].ID, shown.Variants[1].ID, hidden.Variants[0].ID, 1, shown.Variants[0].ID})
	must(t.T, err)
	bySKU := map[id.SKU]catalog.Sellable{}
	for _, s := range got {
		bySKU[s.SKU] = s
	}
	same(t.T, "sellables", bySKU, map[id.SKU]catalog.Sellable{
		shown.Variants[0].ID:  {SKU: shown.Variants[0].ID, Product: shown.ID, PriceMinor: 100, Published: true},
		shown.Variants[1].ID:  {SKU: shown.Variants[1].ID, Product: shown.ID, PriceMinor: 101},
		hidden.Variants[0].ID: {SKU: hidden.Variants[0].ID, Product: hidden.ID, PriceMinor: 100},
	})
	none, err := t.s.Sellables(ctx, nil)
	must(t.T, err)
	same(t.T, "none", len(none), 0)
}

func smallReads(t *shelfTest) {
	ctx := t.Context()
	a, b := t.create(t.product("a", "A", "B")), t.create(t.product("b", "C"))
	_, err := t.s.RetireProduct(ctx, b.ID, 0, catalogNoon)
	must(t.T, err)
	var got []catalog.Keys
	must(t.T, t.s.CatalogKeys(ctx, func(k catalog.Keys) { got = append(got, k) }))
	same(t.T, "keys", got, []catalog.Keys{a.Keys(), b.Keys()})

	must(t.T, t.s.SetMostRead(ctx, []id.Product{3, 1, 2}))
	must(t.T, t.s.SetMostRead(ctx, []id.Product{2, 1}))
	most, err := t.s.MostRead(ctx)
	must(t.T, err)
	same(t.T, "most read", most, []id.Product{2, 1})

	other, err := t.s.OtherCurrency(ctx, "GBP")
	must(t.T, err)
	same(t.T, "other than GBP", other, money.Currency(""))
	other, err = t.s.OtherCurrency(ctx, "EUR")
	must(t.T, err)
	same(t.T, "other than EUR", other, money.Currency("GBP"))
}
