// Package importrule holds the packages of the house to one direction: who may import whom, and which libraries belong
// to one room only. Its test checks the repository, so `go test ./...` fails on a violation.
//
// Test files are not held to it: a rule is tested against the real engine.
package importrule

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Module is the path all our packages begin with.
const Module = "github.com/tidegate/tidegate"

// The rooms. A package belongs to the room of the first folder below internal/; api and cmd are rooms of their own.
var (
	// modules lists, for each module, the modules below it. The chain is catalog, inventory, sale, order, payment;
	// account stands beside it, audit and rehearsal above it.
	modules = map[string][]string{
		"catalog":   {},
		"inventory": {"catalog"},
		"sale":      {"catalog", "inventory"},
		"order":     {"catalog", "inventory", "sale"},
		"payment":   {"catalog", "inventory", "sale", "order"},
		"rehearsal": {"catalog", "inventory", "sale", "order"},
		"account":   {"admission"},
		"admission": {},
		"setting":   {},
		"delivery":  {},
		"webhook":   {},
		"points":    {},
		"notify":    {},
		"audit":     {"catalog", "inventory", "sale", "order", "payment"},
	}
	adapters = []string{"store", "redis", "bus", "httpapi", "express", "rpc", "web"}
	// shared lists what the rooms that are neither module nor adapter may import.
	shared = map[string][]string{
		"kernel":     {},
		"wire":       {"kernel"},
		"telemetry":  {"kernel"},
		"importrule": {},
		"await":      {},
		"alloctest":  {},
		"api":        {"kernel"},
		"api/client": {},
		"drill":      {"kernel", "wire", "api"},
		// It reads and writes product files with the shop's own code, and prints reports with it.
		"adminclient": {"kernel", "api", "catalog", "audit"},
		"cmd":         {"app", "adminclient", "drill", "api", "kernel"},
	}
)

// forTests are the rooms that exist for tests alone. Only what stands beside the house, and the packages that are named *test,
// may import them from files that are no tests.
var forTests = []string{"await", "shoptest"}

// engines are the libraries that speak to an engine. Each belongs to the rooms named; no one else may import it.
var engines = map[string][]string{
	"database/sql":                   {"store", "test"},
	"modernc.org/sqlite":             {"store"},
	"github.com/pressly/goose":       {"store"},
	"github.com/go-sql-driver/mysql": {"store", "test"},
	"github.com/jackc/":              {"store", "test"},
	"github.com/redis/":              {"redis"},
	"github.com/rabbitmq/":           {"bus"},
	"github.com/nats-io/":            {"bus"},
	"github.com/twmb/":               {"bus", "test"},
	"github.com/valyala/fasthttp":    {"express", "drill"},
}

// wireNever are the HTTP libraries that wire, which serves several of them, must not know.
var wireNever = []string{"net/http", "github.com/valyala/fasthttp"}

// Violation is one import that breaks a rule.
type Violation struct {
	// File is the path of the importing file, Import what it imports, Why the rule.
	File, Import, Why string
}

// String implements fmt.Stringer: one line.
func (v Violation) String() string { return v.File + " imports " + v.Import + ": " + v.Why }

// Check reads the imports of every Go file below root and returns the violations, in the order of the files. It returns an
// error where a file cannot be read or parsed.
func Check(root fs.FS) ([]Violation, error) {
	var found []Violation
	err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			if base := path.Base(name); name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata") {
				return fs.SkipDir
			}
			return nil
		case !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		in, err := checkFile(root, name)
		found = append(found, in...)
		return err
	})
	return found, err
}

func checkFile(root fs.FS, name string) ([]Violation, error) {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return nil, err
	}
	file, err := parser.ParseFile(token.NewFileSet(), name, text, parser.ImportsOnly)
	if err != nil {
		return nil, fmt.Errorf("read the imports of %s: %w", name, err)
	}
	var found []Violation
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, fmt.Errorf("read the imports of %s: %w", name, err)
		}
		dir := path.Dir(name)
		if why := rule(room(dir), strings.HasSuffix(dir, "test"), imported); why != "" {
			found = append(found, Violation{name, imported, why})
		}
	}
	return found, nil
}

// room returns the room of a folder of the repository.
func room(dir string) string {
	parts := strings.Split(dir, "/")
	if dir == "api/client" {
		return dir // others import it: what it needs of ours they could not name
	}
	if parts[0] == "internal" && len(parts) > 1 {
		return parts[1]
	}
	return parts[0]
}

// rule returns why the room may not import the package, or nothing where it may. support says that the importing package is there for
// tests, as storetest is.
func rule(from string, support bool, imported string) string {
	ours, internal := strings.CutPrefix(imported, Module+"/")
	if !internal {
		return libraryRule(from, imported)
	}
	to := room(ours)
	switch {
	case from == to || to == "kernel" && (modules[from] != nil || slices.Contains(adapters, from)):
		return ""
	case from == "test":
		return "" // what stands beside the house may look at all of it
	case slices.Contains(forTests, to):
		if support {
			return ""
		}
		return to + " is for tests"
	case from == "shoptest":
		if to == "app" || to == "cmd" {
			return "shoptest is below app, whose own tests use it"
		}
		return ""
	case from == "app":
		if to == "cmd" {
			return "app is below cmd"
		}
		return ""
	case modules[from] != nil:
		return moduleRule(from, to)
	case slices.Contains(adapters, from):
		return adapterRule(to)
	}
	allowed, known := shared[from]
	switch {
	case !known:
		return "the folder " + from + " is in no table of the import rules: say there what it may import"
	case slices.Contains(allowed, to):
		return ""
	case len(allowed) == 0:
		return from + " imports nothing of ours"
	default:
		return from + " imports only " + strings.Join(allowed, ", ")
	}
}

func moduleRule(from, to string) string {
	switch {
	case slices.Contains(modules[from], to):
		return ""
	case modules[to] != nil:
		return "the module " + to + " is not below " + from
	default:
		return "a module imports the kernel and the modules below it"
	}
}

func adapterRule(to string) string {
	switch {
	case modules[to] != nil, to == "wire", to == "telemetry", to == "api":
		return ""
	case slices.Contains(adapters, to):
		return "an adapter never imports another"
	default:
		return "an adapter imports modules, kernel, wire, telemetry and the contract"
	}
}

func libraryRule(from, imported string) string {
	if from == "wire" && slices.Contains(wireNever, imported) {
		return "wire knows no HTTP library"
	}
	for prefix, rooms := range engines {
		belongs := imported == prefix || strings.HasPrefix(imported, strings.TrimSuffix(prefix, "/")+"/")
		// Values that know how to be a column say so with database/sql/driver.
		if belongs && imported != "database/sql/driver" && !slices.Contains(rooms, from) {
			return "it belongs to " + strings.Join(rooms, " and ")
		}
	}
	return ""
}
