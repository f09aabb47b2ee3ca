package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// testsOf returns the text of a package's tests.
func testsOf(t *testing.T, folder string) string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	return all.String()
}

// TestEveryBugCanBePlanted: the text that each bug replaces still stands where it says, and there is a test of the name that
// is to catch it. Whether it does is shown by running the command, which takes minutes.
func TestEveryBugCanBePlanted(t *testing.T) {
	if len(bugs) < 20 {
		t.Errorf("there are %d bugs, fewer than 20", len(bugs))
	}
	seen := map[string]bool{}
	for _, b := range bugs {
		if seen[b.name] {
			t.Errorf("%q is there twice", b.name)
		}
		seen[b.name] = true
		if tests := testsOf(t, b.folder); !slices.ContainsFunc(strings.Split(b.run, "|"), func(name string) bool {
			name, _, _ = strings.Cut(name, "/")
			return strings.Contains(tests, "func "+name+"(")
		}) {
			t.Errorf("%s: %s has no test %s", b.name, b.folder, b.run)
		}
		texts := map[string]string{}
		for _, e := range b.edits {
			if _, read := texts[e.file]; !read {
				text, err := os.ReadFile(filepath.Join("../..", e.file))
				if err != nil {
					t.Fatal(err)
				}
				texts[e.file] = string(text)
			}
			changed, err := e.apply(texts[e.file])
			if err != nil {
				t.Errorf("%s: %v", b.name, err)
			}
			texts[e.file] = changed
		}
	}
}
