// Package settings loads one tree of configuration: defaults, a YAML file, the environment, flags and the live layer, in that order.
//
// A component owns its part of the tree as a plain struct whose fields carry `koanf:"snake_case"` and `help:"..."` tags
// (and `secret:"true"`, or `live:"true"` where it can change while the process runs); the composition root nests those structs in one.
// Above the layers a process is started with lies the live one, which the shop's database keeps. Everything that is wrong is reported at once,
// each with the key's path, where it was written and what would be right. The package knows no setting by name.
package settings

import (
	"fmt"
	"reflect"
	"strings"
	"time"
)

// leaf is one setting: a field of the tree that holds a value.
type leaf struct {
	path   string // dotted, such as "http.address"
	help   string
	secret bool
	live   bool // it can change while the process runs
	typ    reflect.Type
	index  []int // for reflect.Value.FieldByIndex
}

var durationType = reflect.TypeFor[time.Duration]()

// leavesOf lists the leaves of a struct type in the order of its fields. It returns an error where the type itself is
// wrong: a field without a tag, a type that cannot be written as text, or two leaves with one environment name.
func leavesOf(t reflect.Type) ([]leaf, error) {
	leaves, err := collect(t, "", nil)
	if err != nil {
		return nil, err
	}
	env := map[string]string{}
	for _, l := range leaves {
		name := envName(l.path)
		if other, taken := env[name]; taken {
			return nil, fmt.Errorf("settings %s and %s share the environment name %s", other, l.path, name)
		}
		env[name] = l.path
	}
	return leaves, nil
}

func collect(t reflect.Type, prefix string, index []int) ([]leaf, error) {
	var leaves []leaf
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("koanf")
		if name == "" {
			return nil, fmt.Errorf("field %s.%s has no koanf tag", t, f.Name)
		}
		path := prefix + name
		at := append(append([]int(nil), index...), i)
		if f.Type.Kind() == reflect.Struct {
			below, err := collect(f.Type, path+".", at)
			if err != nil {
				return nil, err
			}
			leaves = append(leaves, below...)
			continue
		}
		if !supported(f.Type) {
			return nil, fmt.Errorf("setting %s has the type %s, which cannot be written as text", path, f.Type)
		}
		leaves = append(leaves, leaf{
			path: path, help: f.Tag.Get("help"), secret: f.Tag.Get("secret") == "true", live: f.Tag.Get("live") == "true", typ: f.Type, index: at,
		})
		if l := leaves[len(leaves)-1]; l.secret && l.live {
			return nil, fmt.Errorf("setting %s is live and a secret: the history of live settings shows their values", path)
		}
	}
	return leaves, nil
}

func supported(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64:
		return true
	case reflect.Slice:
		return t.Elem().Kind() == reflect.String
	default:
		return false
	}
}

// isSize reports whether the leaf counts bytes: "bytes" is a word of its name, such as body_bytes_max.
func (l leaf) isSize() bool {
	last := l.path[strings.LastIndexByte(l.path, '.')+1:]
	for word := range strings.SplitSeq(last, "_") {
		if word == "bytes" {
			return l.typ.Kind() == reflect.Int || l.typ.Kind() == reflect.Int64
		}
	}
	return false
}

// envName returns the environment variable of a path: TIDEGATE_HTTP_ADDRESS for http.address.
func envName(path string) string {
	return EnvPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}
