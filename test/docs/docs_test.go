// Package docs holds the documentation to the code: what a page names must be there.
package docs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

const root = "../.."

var (
	quoted   = regexp.MustCompile("`([^`\n]+)`")
	file     = regexp.MustCompile(`^(?:internal|cmd|api|test|docs)/[\w./-]+$`)
	exported = regexp.MustCompile(`^[A-Za-z]\w*$`)
	setting  = regexp.MustCompile(`koanf:"(\w+)"`)
	table    = regexp.MustCompile(`(?m)^CREATE TABLE (?:IF NOT EXISTS )?(\w+)`)
	link     = regexp.MustCompile(`\]\(([^)#:]+)(?:#[^)]*)?\)`)
)

// words are quoted in the tour and are no names of the code.
var words = map[string]bool{"code": true}

// TestTour: every file that the tour names exists, and every name is declared somewhere in the code.
func TestTour(t *testing.T) {
	declared := declarations(t)
	text, err := os.ReadFile(filepath.Join(root, "docs/tour.md"))
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, m := range quoted.FindAllStringSubmatch(string(text), -1) {
		name := m[1]
		switch {
		case file.MatchString(name):
			if _, err := os.Stat(filepath.Join(root, name)); err != nil {
				t.Errorf("the tour names %s, which is not there", name)
			}
		case exported.MatchString(name) && !words[name]:
			if !declared[name] {
				t.Errorf("the tour names %s, which no code declares", name)
			}
		default:
			continue
		}
		checked++
	}
	if checked < 40 {
		t.Errorf("only %d names were checked: has the tour changed its form?", checked)
	}
}

// TestLinks: every relative link of every page leads somewhere.
func TestLinks(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "CHANGELOG.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(page), m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", page, m[1])
			}
		}
	}
}

// TestTables: the page on architecture names every table that the migrations make.
func TestTables(t *testing.T) {
	page, err := os.ReadFile(filepath.Join(root, "docs/architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	migrations, err := filepath.Glob(filepath.Join(root, "internal/store/migrations/*/*.sql"))
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, migration := range migrations {
		text, err := os.ReadFile(migration)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range table.FindAllStringSubmatch(string(text), -1) {
			made++
			if !strings.Contains(string(page), "`"+m[1]+"`") {
				t.Errorf("%s makes the table %s, which docs/architecture.md does not name", filepath.Base(migration), m[1])
			}
		}
	}
	if made < 15 {
		t.Errorf("only %d tables were found: have the migrations changed their form?", made)
	}
}

// declarations returns the names that the Go code below internal and cmd declares at the top level, methods and fields
// included, and the keys of settings.
func declarations(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for _, dir := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			parsed, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			ast.Inspect(parsed, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.FuncDecl:
					names[n.Name.Name] = true
					return false
				case *ast.TypeSpec:
					names[n.Name.Name] = true
				case *ast.ValueSpec:
					for _, name := range n.Names {
						names[name.Name] = true
					}
				case *ast.Field:
					for _, name := range n.Names {
						names[name.Name] = true
					}
					if n.Tag != nil {
						if m := setting.FindStringSubmatch(n.Tag.Value); m != nil {
							names[m[1]] = true
						}
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return names
}
