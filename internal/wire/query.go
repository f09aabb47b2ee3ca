package wire

import (
	"net/url"
	"slices"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// CheckQuery returns fault.BadRequest for the first parameter of a raw query that is not among the known names: a filter that is mistyped
// would otherwise be a list of everything. So would one that url.Query drops: a pair with a semicolon, or whose escapes are none. It allocates
// nothing for the empty query.
func CheckQuery(raw string, known []string) error {
	for raw != "" {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		name, value, _ := strings.Cut(pair, "=")
		decoded, err := url.QueryUnescape(name)
		if err == nil {
			name = decoded
			_, err = url.QueryUnescape(value)
		}
		if err != nil || strings.Contains(pair, ";") {
			return fault.New(fault.BadRequest, "The parameter %q cannot be read: percent-encode what is not a letter or a digit.", name).In(name)
		}
		if name == "" || slices.Contains(known, name) {
			continue
		}
		if len(known) == 0 {
			return fault.New(fault.BadRequest, "There is no parameter %q: this address takes none.", name).In(name)
		}
		return fault.New(fault.BadRequest, "There is no parameter %q; this address takes %s.", name, strings.Join(known, ", ")).In(name)
	}
	return nil
}
