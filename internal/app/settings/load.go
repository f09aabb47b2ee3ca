package settings

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/go-viper/mapstructure/v2"
	"github.com/knadh/koanf/providers/confmap"
	"github.com/knadh/koanf/v2"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// EnvPrefix begins the name of every environment variable that is a setting.
const EnvPrefix = "TIDEGATE_"

// Sources are the layers above the defaults; a later one wins.
type Sources struct {
	// File is the YAML file's name, for messages; Text is its content. Both are empty where there is none.
	File string
	Text []byte
	// Env holds NAME=value pairs, as from os.Environ. Names without EnvPrefix are not looked at.
	Env []string
	// EnvOthers are names with EnvPrefix that are no settings, such as the one that names the file.
	EnvOthers []string
	// Flags holds the flags that were given, by path.
	Flags map[string]string
	// Live holds the texts of settings that were changed while the shop ran, by path; LiveFrom says where, such as "live change 7".
	Live     map[string]string
	LiveFrom string
}

// Problem is one thing that is wrong with the configuration.
type Problem struct {
	// Path is the setting's key, such as "http.address".
	Path string
	// Where says where the value was written: "shop.yaml line 3", "environment TIDEGATE_HTTP_ADDRESS", "flag --http.address".
	Where string
	// Detail says what is wrong and what would be right.
	Detail string
}

// Problems is every problem found, as one error.
type Problems []Problem

// Error implements error: one line for each problem.
func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Path + " (" + one.Where + "): " + one.Detail
		if one.Path == "" {
			lines[i] = one.Where + ": " + one.Detail
		}
	}
	return strings.Join(lines, "\n")
}

// origin is where the effective value of a leaf comes from.
type origin struct {
	layer string // default, file, env, flag, live
	where string // as in Problem
}

// layer is what one source says: typed values by path.
type layer struct {
	name   string
	values map[string]any
	where  map[string]string
}

func newLayer(name string) layer {
	return layer{name: name, values: map[string]any{}, where: map[string]string{}}
}

// Load lays the sources over the defaults. On success it returns the filled tree and the origins of its values; where
// anything is wrong, Problems. Any other error means that the type T itself cannot be a tree of settings.
func Load[T any](defaults T, from Sources) (T, *Tree, error) {
	leaves, err := leavesOf(reflect.TypeFor[T]())
	if err != nil {
		return defaults, nil, err
	}
	l := loader{leaves: leaves, byPath: map[string]leaf{}, origins: map[string]origin{}}
	for _, one := range leaves {
		l.byPath[one.path] = one
		l.origins[one.path] = origin{"default", "default"}
	}
	k := koanf.New(".")
	below := map[string]Below{}
	for _, layer := range []layer{l.defaults(defaults), l.file(from), l.env(from), l.flags(from), l.live(from)} {
		if layer.name == "live" {
			for path := range layer.values {
				below[path] = l.byPath[path].below(k.Get(path), l.origins[path])
			}
		}
		if err := k.Load(confmap.Provider(layer.values, "."), nil); err != nil {
			return defaults, nil, fmt.Errorf("merge the settings of the %s: %w", layer.name, err)
		}
		for path, where := range layer.where {
			l.origins[path] = origin{layer.name, where}
		}
	}
	filled := defaults
	decode := koanf.UnmarshalConf{DecoderConfig: &mapstructure.DecoderConfig{ErrorUnused: true, ZeroFields: true}}
	if err := k.UnmarshalWithConf("", &filled, decode); err != nil {
		return defaults, nil, fmt.Errorf("fill the settings: %w", err)
	}
	l.validate(reflect.ValueOf(filled), "")
	if len(l.problems) > 0 {
		slices.SortStableFunc(l.problems, func(a, b Problem) int { return cmp.Compare(a.Path, b.Path) })
		return defaults, nil, l.problems
	}
	return filled, &Tree{leaves: leaves, origins: l.origins, below: below, values: reflect.ValueOf(filled)}, nil
}

type loader struct {
	leaves   []leaf
	byPath   map[string]leaf
	origins  map[string]origin
	problems Problems
}

func (l *loader) refuse(path, where, format string, args ...any) {
	l.problems = append(l.problems, Problem{Path: path, Where: where, Detail: fmt.Sprintf(format, args...)})
}

