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
	"github.com/tidegate/tidegate/internal/kernel/crashpoint"
)

var (
	quotedSetting = regexp.MustCompile("`([a-z]+(?:\\.[a-z_]+)+)(?::[^`]*)?`")
	environment   = regexp.MustCompile(`\bTIDEGATE_[A-Z_]+\b`)
	metric        = regexp.MustCompile(`\btidegate_[a-z]+_[a-z_]+`)
	instrument    = regexp.MustCompile(`"(tidegate\.[a-z_.]+)"`)
)

// pages returns the text of the pages for people, by name.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	names, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range append(names, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		all[filepath.Base(name)] = string(text)
	}
	return all
}

// TestSettings: every setting that a page names is one, by its key or its variable.
func TestSettings(t *testing.T) {
	t.Parallel()
	list, err := settings.Flags(app.DefaultConfig())
	if err != nil {
		t.Fatal(err)
	}
	known, groups := map[string]bool{}, map[string]bool{}
	for _, one := range list {
		known[one.Path] = true
		known["TIDEGATE_"+strings.ToUpper(strings.NewReplacer(".", "_").Replace(one.Path))] = true
		group, _, _ := strings.Cut(one.Path, ".")
		groups[group] = true
	}
	for _, other := range []string{"TIDEGATE_CONFIG", "TIDEGATE_TARGET", "TIDEGATE_ADMIN_KEY"} {
		known[other] = true
	}
	for _, point := range append(crashpoint.Points(), crashpoint.QueuePoints()...) { // pages name moments, too
		known[string(point)] = true
		moment, _, _ := strings.Cut(string(point), ".before") // bus.deliver: of all its points
		known[moment] = true
	}
	checked := 0
	for page, text := range pages(t) {
		names := environment.FindAllString(text, -1)
		for _, m := range quotedSetting.FindAllStringSubmatch(text, -1) {
			group, rest, _ := strings.Cut(m[1], ".")
			if groups[group] && !strings.HasSuffix(rest, ".go") && !strings.HasSuffix(rest, ".json") && !strings.HasSuffix(rest, ".md") && rest != "key" {
				names = append(names, m[1])
			}
		}
		for _, name := range names {
			checked++
			if !known[name] && !strings.HasPrefix(name, "TIDEGATE_TEST") {
				t.Errorf("%s names the setting %s, which there is not", page, name)
			}
		}
	}
	if checked < 50 {
		t.Errorf("only %d settings were checked", checked)
	}
}

// TestMetrics: every metric that a page names is made somewhere. The exporter writes dots as underscores and adds the unit.
func TestMetrics(t *testing.T) {
	t.Parallel()
	made := map[string]bool{}
	err := filepath.WalkDir(filepath.Join(root, "internal"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range instrument.FindAllStringSubmatch(string(text), -1) {
			made[strings.ReplaceAll(m[1], ".", "_")] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for page, text := range pages(t) {
		for _, name := range metric.FindAllString(text, -1) {
			checked++
			known := strings.HasSuffix(name, "_") // of several: tidegate_loop_*
			for one := range made {
				known = known || name == one || strings.HasPrefix(name, one+"_")
			}
			if !known {
				t.Errorf("%s names the metric %s, which nothing makes", page, name)
			}
		}
	}
	if checked < 25 {
		t.Errorf("only %d metrics were checked", checked)
	}
}
