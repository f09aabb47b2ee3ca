package security

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/tidegate/tidegate/api"
	"github.com/tidegate/tidegate/test/blackbox"
)

// hostile are texts that no field keeps, as they stand in a JSON body.
var hostile = map[string]string{
	"NUL": `a\u0000b`, "ESC": `a\u001b[2Jb`, "CR LF": `a\u0001\r\nSet-Cookie: b`, "DEL": `a\u007fb`, "CSI of C1": `a\u009b2Jb`,
	"an override": `a\u202eb`, "an isolate": `a\u2067b`, "a byte order mark": `a\ufeffb`, "no character": `a\uffffb`,
	"tags": `a\udb40\udc41b`, "half a surrogate": `a\ud800b`, "not UTF-8": "a\xffb", "a tower of marks": "z" + strings.Repeat(`\u0335`, 40),
}

// judged are fields that are compared with what the shop knows, or hashed, and kept by nobody: what is wrong with them is said in
// the words of that. Every other text of the contract is named where it is refused.
var judged = []string{
	"POST /v1/sessions email", "POST /v1/sessions device_token", "POST /v1/sessions/refresh refresh_token",
	"POST /v1/orders/{id}/payments provider", "POST /v1/admin/webhooks event_types[0]", "POST /v1/admin/webhooks secret",
}

// TestTexts sends every text that the contract has a field for to the shop with what may not stand in it. A field that is added
// is tried without a word here.
func TestTexts(t *testing.T) {
	t.Parallel()
	s := open(t)
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	if err != nil {
		t.Fatal(err)
	}
	for _, shelf := range []string{"brands", "categories"} { // that the sample of a product names
		s.shop.Admin("POST", "/v1/admin/"+shelf, map[string]any{"title": "Blue mug"}, nil)
	}
	tried := 0
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		for method, op := range doc.Paths.Value(path).Operations() {
			tried += s.tryParameters(method, path, op)
			if op.RequestBody == nil || op.RequestBody.Value.Content["application/json"] == nil {
				continue
			}
			tried += s.tryBody(method, path, op.RequestBody.Value.Content["application/json"].Schema.Value)
		}
	}
	if tried < 500 {
		t.Errorf("only %d requests were made: has the contract changed its form?", tried)
	}
}

// tryBody sends the route's body once for each of its texts and each hostile one, and returns how many requests that was.
func (s *stage) tryBody(method, path string, schema *openapi3.Schema) (tried int) {
	s.T.Helper()
	body := sample(schema)
	for _, leaf := range leaves("", schema) {
		for name, text := range hostile {
			at := method + " " + path + " " + leaf.path
			a := s.as(method, path, encode(replaced(body, leaf.path, text)))
			tried++
			var problem struct{ Field string }
			_ = json.Unmarshal(a.Body, &problem)
			unreadable := name == "half a surrogate" || name == "not UTF-8" // it is no JSON
			switch {
			case leaf.path == "password" && a.Status < 500: // nobody reads one
			case a.Status < 400 || a.Status > 499:
				s.T.Errorf("%s: %s is answered %s", at, name, a)
			case !unreadable && !leaf.closed && !slices.Contains(judged, at) && problem.Field != leaf.path:
				s.T.Errorf("%s: %s is refused, and the field is not named: %s", at, name, a)
			}
			s.plain(at+": "+name, a)
		}
	}
	return tried
}

// tryParameters sends hostile texts where the route takes one in its address or its headers: none is a fault, and none comes back.
func (s *stage) tryParameters(method, path string, op *openapi3.Operation) (tried int) {
	s.T.Helper()
	for _, p := range op.Parameters {
		if !p.Value.Schema.Value.Type.Is("string") {
			continue
		}
		for name, text := range hostile {
			var raw string
			if json.Unmarshal([]byte(`"`+text+`"`), &raw) != nil {
				raw = text
			}
			to := path
			if p.Value.In == "query" {
				to += "?" + url.Values{p.Value.Name: {raw}}.Encode()
			} else if p.Value.In == "path" {
				to = strings.ReplaceAll(to, "{"+p.Value.Name+"}", url.PathEscape(raw))
			} else {
				continue // net/http refuses what may not stand in a header
			}
			a := s.as(method, to, "{}")
			tried++
			if a.Status >= 500 {
				s.T.Errorf("%s %s with %s is answered %s", method, path, name, a)
			}
			s.plain(method+" "+path+": "+name, a)
		}
	}
	if strings.Contains(path, "/admin/") && method != http.MethodGet {
		for name, text := range map[string]string{"ESC": "%1b[2J", "an override": "%E2%80%AE", "not UTF-8": "%ff", "a line break": "a%0Ab"} {
			a := s.as(method, path, "{}", "Audit-Reason", text)
			tried++
			var problem struct{ Field string }
			if _ = json.Unmarshal(a.Body, &problem); a.Status != 422 || problem.Field != "Audit-Reason" {
				s.T.Errorf("%s %s takes %s for a reason: %s", method, path, name, a)
			}
		}
	}
	return tried
}

