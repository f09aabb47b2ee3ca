package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestEveryBugCanBePlanted: the text that each bug replaces still stands where it says. Whether its test catches it is shown
// by running the command, which takes minutes.
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
