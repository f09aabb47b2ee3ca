// Command busy is the tests' test of themselves: it runs them again and again while other processes burn every core, shows how
// far it is, and ends with a table of the runs. A test that a busy machine can break is a defect of the test; busy then
// exits with 1.
//
//	go run ./test/busy                              ten runs of go test ./... beside two burners
//	go run ./test/busy -runs 3 ./internal/app       three of one package
//	go run ./test/busy -run TestLanes ./internal/app
//
// The shop's binary, which the black-box tests drive, is built once for all runs; nothing else is kept between them.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// burnVariable makes a process a burner: see burn.
const burnVariable = "TIDEGATE_BUSY_BURN"

// options are what the command line says.
type options struct {
	runs, burners int
	run           string        // of go test: the tests whose name matches
	timeout       time.Duration // of a package; no test means to test it
	folder        string        // where the output of the runs is kept
	packages      []string
}

func main() {
	if os.Getenv(burnVariable) != "" {
		burn(os.Stdin)
		return
	}
	var o options
	flag.IntVar(&o.runs, "runs", 10, "how often the tests run")
	flag.IntVar(&o.burners, "burners", 2, "how many processes burn a core each meanwhile")
	flag.StringVar(&o.run, "run", "", "run the tests alone whose name matches, as in go test")
	flag.DurationVar(&o.timeout, "timeout", time.Hour, "end a package that takes longer")
	flag.StringVar(&o.folder, "folder", filepath.Join(os.TempDir(), "tidegate-busy"), "where the output of each run is kept")
	flag.Parse()
	o.packages = flag.Args()
	if len(o.packages) == 0 {
		o.packages = []string{"./..."}
	}
	passed, err := busy(o, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if !passed {
		os.Exit(1)
	}
}

// busy runs the tests beside the burners and reports whether every run passed.
func busy(o options, out io.Writer) (passed bool, err error) {
	if o.runs < 1 {
		return false, errors.New("-runs is less than 1")
	}
	if err := os.MkdirAll(o.folder, 0o700); err != nil {
		return false, err
	}
	binary := filepath.Join(o.folder, "tidegate")
	if said, err := exec.Command("go", "build", "-o", binary, "github.com/tidegate/tidegate/cmd/tidegate").CombinedOutput(); err != nil {
		return false, fmt.Errorf("the shop cannot be built: %w\n%s", err, said)
	}
	stopBurning, err := startBurners(o.burners)
	if err != nil {
		return false, err
	}
	defer stopBurning()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	var done []result
	for n := 1; n <= o.runs; n++ {
		r, interrupted, err := once(o, n, binary, out, stop)
		if err != nil {
			return false, err
		}
		done = append(done, r)
		if interrupted {
			break
		}
	}
	table(out, done)
	return len(done) == o.runs && !slices.ContainsFunc(done, func(r result) bool { return !r.passed() }), nil
}

// once runs the tests once.
func once(o options, n int, binary string, out io.Writer, stop <-chan os.Signal) (r result, interrupted bool, err error) {
	path := filepath.Join(o.folder, fmt.Sprintf("run-%d.json", n))
	kept, err := os.Create(path)
	if err != nil {
		return r, false, err
	}
	defer func() { err = errors.Join(err, kept.Close()) }()
	args := []string{"test", "-json", "-count=1", "-timeout=" + o.timeout.String()}
	if o.run != "" {
		args = append(args, "-run", o.run)
	}
	command := exec.Command("go", append(args, o.packages...)...)
	command.Env = append(os.Environ(), "BLACKBOX_BINARY="+binary)
	command.Stderr = out
	events, err := command.StdoutPipe()
	if err != nil {
		return r, false, err
	}
	began := time.Now()
	if err := command.Start(); err != nil {
		return r, false, err
	}
	ended, cut := make(chan struct{}), make(chan bool, 1)
	go func() {
		select {
		case <-stop:
			_ = command.Process.Signal(os.Interrupt)
			cut <- true
		case <-ended:
			cut <- false
		}
	}()
	fmt.Fprintf(out, "== run %d of %d; its output goes to %s\n", n, o.runs, path)
	r, err = read(io.TeeReader(events, kept), func(line string) {
		fmt.Fprintf(out, "   %6.0f s  %s\n", time.Since(began).Seconds(), line)
	})
	r.ended = command.Wait()
	r.took = time.Since(began)
	close(ended)
	return r, <-cut, err
}

// startBurners starts processes that burn a core each, and returns what ends them. They end by themselves where this process is gone.
func startBurners(n int) (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	var ends []func()
	stop = func() {
		for _, end := range ends {
			end()
		}
	}
	for range n {
		burner := exec.Command(self)
		burner.Env = append(os.Environ(), burnVariable+"=1", "GOMAXPROCS=2") // one burns, the other hears of the end
		pipe, err := burner.StdinPipe()
		if err == nil {
			err = burner.Start()
		}
		if err != nil {
			stop()
			return nil, fmt.Errorf("a burner cannot be started: %w", err)
		}
		ends = append(ends, func() {
			_ = pipe.Close()
			_ = burner.Wait()
		})
	}
	return stop, nil
}

// burn keeps a core busy until from ends.
func burn(from io.Reader) {
	go func() {
		_, _ = io.Copy(io.Discard, from)
		os.Exit(0)
	}()
	for n := uint64(1); n != 0; n *= 6364136223846793005 { // odd times odd is odd: never zero
	}
}
