package settings

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"text/tabwriter"
)

// Tree is the effective configuration with the origin of each value.
type Tree struct {
	leaves  []leaf
	origins map[string]origin
	values  reflect.Value
}

// Setting is one line of a Tree.
type Setting struct {
	// Path is the key in the file, after `--` on the command line, and in upper case in the environment.
	Path string `json:"path"`
	// Value is the effective value; "***" where it is a secret that is set.
	Value any `json:"value"`
	// Origin is default, file, env or flag.
	Origin string `json:"origin"`
	// Where says where in that origin it was written; empty for a default.
	Where string `json:"where,omitempty"`
	// Env is the environment variable's name.
	Env string `json:"env"`
	// Help says what the setting does.
	Help string `json:"help"`

	text string
}

// Settings lists the tree in its own order, secrets hidden.
func (t *Tree) Settings() []Setting {
	list := make([]Setting, len(t.leaves))
	for i, one := range t.leaves {
		value := t.values.FieldByIndex(one.index)
		from := t.origins[one.path]
		s := Setting{Path: one.path, Origin: from.layer, Env: envName(one.path), Help: one.help}
		if from.layer != "default" {
			s.Where = from.where
		}
		s.Value, s.text = one.plain(value.Interface()), one.format(value.Interface())
		if one.secret && !value.IsZero() {
			s.Value, s.text = "***", "***"
		}
		list[i] = s
	}
	return list
}

// WriteText writes a line for each setting: key, value, origin.
func (t *Tree) WriteText(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "KEY\tVALUE\tFROM")
	for _, s := range t.Settings() {
		from := s.Origin
		if s.Where != "" {
			from = s.Where
		}
		if s.text == "" {
			s.text = `""`
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", s.Path, s.text, from)
	}
	return table.Flush()
}

// WriteJSON writes the settings as one JSON array.
func (t *Tree) WriteJSON(w io.Writer) error {
	out := json.NewEncoder(w)
	out.SetIndent("", "  ")
	out.SetEscapeHTML(false)
	return out.Encode(t.Settings())
}

// Flag is a leaf as the command line sees it.
type Flag struct {
	// Path is the flag's name.
	Path string
	// Help says what it does, Default what it is otherwise.
	Help, Default string
	// Bool says that the flag may stand alone, for true.
	Bool bool
}

// Flags lists the leaves of a tree as flags. It returns an error where the type T cannot be a tree of settings.
func Flags[T any](defaults T) ([]Flag, error) {
	leaves, err := leavesOf(reflect.TypeFor[T]())
	if err != nil {
		return nil, err
	}
	v := reflect.ValueOf(defaults)
	flags := make([]Flag, len(leaves))
	for i, one := range leaves {
		flags[i] = Flag{
			Path: one.path, Help: one.help, Bool: one.typ.Kind() == reflect.Bool,
			Default: one.format(v.FieldByIndex(one.index).Interface()),
		}
	}
	return flags, nil
}
