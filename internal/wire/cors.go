package wire

import (
	"net/url"
	"strings"

	"github.com/tidegate/tidegate/internal/kernel/fault"
)

// Origins are the origins whose scripts may use the API from a browser. See https://fetch.spec.whatwg.org/#http-cors-protocol. The API takes no
// cookies, so no origin gains anything that its visitor has not given it. The zero value allows none.
type Origins struct {
	all   bool
	named map[string]bool
}

// ParseOrigins reads origins such as https://www.shop.example, or * for every origin. It returns fault.Invalid for anything else.
func ParseOrigins(texts []string) (Origins, error) {
	o := Origins{named: map[string]bool{}}
	for _, text := range texts {
		if text == "*" {
			o.all = true
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || text != u.Scheme+"://"+u.Host || text != strings.ToLower(text) ||
			strings.Contains(text, "*") || u.Scheme == "http" && u.Port() == "80" || u.Scheme == "https" && u.Port() == "443" {
			return o, fault.Bad("cors_origins", "%q is not an origin: write it as browsers do, such as https://www.shop.example, or * for all", text)
		}
		o.named[text] = true
	}
	return o, nil
}

// None reports whether no origin is allowed.
func (o Origins) None() bool { return !o.all && len(o.named) == 0 }

// Allow reports whether scripts of an origin may read the answer of a path. The admin routes and the pages allow none.
func (o Origins) Allow(origin, path string) bool {
	return origin != "" && strings.HasPrefix(path, "/v1/") && !strings.HasPrefix(path, "/v1/admin/") && (o.all || o.named[origin])
}

// CORSHeader is a header of an answer to another origin.
type CORSHeader struct{ Name, Value string }

// CORSPreflight are the headers of the answer to a preflight, beside the allowed origin; CORSAnswer those of any other answer.
var (
	CORSPreflight = []CORSHeader{
		{"Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE"},
		{"Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id"},
		{"Access-Control-Max-Age", "7200"},
	}
	CORSAnswer = []CORSHeader{{"Access-Control-Expose-Headers", "ETag, Idempotent-Replayed, Location, Retry-After, X-Request-Id"}}
)
