package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/tidegate/tidegate/internal/app"
	"github.com/tidegate/tidegate/internal/app/settings"
	"github.com/tidegate/tidegate/internal/kernel/fault"
)

var (
	command    = regexp.MustCompile("(?:^|[\\s`(;&|=])(?:go run \\./cmd/)?tidegate ([a-z][^`#\n;&|)]*)")
	fenced     = regexp.MustCompile("(?s)```.*?```")
	inline     = regexp.MustCompile("`([^`\n]+)`")
	longFlag   = regexp.MustCompile(`--([a-z][a-z0-9._-]*)`)
	helpFlag   = regexp.MustCompile(`(?m)^ +(?:-\w, )?--([a-z][a-z0-9-]*)`)
	refusal    = regexp.MustCompile(`\b([345]\d\d) ([a-z]+(?:_[a-z]+)*)\b`)
	route      = regexp.MustCompile(`(?:(GET|POST|PUT|PATCH|DELETE) )?(/v1/[a-z0-9_/{}$A-Z.-]*)`)
	contract   = regexp.MustCompile(`(?m)^  (/\S+):$`)
	testName   = regexp.MustCompile(`^(?:Test|Benchmark|Fuzz)[A-Z]\w*`)
	testFunc   = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)\(`)
	ourFile    = regexp.MustCompile(`^(?:internal|cmd|api|test|docs)/[\w./-]+$`)
	inPackage  = regexp.MustCompile(`^[a-z]+/[a-z_/]+\.go$`)
	heading    = regexp.MustCompile(`(?m)^#+ (.+)$`)
	anchorLink = regexp.MustCompile(`\]\(([^)#:]*)#([^)]+)\)`)
)