// as sends a request as somebody who may, for a thing that there is or is not.
func (s *stage) as(method, path, body string, more ...string) blackbox.Answer {
	bearer := s.keys["all"]
	if !strings.Contains(path, "/admin/") {
		bearer = s.owner
	}
	for _, name := range []string{"id", "session_id", "sku_id", "number", "code", "handle"} {
		path = strings.ReplaceAll(path, "{"+name+"}", s.sku)
	}
	path = strings.ReplaceAll(path, "{provider}", "sandbox")
	s.orders++
	return s.shop.Ask(method, path, bearer, body, append(more, "Idempotency-Key", "text-"+strconv.Itoa(s.orders), "If-Match", `"1"`)...)
}

// plain checks that nothing which a terminal obeys or nobody sees came back.
func (s *stage) plain(what string, a blackbox.Answer) {
	s.T.Helper()
	if !strings.HasPrefix(a.Header.Get("Content-Type"), "application/problem+json") {
		return
	}
	var problem map[string]any
	if err := json.Unmarshal(a.Body, &problem); err != nil {
		s.T.Errorf("%s: the answer is no JSON: %v", what, err)
	}
	for field, v := range problem {
		if text, _ := v.(string); strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Cf, r) }) {
			s.T.Errorf("%s: the answer's %s says it again: %q", what, field, text)
		}
	}
}

// leaf is a text in a body. One that is closed has a form or a list of values.
type leaf struct {
	path   string
	closed bool
}

// leaves lists the texts of a schema, by the paths in which problems name them.
func leaves(at string, schema *openapi3.Schema) (all []leaf) {
	switch {
	case len(schema.AllOf) == 1:
		return leaves(at, schema.AllOf[0].Value)
	case schema.Type.Is("string"):
		return []leaf{{at, schema.Pattern != "" && !strings.HasPrefix(schema.Pattern, "^https") || schema.Format != "" || len(schema.Enum) > 0}}
	case schema.Type.Is("array"):
		return leaves(at+"[0]", schema.Items.Value)
	case schema.Type.Is("object"):
		for name, p := range schema.Properties {
			all = append(all, leaves(strings.TrimPrefix(at+"."+name, "."), p.Value)...)
		}
	}
	return all
}

// sample makes a body in which everything is given and each thing by itself is right.
func sample(schema *openapi3.Schema) any {
	switch {
	case len(schema.AllOf) == 1:
		return sample(schema.AllOf[0].Value)
	case schema.Type.Is("array"):
		return []any{sample(schema.Items.Value)}
	case schema.Type.Is("object"):
		all := map[string]any{}
		for name, p := range schema.Properties {
			all[name] = sample(p.Value)
		}
		return all
	case len(schema.Enum) > 0:
		return schema.Enum[len(schema.Enum)-1]
	case schema.Type.Is("boolean"):
		return false
	case schema.Type.Is("integer"):
		if schema.Min != nil && *schema.Min > 0 {
			return *schema.Min
		}
		return 1
	}
	switch {
	case schema.Format == "date-time":
		return "2035-11-27T20:00:00.000Z"
	case schema.Pattern == "^[A-Z]{3}$":
		return "GBP"
	case strings.HasPrefix(schema.Pattern, "^https"):
		return "https://example.com/a.jpg"
	case schema.Example != nil:
		return schema.Example
	}
	return "A text " + strconv.FormatUint(schema.MinLength, 10)
}

// replaced returns a body with a raw JSON text in the place of a path.
func replaced(body any, path, text string) any {
	if path == "" {
		return json.RawMessage(text)
	}
	switch b := body.(type) {
	case map[string]any:
		name, rest, _ := strings.Cut(path, ".")
		name, index, isList := strings.Cut(name, "[")
		if isList {
			rest = strings.TrimSuffix("["+index+"."+rest, ".")
		}
		copied := maps.Clone(b)
		copied[name] = replaced(b[name], rest, text)
		return copied
	case []any:
		return []any{replaced(b[0], strings.TrimPrefix(strings.TrimPrefix(path, "[0]"), "."), text)}
	}
	panic(fmt.Sprintf("the body has nothing at %s", path))
}

// encode writes a body; a hostile text stands in it as it is.
func encode(body any) string {
	switch b := body.(type) {
	case json.RawMessage:
		return `"` + string(b) + `"`
	case map[string]any:
		var parts []string
		for name, v := range b {
			parts = append(parts, strconv.Quote(name)+":"+encode(v))
		}
		return "{" + strings.Join(parts, ",") + "}"
	case []any:
		return "[" + encode(b[0]) + "]"
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	return string(text)
}