func (l *loader) defaults(tree any) layer {
	out := newLayer("default")
	v := reflect.ValueOf(tree)
	for _, one := range l.leaves {
		out.values[one.path] = v.FieldByIndex(one.index).Interface()
	}
	return out
}

// set puts one leaf's text into a layer, or reports why not.
func (l *loader) set(to layer, one leaf, text, where string) {
	value, err := one.parse(text)
	if err != nil {
		l.refuse(one.path, where, "%s", hide(one, err, text))
		return
	}
	to.values[one.path] = value
	to.where[one.path] = where
}

// hide keeps a secret's text out of a message.
func hide(one leaf, err error, text string) string {
	if one.secret && text != "" {
		return strings.ReplaceAll(err.Error(), text, "***")
	}
	return err.Error()
}

func (l *loader) env(from Sources) layer {
	out := newLayer("env")
	byName := map[string]leaf{}
	for _, one := range l.leaves {
		byName[envName(one.path)] = one
	}
	for _, pair := range from.Env {
		name, text, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, EnvPrefix) || slices.Contains(from.EnvOthers, name) {
			continue
		}
		one, known := byName[name]
		if !known {
			near, _ := Nearest(name, append(keys(byName), from.EnvOthers...))
			l.refuse("", "environment "+name, "there is no such setting%s", didYouMean(near))
			continue
		}
		l.set(out, one, text, "environment "+name)
	}
	return out
}

func (l *loader) flags(from Sources) layer {
	out := newLayer("flag")
	for path, text := range from.Flags {
		if one, known := l.byPath[path]; known {
			l.set(out, one, text, "flag --"+path)
			continue
		}
		near, _ := Nearest(path, keys(l.byPath))
		l.refuse(path, "flag --"+path, "there is no such setting%s", didYouMean(near))
	}
	return out
}

// live reads the live layer, and refuses what cannot be in it.
func (l *loader) live(from Sources) layer {
	out := newLayer("live")
	for path, text := range from.Live {
		if why := notLive(l.byPath, path); why != "" {
			l.refuse(path, from.LiveFrom, "%s", why)
			continue
		}
		l.set(out, l.byPath[path], text, from.LiveFrom)
	}
	return out
}

// notLive returns why a path cannot be in the live layer, and what to do; empty: it can.
func notLive(byPath map[string]leaf, path string) string {
	one, known := byPath[path]
	switch {
	case !known:
		near, _ := Nearest(path, keys(byPath))
		return "there is no such setting" + didYouMean(near)
	case one.secret:
		return "it is a secret, and not live: write it into the file or the environment, and start the process again"
	case !one.live:
		return "it is not live: write it into the file, the environment or a flag, and start the process again"
	}
	return ""
}

// validator is what a component's Config may implement: its own rules, reported as faults whose Field is the key relative
// to the component; several as errors.Join makes them.
type validator interface{ Validate() error }

// validate asks every struct of the tree, the innermost first.
func (l *loader) validate(v reflect.Value, prefix string) {
	for i := range v.NumField() {
		if v.Field(i).Kind() == reflect.Struct {
			l.validate(v.Field(i), prefix+v.Type().Field(i).Tag.Get("koanf")+".")
		}
	}
	check, ok := v.Interface().(validator)
	if !ok {
		return
	}
	for _, err := range flatten(check.Validate()) {
		path, detail := strings.TrimSuffix(prefix, "."), err.Error()
		if f, is := errors.AsType[*fault.Error](err); is {
			path, detail = strings.TrimSuffix(prefix+f.Field, "."), f.Detail
		}
		where := "default"
		if from, known := l.origins[path]; known {
			where = from.where
		}
		// A component may validate its parts too; one problem is told once.
		if !slices.Contains(l.problems, Problem{path, where, detail}) && !l.refused(path) {
			l.refuse(path, where, "%s", detail)
		}
	}
}

// refused reports whether the leaf's text was refused already: its default, which stands in its place, says nothing.
func (l *loader) refused(path string) bool {
	return slices.ContainsFunc(l.problems, func(p Problem) bool { return p.Path == path })
}

func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	var all []error
	for _, one := range joined.Unwrap() {
		all = append(all, flatten(one)...)
	}
	return all
}
