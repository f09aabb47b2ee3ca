// Command torture runs the long tests of the shop by seed and duration: kills at every named moment, simulated seeds,
// histories, state machines and fuzzing. It shows how far it is, and ends with a table. A part that fails leaves a folder with its seed, its
// log, its data and the command that repeats it; torture then exits with 1.
//
//	go run ./test/torture                     a full run: what docs/reliability.md tells the figures of
//	go run ./test/torture -part simulation    one part of it
//	go run ./test/torture -share 0.1 -seed 7  a tenth of a full run, by another seed
package main

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"github.com/tidegate/tidegate/test/share"
)

// part is a test that a long run repeats.
type part struct {
	name, folder, run string
	// program says that the folder holds a program, which is run as a whole.
	program bool
	// parallel is how many of its tests run at once: more than there are processors where they wait most of the time.
	parallel int
	// count is how much of it a full run does, in units; zero where fuzz says how long.
	count int
	units string
	fuzz  time.Duration
}

// outcome is what became of a part.
type outcome struct {
	part
	count  int
	took   time.Duration
	failed string // the folder that a failure has left
}

func main() {
	seed := flag.Uint64("seed", uint64(time.Now().UnixNano())%1_000_000, "where the random numbers begin")
	only := flag.String("part", "", "run the parts alone whose name begins with one of these, such as simulation,fuzz")
	portion := flag.Float64("share", 1, "how much of a full run, such as 0.1")
	duration := flag.Duration("duration", 0, "go on with further seeds until so much time has passed")
	folder := flag.String("folder", filepath.Join(os.TempDir(), "tidegate-torture"), "where failures are kept")
	flag.Parse()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	t := torture{folder: *folder, portion: *portion, stop: stop}
	began := time.Now()
	for ; ; *seed += 1_000_003 {
		if !t.round(*seed, *only) || *duration <= time.Since(began) {
			break
		}
	}
	t.table(os.Stdout)
	if t.failures() > 0 || len(t.done) == 0 {
		os.Exit(1)
	}
}

// torture is a run.
type torture struct {
	folder  string
	portion float64
	stop    chan os.Signal
	done    []outcome
}

// round runs every part once; false where it was interrupted.
func (t *torture) round(seed uint64, only string) bool {
	for _, p := range parts {
		if !slices.ContainsFunc(strings.Split(only, ","), func(begin string) bool { return strings.HasPrefix(p.name, begin) }) {
			continue
		}
		if !t.try(p, seed) {
			return false
		}
	}
	return true
}

// try runs a part.
func (t *torture) try(p part, seed uint64) bool {
	kept := filepath.Join(t.folder, fmt.Sprintf("%s-%d", p.name, seed))
	if err := os.MkdirAll(kept, 0o700); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	count := max(1, int(float64(p.count)*t.portion))
	args := []string{"test", "-count=1", "-timeout=0", "-v", "-run", p.run, p.folder}
	if p.parallel > 0 {
		args = append(args, "-parallel="+strconv.Itoa(p.parallel))
	}
	if p.program {
		args = []string{"run", p.folder}
	}
	if p.fuzz > 0 {
		args = []string{"test", "-run", "^$", "-fuzz", p.run, "-fuzztime", time.Duration(float64(p.fuzz) * t.portion).String(), p.folder}
	}
	env := []string{
		share.VariableSeed + "=" + strconv.FormatUint(seed, 10), share.VariableCount + "=" + strconv.Itoa(count), share.VariableFolder + "=" + kept,
	}
	command := strings.Join(env, " ") + " go " + strings.Join(args, " ")
	fmt.Printf("== %s, seed %d\n", p.name, seed)
	began := time.Now()
	err := t.carryOut(exec.Command("go", args...), env, filepath.Join(kept, "log"), p.program)
	o := outcome{part: p, count: count, took: time.Since(began).Round(time.Second)}
	select {
	case <-t.stop:
		return false
	default:
	}
	if err == nil {
		_ = os.RemoveAll(kept) // what did not fail is of no interest
	} else {
		o.failed = kept
		text := fmt.Sprintf("seed %d\n%s\n", seed, command)
		if err := os.WriteFile(filepath.Join(kept, "repeat"), []byte(text), 0o600); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		fmt.Printf("FAILED (%v): %s\nrepeat it with:\n  %s\n", err, kept, command)
	}
	t.done = append(t.done, o)
	return true
}

// carryOut runs a command, shows its progress, or every line where all of them are that, and keeps all it says.
func (t *torture) carryOut(c *exec.Cmd, env []string, log string, all bool) error {
	file, err := os.Create(log)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // it is a log: what is missing of it is no failure
	c.Env = append(os.Environ(), env...)
	c.Stderr = file
	out, err := c.StdoutPipe()
	if err != nil {
		return err
	}
	if err := c.Start(); err != nil {
		return err
	}
	began := time.Now()
	lines := bufio.NewReader(io.TeeReader(out, file))
	for {
		line, err := lines.ReadString('\n')
		if said, is := strings.CutPrefix(line, "progress: "); is {
			fmt.Printf("   %6.0f s  %s", time.Since(began).Seconds(), said)
		} else if all || strings.HasPrefix(line, "fuzz: elapsed") {
			fmt.Print("   " + line)
		}
		if err != nil {
			return c.Wait()
		}
	}
}

func (t *torture) failures() (n int) {
	for _, o := range t.done {
		if o.failed != "" {
			n++
		}
	}
	return n
}

// table tells what was done.
func (t *torture) table(to io.Writer) {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(w, "\npart\tdone\ttook\tresult")
	for _, o := range t.done {
		done, result := fmt.Sprintf("%d %s", o.count, o.units), "no violation"
		if o.fuzz > 0 {
			done = o.took.String() + " of fuzzing"
		}
		if o.failed != "" {
			result = "FAILED: " + o.failed
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", o.name, done, o.took, result)
	}
	_ = w.Flush() // it is the terminal
}
