package settings

import (
	"encoding/json"
	"io"
	"reflect"

	"github.com/tidegate/tidegate/internal/kernel/text"
)

// Tree is the effective configuration with the origin of each value.
type Tree struct {
	leaves  []leaf
	origins map[string]origin
	below   map[string]Below // by the path of a setting of the live layer
	values  reflect.Value
}

// Setting is one line of a Tree.
type Setting struct {
	// Path is the key in the file, after `--` on the command line, and in upper case in the environment.
	Path string `json:"path"`
	// Value is the effective value; "***" where it is a secret that is set.
	Value any `json:"value"`
	// Live says that it can change while the shop runs.
	Live bool `json:"live"`
	// Origin is default, file, env, flag or live.
	Origin string `json:"origin"`
	// Where says where in that origin it was written; empty for a default.
	Where string `json:"where,omitempty"`
	// Below is what it would be without the live layer; nil where that says nothing of it.
	Below *Below `json:"below,omitempty"`
	// Env is the environment variable's name.
	Env string `json:"env"`
	// Help says what the setting does.
	Help string `json:"help"`

	text string
}

// Text is the value as the file, the environment and flags take it; "***" where it is a secret that is set.
func (s *Setting) Text() string { return s.text }

// Below is what the layers below the live one say of a setting.
type Below struct {
	Value  any    `json:"value"`
	Origin string `json:"origin"`
	Where  string `json:"where,omitempty"`

	text string
}

// Text is the value as the file, the environment and flags take it.
func (b *Below) Text() string { return b.text }

// below returns what lies below the live layer. Live settings are no secrets.
func (l leaf) below(value any, from origin) Below {
	b := Below{Value: l.plain(value), Origin: from.layer, text: l.format(value)}
	if from.layer != "default" {
		b.Where = from.where
	}
	return b
}

// Settings lists the tree in its own order, secrets hidden.
func (t *Tree) Settings() []Setting {
	list := make([]Setting, len(t.leaves))
	for i, one := range t.leaves {
		value := t.values.FieldByIndex(one.index)
		from := t.origins[one.path]
		s := Setting{Path: one.path, Live: one.live, Origin: from.layer, Env: envName(one.path), Help: one.help}
		if b, overridden := t.below[one.path]; overridden {
			s.Below = &b
		}
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

// HasSecretsInFile reports whether the file says a secret.
func (t *Tree) HasSecretsInFile() bool {
	for _, one := range t.leaves {
		if one.secret && t.origins[one.path].layer == "file" {
			return true
		}
	}
	return false
}

// WriteText writes a line for each setting: key, value, whether it is live, origin.
func (t *Tree) WriteText(w io.Writer) error {
	table := text.NewTable(w, "KEY", "VALUE", "LIVE", "FROM")
	for _, s := range t.Settings() {
		from, live := s.Origin, "no"
		if s.Where != "" {
			from = s.Where
		}
		if s.Below != nil && s.Below.Where != "" {
			from += ", over " + s.Below.Where
		}
		if s.text == "" {
			s.text = `""`
		}
		if s.Live {
			live = "yes"
		}
		table.Row(s.Path, s.text, live, from)
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
