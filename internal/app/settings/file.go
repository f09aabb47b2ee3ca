package settings

import (
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v3"
)

// file reads the YAML layer. It walks the document's nodes instead of decoding into maps, because nodes know their lines
// and keep a key that is written twice.
func (l *loader) file(from Sources) layer {
	out := newLayer("file")
	if len(from.Text) == 0 {
		return out
	}
	var document yaml.Node
	if err := yaml.Unmarshal(from.Text, &document); err != nil {
		l.refuse("", from.File, "it is not YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
		return out
	}
	if len(document.Content) == 0 { // only comments
		return out
	}
	f := fileReader{loader: l, name: from.File, out: out, branches: l.branches()}
	f.mapping(document.Content[0], "")
	return out
}

// branches lists the paths that have settings below them.
func (l *loader) branches() map[string]bool {
	branches := map[string]bool{}
	for _, one := range l.leaves {
		for i, c := range one.path {
			if c == '.' {
				branches[one.path[:i]] = true
			}
		}
	}
	return branches
}

type fileReader struct {
	*loader
	name     string
	out      layer
	branches map[string]bool
}

func (f *fileReader) where(n *yaml.Node) string { return fmt.Sprintf("%s line %d", f.name, n.Line) }

func (f *fileReader) mapping(n *yaml.Node, path string) {
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	if n.Kind != yaml.MappingNode {
		f.refuse(path, f.where(n), "it needs settings below it, such as %s", f.below(path))
		return
	}
	seen := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		at := strings.TrimPrefix(path+"."+key.Value, ".")
		if line, twice := seen[key.Value]; twice {
			f.refuse(at, f.where(key), "it is written twice, first on line %d", line)
			continue
		}
		seen[key.Value] = key.Line
		f.entry(key, value, at)
	}
}

func (f *fileReader) entry(key, value *yaml.Node, path string) {
	one, isLeaf := f.byPath[path]
	switch {
	case f.branches[path]:
		f.mapping(value, path)
	case isLeaf:
		f.leaf(one, key, value)
	default:
		near, _ := Nearest(path, append(keys(f.byPath), keys(f.branches)...))
		f.refuse(path, f.where(key), "there is no such setting%s", didYouMean(near))
	}
}

func (f *fileReader) leaf(one leaf, key, value *yaml.Node) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	where := f.where(key)
	isList := one.typ.Kind() == reflect.Slice
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		f.refuse(one.path, where, "it has no value; leave the key out to keep the default")
	case value.Kind == yaml.ScalarNode:
		f.set(f.out, one, value.Value, where)
	case value.Kind == yaml.SequenceNode && isList:
		items := make([]string, 0, len(value.Content))
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				f.refuse(one.path, f.where(item), "its items are single values")
				return
			}
			items = append(items, item.Value)
		}
		f.out.values[one.path] = one.list(items)
		f.out.where[one.path] = where
	case isList:
		f.refuse(one.path, where, "it is a list: write it as [a, b]")
	default:
		f.refuse(one.path, where, "it is a single value")
	}
}

// below returns the first setting under a branch, as an example.
func (f *fileReader) below(path string) string {
	for _, one := range f.leaves {
		if path == "" || strings.HasPrefix(one.path, path+".") {
			return one.path
		}
	}
	return path
}