// everyPage returns pages, decisions, the security page and the help of every command, by their paths.
func everyPage(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/adr/*.md", "cmd/tidegate/testdata/help/*.txt"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			path, err := filepath.Rel(root, name)
			if err != nil {
				t.Fatal(err)
			}
			if path != "CHANGELOG.md" && !strings.Contains(string(text), "\nReplaced by [ADR") { // they name what was
				all[path] = string(text)
			}
		}
	}
	return all
}

// TestCommands: every command line that a page shows names a command, and flags that the command takes.
func TestCommands(t *testing.T) {
	t.Parallel()
	helps, err := filepath.Glob(filepath.Join(root, "cmd/tidegate/testdata/help/*.txt"))
	if err != nil {
		t.Fatal(err)
	}
	flags := map[string]map[string]bool{}
	for _, name := range helps {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		takes := map[string]bool{}
		for _, m := range helpFlag.FindAllStringSubmatch(string(text), -1) {
			takes[m[1]] = true
		}
		flags[strings.ReplaceAll(strings.TrimSuffix(filepath.Base(name), ".txt"), "-", " ")] = takes
	}
	flags["tidegate sale stop-item"] = flags["tidegate sale stop item"]
	list, err := settings.Flags(app.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	setting := map[string]bool{}
	for _, one := range list {
		setting[one.Path] = true
	}
	checked := 0
	for page, text := range everyPage(t) {
		code := ""
		if strings.HasSuffix(page, ".txt") {
			code = text
		} else {
			for _, block := range fenced.FindAllString(text, -1) {
				code += strings.ReplaceAll(block, "\\\n", " ") + "\n"
			}
			for _, m := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
				code += "`" + m[1] + "`\n"
			}
		}
		for _, m := range command.FindAllStringSubmatch(code, -1) {
			words := strings.Fields(m[1])
			name := "tidegate"
			for len(words) > 0 && flags[name+" "+words[0]] != nil {
				name, words = name+" "+words[0], words[1:]
			}
			if name == "tidegate" {
				if !strings.HasSuffix(page, ".txt") { // help has prose
					t.Errorf("%s shows %q, which is no command", page, m[0])
				}
				continue
			}
			checked++
			for _, f := range longFlag.FindAllStringSubmatch(strings.Join(words, " "), -1) {
				if !flags[name][f[1]] && !setting[f[1]] && f[1] != "help" {
					t.Errorf("%s gives %q the flag --%s, which it does not take", page, name, f[1])
				}
			}
		}
	}
	if checked < 150 {
		t.Errorf("only %d commands were checked", checked)
	}
}

// TestCodes: where a page writes a status and a code, the code has that status.
func TestCodes(t *testing.T) {
	t.Parallel()
	status := map[string]int{}
	for _, c := range fault.Codes() {
		status[c.Row().Slug] = c.Row().Status
	}
	numbers := map[string]int{}
	for slug, n := range status {
		numbers[strings.Join([]string{itoa(n), slug}, " ")] = n
	}
	checked := 0
	for page, text := range everyPage(t) {
		for _, m := range refusal.FindAllStringSubmatch(text, -1) {
			if _, is := status[m[2]]; !is && !strings.Contains(m[2], "_") {
				continue // a word behind a number
			}
			checked++
			if _, right := numbers[m[1]+" "+m[2]]; !right {
				t.Errorf("%s says %q; the table of faults says %d", page, m[0], status[m[2]])
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d codes were checked", checked)
	}
}

func itoa(n int) string {
	return string([]byte{byte('0' + n/100), byte('0' + n/10%10), byte('0' + n%10)})
}

// TestRoutes: every address of the API that a page names is one of the contract.
func TestRoutes(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(filepath.Join(root, "api/openapi.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var known []*regexp.Regexp
	for _, m := range contract.FindAllStringSubmatch(string(text), -1) {
		one := regexp.MustCompile(`\{[^}]+\}`).ReplaceAllString(m[1], `[^/]+`)
		known = append(known, regexp.MustCompile("^"+one+"$"))
	}
	checked := 0
	for page, text := range everyPage(t) {
		text = strings.NewReplacer("[0-9]+", "1", "(/orders)?", "/orders", "\\", "").Replace(text) // of a proxy's patterns
		for _, m := range route.FindAllStringSubmatch(text, -1) {
			address := strings.TrimRight(m[2], "/.$")
			is := address == "/v1" || strings.HasSuffix(m[2], "...")
			for _, k := range known {
				is = is || k.MatchString(address)
			}
			checked++
			if !is && !strings.HasPrefix(address, "/v1//") && !strings.Contains(address, "/products/1") {
				t.Errorf("%s names %s, which the contract does not have", page, address)
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d addresses were checked", checked)
	}
}

// TestNamedTests: every test, benchmark and file of ours that a page names is there.
func TestNamedTests(t *testing.T) {
	t.Parallel()
	tests, files := map[string]bool{}, []string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") {
			return err
		}
		files = append(files, filepath.ToSlash(path))
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range testFunc.FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for page, text := range everyPage(t) {
		if strings.HasSuffix(page, ".txt") {
			continue
		}
		for _, m := range inline.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			name := strings.TrimSuffix(m[1], "/")
			switch {
			case testName.MatchString(name) && !strings.HasSuffix(name, "…"):
				checked++
				if function := testName.FindString(name); !tests[function] {
					t.Errorf("%s names %s, which there is not", page, function)
				}
			case ourFile.MatchString(name):
				checked++
				if _, err := os.Stat(filepath.Join(root, name)); err != nil {
					t.Errorf("%s names %s, which is not there", page, name)
				}
			case inPackage.MatchString(name): // store/locks.go: without internal
				checked++
				is := false
				for _, f := range files {
					is = is || strings.HasSuffix(f, "/"+name)
				}
				if !is {
					t.Errorf("%s names the file %s, which is not there", page, name)
				}
			}
		}
	}
	if checked < 100 {
		t.Errorf("only %d names were checked", checked)
	}
}

// TestAnchors: a link into a page leads to a heading of it.
func TestAnchors(t *testing.T) {
	t.Parallel()
	all := everyPage(t)
	anchors := map[string]map[string]bool{}
	for page, text := range all {
		anchors[page] = map[string]bool{}
		for _, m := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
			plain := regexp.MustCompile("[^a-z0-9 _-]").ReplaceAllString(strings.ToLower(m[1]), "")
			anchors[page][strings.ReplaceAll(plain, " ", "-")] = true
		}
	}
	checked := 0
	for page, text := range all {
		for _, m := range anchorLink.FindAllStringSubmatch(text, -1) {
			target := page
			if m[1] != "" {
				target = filepath.Join(filepath.Dir(page), m[1])
			}
			checked++
			if anchors[target] != nil && !anchors[target][m[2]] {
				t.Errorf("%s links to #%s, which is no heading of %s", page, m[2], target)
			}
		}
	}
	if checked < 2 {
		t.Errorf("only %d links were checked", checked)
	}
}
