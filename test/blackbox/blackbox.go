// Package blackbox drives a shop from outside, for the tests that meet the real binary: its command line, its HTTP
// interface and its data folder, and nothing else; a shop in the process of its test is internal/shoptest's. A test names a seed, a crowd and a moment; this package starts,
// stops and kills the process, asks as a shopper or an operator would, and holds the shop to what it has answered.
package blackbox

import (
	"crypto/sha256"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
)

// binary is the path of the built tidegate; see Main.
var binary string

// parallelFactor says how many tests of a package run at once for each processor: most of the time a black-box test waits for its
// shop, and its shop for the clock.
const parallelFactor = 3

// Main builds tidegate, runs the package's tests and exits. A package's TestMain calls it. flags are further flags of
// go build, such as -tags=crashpoints. Without any, BLACKBOX_BINARY may name a binary to test instead.
func Main(m *testing.M, flags ...string) {
	if err := build(flags); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		if err := flag.Set("test.parallel", strconv.Itoa(parallelFactor*runtime.GOMAXPROCS(0))); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

// build builds tidegate where the next package finds it as well: the go command leaves a binary alone that is what its sources make.
func build(flags []string) error {
	if binary = os.Getenv("BLACKBOX_BINARY"); binary != "" && len(flags) == 0 {
		return nil
	}
	root, err := filepath.Abs(root)
	if err != nil {
		return err
	}
	name := sha256.Sum256(fmt.Append(nil, os.Getuid(), root, flags))
	binary = filepath.Join(os.TempDir(), fmt.Sprintf("tidegate-blackbox-%x", name[:6]), "tidegate")
	if runtime.GOOS == "windows" {
		binary += ".exe"
	}
	command := exec.Command("go", slices.Concat([]string{"build", "-o", binary}, flags, []string{"github.com/tidegate/tidegate/cmd/tidegate"})...)
	if said, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("the binary cannot be built: %w\n%s", err, said)
	}
	return nil
}

// Binary returns the path of the built tidegate.
func Binary() string { return binary }

// root is where the sources are: tests run in the folder of their package.
const root = "../.."

// readSources looks at every folder that the binary is made of. The go command keeps the result of a test for as long as
// what its tests have looked at stays the same, and does not see what the build before them looks at.
var readSources = sync.OnceValue(func() error {
	for _, part := range []string{"api", "cmd", "internal"} {
		err := filepath.WalkDir(filepath.Join(root, part), func(_ string, _ fs.DirEntry, err error) error { return err })
		if err != nil {
			return fmt.Errorf("the sources cannot be read: %w", err)
		}
	}
	_, err := os.Stat(filepath.Join(root, "go.mod"))
	return err
})
