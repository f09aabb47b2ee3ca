// Command planted is the tests' own test. It plants one bug at a time in a copy of the repository, runs the test that is named
// for it, and expects that to fail. A bug that survives is a hole in the tests; planted then exits with 1.
//
//	go run ./test/planted                     every bug, with a table at the end
//	go run ./test/planted -only "limit"       those whose name contains the word
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// bug is a change that must not go unnoticed.
type bug struct {
	name  string
	edits []edit
	// folder and run are the package and the test that catches it.
	folder, run string
}

// edit replaces a text that stands once in a file.
type edit struct{ file, old, new string }

// result is what the test said of a bug.
type result struct {
	bug
	caught bool
	why    string // what of the test failed, or why it could not be tried
	took   time.Duration
}

func main() {
	only := flag.String("only", "", "plant the bugs alone whose name contains this")
	flag.Parse()
	copied, err := os.MkdirTemp("", "tidegate-planted-")
	if err == nil {
		err = copyRepository(copied)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var results []result
	survivors := 0
	for i, b := range bugs {
		if !strings.Contains(b.name, *only) {
			continue
		}
		fmt.Printf("%2d/%d  %s: ", i+1, len(bugs), b.name)
		r := try(copied, b)
		word := "caught by " + r.why
		if !r.caught {
			word = "SURVIVES: " + r.why
			survivors++
		}
		fmt.Printf("%s (%v)\n", word, r.took.Round(time.Second))
		results = append(results, r)
	}
	table(os.Stdout, results)
	_ = os.RemoveAll(copied)
	if survivors > 0 || len(results) == 0 {
		os.Exit(1)
	}
}

// copyRepository copies the files that git knows to a folder, as they are now.
func copyRepository(to string) error {
	root, err := exec.Command("git", "rev-parse", "--show-toplevel").Output()
	if err != nil {
		return err
	}
	from := strings.TrimSpace(string(root))
	list := exec.Command("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = from
	names, err := list.Output()
	if err != nil {
		return err
	}
	for _, name := range strings.Split(strings.Trim(string(names), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join(from, name))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, and not yet committed
		}
		if err == nil {
			err = os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), text, 0o600)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// try plants a bug, runs its test, and takes the bug out again.
func try(root string, b bug) (r result) {
	began := time.Now()
	r.bug = b
	defer func() { r.took = time.Since(began) }()
	undo, err := plant(root, b)
	defer undo()
	if err != nil {
		r.why = err.Error()
		return r
	}
	c := exec.Command("go", "test", "-count=1", "-timeout=5m", "-failfast", "-run", b.run, b.folder)
	c.Dir = root
	out, err := c.CombinedOutput()
	switch {
	case bytes.Contains(out, []byte("no tests to run")):
		r.why = "there is no such test"
	case err == nil:
		r.why = "the test passes"
	case bytes.Contains(out, []byte("[build failed]")) || !bytes.Contains(out, []byte("--- FAIL")) && !bytes.Contains(out, []byte("panic:")):
		r.why = "it cannot be tried: " + string(out[:min(len(out), 400)])
	default:
		r.caught, r.why = true, failed(string(out), b.run)
	}
	return r
}

// failed returns the first test that failed.
func failed(out, usual string) string {
	name := usual
	for line := range strings.Lines(out) {
		if rest, is := strings.CutPrefix(strings.TrimSpace(line), "--- FAIL: "); is {
			name, _, _ = strings.Cut(rest, " (")
		}
	}
	return name
}

// plant makes a bug's edits. undo puts the files back; it may be called after any outcome.
func plant(root string, b bug) (undo func(), err error) {
	var undos []func()
	undo = func() {
		for i := len(undos) - 1; i >= 0; i-- {
			undos[i]()
		}
	}
	for _, e := range b.edits {
		path := filepath.Join(root, e.file)
		text, err := os.ReadFile(path)
		if err != nil {
			return undo, err
		}
		changed, err := e.apply(string(text))
		if err != nil {
			return undo, err
		}
		if err := os.WriteFile(path, []byte(changed), 0o600); err != nil {
			return undo, err
		}
		undos = append(undos, func() { _ = os.WriteFile(path, text, 0o600) })
	}
	return undo, nil
}

// apply makes the edit in a file's text. It returns an error where the text does not stand there once.
func (e edit) apply(text string) (string, error) {
	if n := strings.Count(text, e.old); n != 1 {
		return "", fmt.Errorf("%s holds %q %d times, not once: the bug has to be told anew", e.file, e.old, n)
	}
	return strings.Replace(text, e.old, e.new, 1), nil
}

func table(to io.Writer, results []result) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\nbug\ttest\tresult")
	caught := 0
	for _, r := range results {
		word := "caught"
		if r.caught {
			caught++
		} else {
			word = "SURVIVES"
		}
		_, _ = fmt.Fprintf(w, "%s\t%s %s\t%s\n", r.name, r.folder, r.run, word)
	}
	_, _ = fmt.Fprintf(w, "%d of %d caught\n", caught, len(results))
	_ = w.Flush() // it is the terminal
}
