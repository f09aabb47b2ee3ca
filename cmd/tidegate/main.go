// Command tidegate is the whole shop in one binary: it serves, and it is the tool of whoever runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/tidegate/tidegate/internal/adminclient"
	"github.com/tidegate/tidegate/internal/kernel/text"
)

// The exit codes.
const (
	exitOK    = 0
	exitFound = 1 // the command ran and found what it looks for: a violation, a difference
	exitUsage = 2 // the command line or the configuration is wrong
	exitRun   = 3 // the command could not run, or did not end well
)

// errFound ends a command that found something with exitFound. What it found has been printed.
var errFound = errors.New("found")

// usageError is an error of the command line or the configuration.
type usageError struct{ error }

// Unwrap returns the error itself.
func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		stop() // the first asks to stop in order
		s := <-signals
		fmt.Fprintf(os.Stderr, "tidegate: a second signal (%s): stopped at once\n", s)
		os.Exit(exitRun)
	}()
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// run executes one command line and returns the exit code. Errors are told on stderr, each in one line. Nothing that a terminal
// obeys passes to stdout or stderr, but for the lines of progress that the tool draws over each other.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	t := &tool{env: env, stderr: text.Terminal(stderr), terminal: stderr, stdout: stdout}
	root := newRoot(t)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(text.Terminal(stdout))
	root.SetErr(t.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil {
		err = t.unknown
	}
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, errFound):
		return exitFound
	}
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(t.stderr, "tidegate:", line)
	}
	if _, ok := errors.AsType[usageError](err); ok || !t.started || adminclient.IsInvalid(err) {
		return exitUsage
	}
	return exitRun
}
