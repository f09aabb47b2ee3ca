package browser

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tidegate/tidegate/test/engine"
)

// axeVersion is the axe-core that pages are held to: https://github.com/dequelabs/axe-core.
const axeVersion = "4.14.1"

// axe returns axe-core's script. It comes from the npm registry and is kept in the user's cache, not in the repository.
var axe = sync.OnceValues(func() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, "tidegate-test")
	kept := filepath.Join(folder, "axe-"+axeVersion+".min.js")
	if text, err := os.ReadFile(kept); err == nil {
		return string(text), nil
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	npm := exec.Command("npm", "pack", "--silent", "axe-core@"+axeVersion)
	npm.Dir = folder
	said, err := npm.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("npm pack axe-core@%s: %w\n%s", axeVersion, err, said)
	}
	text, err := unpacked(filepath.Join(folder, "axe-core-"+axeVersion+".tgz"), "package/axe.min.js")
	if err != nil {
		return "", err
	}
	return string(text), os.WriteFile(kept, text, 0o600)
})

// unpacked returns one file of a packed folder.
func unpacked(archive, name string) ([]byte, error) {
	f, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	zipped, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	for packed := tar.NewReader(zipped); ; {
		header, err := packed.Next()
		if errors.Is(err, io.EOF) {
			return nil, fmt.Errorf("%s has no %s", archive, name)
		}
		if err != nil {
			return nil, err
		}
		if header.Name == name {
			return io.ReadAll(packed)
		}
	}
}

// axeScript returns axe-core. Without it the test skips, in CI it fails.
func axeScript(t *testing.T) string {
	t.Helper()
	script, err := axe()
	if err != nil {
		engine.Missing(t, "axe-core cannot be had: %v", err)
	}
	return script
}

// violation is a rule of axe-core that a page breaks, and where.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// Accessible holds the page to axe-core's rules: to all of them, or where some are named to these.
func (s *Shopper) Accessible(name string, rules ...string) {
	s.t.Helper()
	if !eval[bool](s, "window.axe !== undefined") {
		eval[bool](s, "(()=>{"+axeScript(s.t)+"\n;return true})()")
	}
	only := ""
	if len(rules) > 0 {
		only = `runOnly: ["` + strings.Join(rules, `", "`) + `"],`
	}
	for _, v := range eval[[]violation](s, `axe.run(document, {`+only+` resultTypes: ["violations"]}).then(r => r.violations)`) {
		var where []string
		for _, n := range v.Nodes {
			where = append(where, n.HTML+"\n    "+n.Summary)
		}
		s.t.Errorf("%s: %s (%s):\n  %s", name, v.Help, v.ID, strings.Join(where, "\n  "))
	}
}
