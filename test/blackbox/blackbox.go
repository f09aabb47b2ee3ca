// Package blackbox drives a shop from outside, for the tests that meet the real binary: its command line, its HTTP
// interface and its data folder, and nothing else. A test names a seed, a crowd and a moment; this package starts,
// stops and kills the process, asks as a shopper or an operator would, and holds the shop to what it has answered.
package blackbox

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/share"
)

// Patience bounds every wait for the shop. It is far beyond what a loaded machine needs, so that only a shop that hangs
// meets it: more in a long run, which may be stopped in between.
var Patience = func() time.Duration {
	if share.Long() {
		return 5 * time.Minute
	}
	return 2 * time.Minute
}()

// pollEvery is the pause between two looks at something that is waited for.
const pollEvery = 10 * time.Millisecond

// binary is the path of the built tidegate; see Main.
var binary string

// Main builds tidegate once, runs the package's tests and exits. A package's TestMain calls it. flags are further flags of
// go build, such as -tags=crashpoints. Without any, BLACKBOX_BINARY may name a binary to test instead.
func Main(m *testing.M, flags ...string) {
	code, err := buildAndRun(m, flags)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func buildAndRun(m *testing.M, flags []string) (code int, err error) {
	folder, err := os.MkdirTemp("", "tidegate-binary-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	if binary = os.Getenv("BLACKBOX_BINARY"); binary != "" && len(flags) == 0 {
		return m.Run(), nil
	}
	binary = filepath.Join(folder, "tidegate")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	build := exec.Command("go", slices.Concat([]string{"build", "-o", binary}, flags, []string{"github.com/tidegate/tidegate/cmd/tidegate"})...)
	if said, err := build.CombinedOutput(); err != nil {
		return 1, fmt.Errorf("the binary cannot be built: %w\n%s", err, said)
	}
	return m.Run(), nil
}

// Binary returns the path of the built tidegate.
func Binary() string { return binary }

// readSources looks at every folder that the binary is made of. The go command keeps the result of a test for as long as
// what its tests have looked at stays the same, and does not see what the build before them looks at.
var readSources = sync.OnceValue(func() error {
	const root = "../.." // tests run in the folder of their package
	for _, part := range []string{"api", "cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			return fmt.Errorf("the sources cannot be read: %w", err)
		}
	}
	_, err := os.Stat(filepath.Join(root, "go.mod"))
	return err
})

// Eventually waits until holds is true, and ends the test where that does not come to pass.
func Eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	deadline := time.Now().Add(Patience)
	for !holds() {
		if time.Now().After(deadline) {
			t.Fatalf("in %v it did not come to pass that %s", Patience, what)
		}
		time.Sleep(pollEvery)
	}
}
