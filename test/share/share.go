// Package share says how much of a long test runs. In `go test` each runs its share of a few seconds, by a fixed seed;
// `go run ./test/torture` runs the same tests for as long as it is told, by other seeds, through the variables below.
package share

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// The environment variables that a long run sets.
const (
	VariableSeed   = "TORTURE_SEED"   // where the random numbers begin
	VariableCount  = "TORTURE_COUNT"  // how often: kills, seeds, histories
	VariableFolder = "TORTURE_FOLDER" // where data is kept; it stays there for whoever looks at a failure
)

// Seed returns the seed of this run: usual, unless a long run says otherwise.
func Seed(t testing.TB, usual uint64) uint64 {
	t.Helper()
	return number(t, VariableSeed, usual)
}

// Count returns how often a test repeats what it repeats: usual, unless a long run says otherwise.
func Count(t testing.TB, usual int) int {
	t.Helper()
	return int(number(t, VariableCount, uint64(usual)))
}

// Long reports whether this is part of a long run.
func Long() bool { return os.Getenv(VariableCount) != "" }

// Folder returns a folder for a test's data: one that is removed after the test, or in a long run one that is kept.
func Folder(t testing.TB) string {
	t.Helper()
	kept := os.Getenv(VariableFolder)
	if kept == "" {
		return t.TempDir()
	}
	folder := filepath.Join(kept, strings.ReplaceAll(t.Name(), "/", "-"))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	return folder
}

// Progress tells a long run how far a test is: count of what was done, such as "kills". It says nothing in `go test`.
func Progress(what string, count int) {
	if Long() {
		fmt.Printf("progress: %d %s\n", count, what)
	}
}

func number(t testing.TB, variable string, usual uint64) uint64 {
	t.Helper()
	text := os.Getenv(variable)
	if text == "" {
		return usual
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		t.Fatalf("%s=%q is no number", variable, text)
	}
	return n
}
