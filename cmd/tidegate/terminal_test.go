package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/spf13/cobra"

	"github.com/tidegate/tidegate/api"
)

// hostile is what a shop may hold from before it refused such texts, and what another server may answer.
const hostile = "a\x1b[2J\x1b]0;b\a\u009b31m\x00\x7f\u202ec\ufeff\r\nFORGED\t1\u2028FORGED"

// asked says for every command that asks a shop how it is called. A command that is added has to be said here too.
var asked = map[string][]string{
	"stock show": {"A"}, "stock receive": {"A=1", "--reason", "r"}, "stock adjust": {"A=1", "--reason", "r"},
	"sale list": {}, "sale show": {"1"}, "sale create": {"--title", "t", "--starts", "2035-11-27T20:00:00Z", "--for", "1h", "--item", "A=1.00x1"},
	"sale schedule": {"1"}, "sale stop-item": {"1", "1", "--reason", "r"}, "sale pause": {"1", "--reason", "r", "--yes"}, "sale resume": {"1"}, "sale end": {"1", "--reason", "r", "--yes"},
	"order list": {}, "order show": {"1"}, "order cancel": {"1", "--yes"}, "order fulfil": {"1"}, "refund list": {}, "refund create": {"1", "--reason", "r", "--yes"},
	"customer list": {}, "customer show": {"1"}, "customer block": {"1", "--reason", "r", "--yes"}, "customer unblock": {"1", "--yes"}, "customer signout": {"1", "--yes"},
	"import products": {"FILE"}, "export products": {"--out", "OUT"},
	"key create": {"--name", "n", "--role", "all"}, "key list": {}, "key revoke": {"1"},
	"deadletter list": {}, "deadletter show": {"1"}, "deadletter replay": {"1"}, "deadletter drop": {"1"},
	"webhook list": {}, "webhook show": {"1"}, "webhook create": {"https://example.com/", "--type", "*"}, "webhook pause": {"1"}, "webhook resume": {"1"},
	"webhook delete": {"1"}, "webhook retry": {"1", "1"}, "webhook rotate": {"1"},
	"audit": {}, "reconcile": {},
}

// unasked are the commands that ask no shop, or are tried as processes.
var unasked = []string{"serve", "config", "migrate up", "migrate status", "migrate", "drill", "token", "version", "webhook listen"}

// TestTerminal runs every command on a shop in which every text is hostile, with what it asked for and with refusals,
// and holds what is printed to lines of its own.
func TestTerminal(t *testing.T) {
	t.Parallel()
	for _, refusal := range []string{"", "conflict", hostile} {
		shop := hostileShop(t, refusal)
		file := filepath.Join(t.TempDir(), "products.csv")
		if err := os.WriteFile(file, []byte("handle,title,sku,price\na,A,A,1\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		printed := 0
		var walk func(c *cobra.Command)
		walk = func(c *cobra.Command) {
			for _, sub := range c.Commands() {
				walk(sub)
			}
			name := strings.TrimPrefix(c.CommandPath(), "tidegate ")
			args, known := asked[name]
			if c.HasSubCommands() || !known {
				for _, one := range append(unasked, "help", "completion") {
					known = known || strings.HasPrefix(name, one)
				}
				if !c.HasSubCommands() && !known {
					t.Errorf("tidegate %s: say in this test how it is called", name)
				}
				return
			}
			line := append(strings.Fields(name), "--target", shop, "--admin-key", "k")
			for _, a := range args {
				line = append(line, strings.NewReplacer("FILE", file, "OUT", file+".out").Replace(a))
			}
			_, out, errs := runTool(t, nil, line...)
			printed += len(out)
			for _, text := range []string{out, errs} {
				if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && r != '\t' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl) }) {
					t.Errorf("tidegate %s prints what a terminal obeys: %q", name, text)
				}
				for row := range strings.Lines(text) {
					if strings.HasPrefix(row, "FORGED") {
						t.Errorf("tidegate %s prints a row that another made: %q", name, text)
					}
				}
			}
		}
		walk(newRoot(&tool{}))
		if refusal == "" && printed < 2000 {
			t.Errorf("only %d bytes were printed", printed)
		}
	}
}

// hostileShop answers every request as the contract says, with hostile texts wherever it has any, or refuses them all with a code.
func hostileShop(t *testing.T, code string) string {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(api.Spec)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, _ *http.Request) {
				if code != "" {
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(http.StatusConflict)
					_ = json.NewEncoder(w).Encode(map[string]any{
						"type": hostile, "title": hostile, "status": 409, "detail": hostile, "code": code, "number": 4090, "field": hostile, "request_id": hostile,
					})
					return
				}
				for status := 200; status < 205; status++ {
					r := op.Responses.Status(status)
					if r == nil {
						continue
					}
					for kind, media := range r.Value.Content {
						w.Header().Set("Content-Type", kind)
						w.WriteHeader(status)
						_ = json.NewEncoder(w).Encode(answerOf(media.Schema.Value, 0))
						return
					}
					w.WriteHeader(status)
					return
				}
			})
		}
	}
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	return server.URL
}

// answerOf makes an answer of a schema: everything is there, and every text that has no form is hostile.
func answerOf(schema *openapi3.Schema, depth int) any {
	switch {
	case depth > 8:
		return nil
	case len(schema.AllOf) == 1:
		return answerOf(schema.AllOf[0].Value, depth)
	case schema.Type.Is("array"):
		return []any{answerOf(schema.Items.Value, depth+1)}
	case schema.Type.Is("object"):
		all := map[string]any{}
		for name, p := range schema.Properties {
			if name != "next_cursor" && name != "problem" && name != "progress" {
				all[name] = answerOf(p.Value, depth+1)
			}
		}
		return all
	case schema.Type.Is("boolean"):
		return true
	case schema.Type.Is("integer"):
		return 1
	case schema.Format == "date-time":
		return "2035-11-27T20:00:00.000Z"
	case strings.HasPrefix(schema.Pattern, "^[1-9]"):
		return "1"
	case schema.Pattern == "^[A-Z]{3}$":
		return "GBP"
	}
	return hostile
}
