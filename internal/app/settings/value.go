package settings

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// sizes are the suffixes of a number of bytes, the larger first.
var sizes = []struct {
	suffix string
	bytes  int64
}{
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10},
	{"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3}, {"B", 1},
}

// parse reads the leaf's value from its text form. The error says what would be right.
func (l leaf) parse(text string) (any, error) {
	v := reflect.New(l.typ).Elem()
	switch {
	case l.typ == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return nil, fmt.Errorf("%q is not a duration: write it as 250ms, 15s, 15m or 24h", text)
		}
		v.SetInt(int64(d))
	case l.isSize():
		n, err := parseSize(text)
		if err != nil {
			return nil, err
		}
		v.SetInt(n)
	case v.CanInt():
		n, err := strconv.ParseInt(text, 10, l.typ.Bits())
		if err != nil {
			return nil, fmt.Errorf("%q is not a whole number: write it as 500", text)
		}
		v.SetInt(n)
	case v.CanFloat():
		n, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return nil, fmt.Errorf("%q is not a number: write it as 0.5", text)
		}
		v.SetFloat(n)
	case l.typ.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return nil, fmt.Errorf("%q is neither true nor false", text)
		}
		v.SetBool(text == "true")
	case l.typ.Kind() == reflect.Slice:
		return l.list(splitList(text)), nil
	default:
		v.SetString(text)
	}
	return v.Interface(), nil
}

func (l leaf) list(items []string) any {
	v := reflect.MakeSlice(l.typ, len(items), len(items))
	for i, item := range items {
		v.Index(i).SetString(item)
	}
	return v.Interface()
}

func splitList(text string) []string {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items
}

func parseSize(text string) (int64, error) {
	number, factor := text, int64(1)
	for _, s := range sizes {
		if rest, found := strings.CutSuffix(text, s.suffix); found {
			number, factor = strings.TrimSpace(rest), s.bytes
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n*factor/factor != n {
		return 0, fmt.Errorf("%q is not a number of bytes: write it as 65536, 64KiB or 1MB", text)
	}
	return n * factor, nil
}

// format writes a value as parse would read it.
func (l leaf) format(value any) string {
	v := reflect.ValueOf(value)
	switch {
	case l.typ == durationType:
		return formatDuration(time.Duration(v.Int()))
	case l.isSize():
		return formatSize(v.Int())
	case l.typ.Kind() == reflect.Slice:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = v.Index(i).String()
		}
		return strings.Join(items, ",")
	default:
		return fmt.Sprint(value)
	}
}

// plain returns the value as JSON shows it: durations and sizes as people write them, all else as it is.
func (l leaf) plain(value any) any {
	if l.typ == durationType {
		return l.format(value)
	}
	if l.typ.Kind() == reflect.Slice && reflect.ValueOf(value).Len() == 0 {
		return json.RawMessage("[]")
	}
	return value
}

// formatDuration is time.Duration's String without the zeros at its end: 15m, not 15m0s.
func formatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func formatSize(n int64) string {
	for _, s := range sizes[:3] {
		if n >= s.bytes && n%s.bytes == 0 {
			return strconv.FormatInt(n/s.bytes, 10) + s.suffix
		}
	}
	return strconv.FormatInt(n, 10)
}
