package settings

import "reflect"

// Difference is a setting whose value is not the same in two trees.
type Difference struct {
	Path          string
	Before, After string // texts; "***" for secrets
	Live          bool
}

// Differences lists the settings that differ between two trees of one type, in the tree's order.
func Differences(before, after *Tree) []Difference {
	var all []Difference
	was, is := before.Settings(), after.Settings()
	for i, one := range before.leaves {
		if reflect.DeepEqual(before.values.FieldByIndex(one.index).Interface(), after.values.FieldByIndex(one.index).Interface()) {
			continue
		}
		all = append(all, Difference{Path: one.path, Before: was[i].text, After: is[i].text, Live: one.live})
	}
	return all
}

// WithLive returns the tree with the live settings of another tree, their origins too. The settings that are not live stay: a process
// has those that it started with.
func (t *Tree) WithLive(from *Tree) *Tree {
	values := reflect.New(t.values.Type()).Elem()
	values.Set(t.values)
	origins := make(map[string]origin, len(t.origins))
	for _, one := range t.leaves {
		source := t
		if one.live {
			source = from
			values.FieldByIndex(one.index).Set(from.values.FieldByIndex(one.index))
		}
		origins[one.path] = source.origins[one.path]
	}
	return &Tree{leaves: t.leaves, origins: origins, below: from.below, values: values}
}

// NotLive returns why a path cannot be in the live layer, and what to do instead; empty: it can.
func (t *Tree) NotLive(path string) string {
	byPath := make(map[string]leaf, len(t.leaves))
	for _, one := range t.leaves {
		byPath[one.path] = one
	}
	return notLive(byPath, path)
}

// CopyLive copies the live settings from one configuration to another.
func CopyLive[T any](to *T, from T) error {
	leaves, err := leavesOf(reflect.TypeFor[T]())
	if err != nil {
		return err
	}
	target, source := reflect.ValueOf(to).Elem(), reflect.ValueOf(from)
	for _, one := range leaves {
		if one.live {
			target.FieldByIndex(one.index).Set(source.FieldByIndex(one.index))
		}
	}
	return nil
}

// LivePaths lists the live settings of a tree in its order. It returns an error where the type T cannot be a tree of settings.
func LivePaths[T any]() ([]string, error) {
	leaves, err := leavesOf(reflect.TypeFor[T]())
	var paths []string
	for _, one := range leaves {
		if one.live {
			paths = append(paths, one.path)
		}
	}
	return paths, err
}
