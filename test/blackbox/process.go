package blackbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/await"
)

// Shop is a data folder and, while one runs, the process on it. Its methods end the test where something goes wrong that
// the test did not ask for. Asking the shop is safe for concurrent use; starting and ending its process is not.
type Shop struct {
	T testing.TB
	// Folder is the data folder, Env what is added to the environment of every command.
	Folder string
	Env    []string

	process *Process
	at      atomic.Pointer[Running]
	client  *http.Client
	secrets secrets
	last    lastAnswers
}

// Running is what a process says of itself in running.json.
type Running struct {
	PID      int    `json:"pid"`
	Public   string `json:"public"`
	Express  string `json:"express"`
	Ops      string `json:"ops"`
	AdminKey string `json:"admin_key"`
}

// Process is a started tidegate.
type Process struct {
	*exec.Cmd
	Stdout, Stderr Buffer
	// Ended is closed when the process has ended.
	Ended chan struct{}
}

// Buffer is a buffer that a process writes while a test reads. It is safe for concurrent use.
type Buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

// String returns what was written so far.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// connectionsMax is how many connections to a shop rest between requests: as many as the largest crowd has shoppers at once.
const connectionsMax = 512

// ManyUnpaid returns settings, and those that lift the bound on what one customer holds unpaid from general stock.
func ManyUnpaid(env ...string) []string {
	return append([]string{"TIDEGATE_ORDERS_UNPAID_ORDERS_MAX=1000", "TIDEGATE_ORDERS_UNPAID_UNITS_MAX=1000000"}, env...)
}

// New returns a shop in an empty folder. Env are settings such as TIDEGATE_PAYMENTS_QUERY_AFTER=1s.
func New(t testing.TB, env ...string) *Shop {
	t.Helper()
	return At(t, filepath.Join(t.TempDir(), "shop"), env...)
}

// At returns the shop in a folder, which need not exist yet.
func At(t testing.TB, folder string, env ...string) *Shop {
	t.Helper()
	if err := readSources(); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{MaxIdleConnsPerHost: connectionsMax}
	t.Cleanup(transport.CloseIdleConnections)
	s := &Shop{
		T: t, Folder: folder,
		Env:    append(settings(folder), env...),
		client: &http.Client{Transport: transport, Timeout: await.Max, CheckRedirect: asAnswered},
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the last answers of the shop in %s:\n%s", folder, s.last.String())
		}
	})
	return s
}

// settings are those of every shop here. Whoever has an order waits for its outcome, and a stop for what is under way, as long as can be
// set: a test that means to meet the end of that patience sets its own.
func settings(folder string) []string {
	return []string{
		"TIDEGATE_DATA=" + folder, "TIDEGATE_HTTP_ADDRESS=127.0.0.1:0", "TIDEGATE_OPS_ADDRESS=127.0.0.1:0",
		"TIDEGATE_PAYMENTS_PROVIDER=sandbox", "TIDEGATE_ORDERS_ANSWER_WITHIN=30s", "TIDEGATE_PROCESS_SHUTDOWN_GRACE=10m",
	}
}

// asAnswered leaves redirects to the test.
func asAnswered(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// Setting returns what the shop's environment sets a variable to; empty where nothing.
func (s *Shop) Setting(variable string) string {
	for _, one := range slices.Backward(s.Env) {
		if value, is := strings.CutPrefix(one, variable+"="); is {
			return value
		}
	}
	return ""
}

// Spawn starts a command on the shop's folder and does not wait for anything. What it logged is shown where the test fails.
func (s *Shop) Spawn(args ...string) *Process {
	s.T.Helper()
	p := &Process{Cmd: exec.Command(binary, args...), Ended: make(chan struct{})}
	// What tells the tests where engines are is no setting of the shop's.
	outside := slices.DeleteFunc(os.Environ(), func(one string) bool { return strings.HasPrefix(one, "TIDEGATE_TEST_") })
	p.Env = append(outside, s.Env...)
	p.Cmd.Stdout, p.Cmd.Stderr = &p.Stdout, &p.Stderr
	if err := p.Start(); err != nil {
		s.T.Fatalf("tidegate %v cannot be started: %v", args, err)
	}
	go func() {
		_ = p.Wait() // the exit code is read where it matters
		close(p.Ended)
	}()
	s.T.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.Ended
		s.checkLog(p)
		if s.T.Failed() {
			s.T.Logf("tidegate %v logged:\n%s", args, tail(p.Stderr.String()))
		}
	})
	return p
}

// tail returns the last lines of a text: a log can be long.
func tail(text string) string {
	const linesMax = 40
	lines := strings.SplitAfter(text, "\n")
	return strings.Join(lines[max(0, len(lines)-linesMax):], "")
}

// Exit waits for the process's end and returns its exit code: -1 where a signal ended it.
func (p *Process) Exit(t testing.TB) int {
	t.Helper()
	select {
	case <-p.Ended:
		return p.ProcessState.ExitCode()
	case <-time.After(await.Max):
		t.Fatalf("tidegate %v has not ended in %v", p.Args[1:], await.Max)
		return 0
	}
}

// Start serves the shop and returns when it is open.
func (s *Shop) Start(args ...string) *Process {
	s.T.Helper()
	s.process = s.Spawn(append([]string{"serve"}, args...)...)
	s.AwaitRunning()
	return s.process
}

// TryStart serves the shop with additions to its environment. It reports false where the process ended before it was open, or
// hangs: it has written hung, and is killed.
func (s *Shop) TryStart(hung string, env ...string) bool {
	s.T.Helper()
	usual := s.Env
	s.Env = slices.Concat(usual, env)
	s.process = s.Spawn("serve")
	s.Env = usual
	open, hangs := false, false
	await.Until(s.T, "the shop serves, has ended or hangs", func() bool {
		hangs = strings.Contains(s.process.Stderr.String(), hung)
		open = s.readRunning()
		return open || hangs || s.Ended()
	})
	if hangs && !open {
		s.Kill()
	}
	return open
}

// Ended reports whether the process that was started last has ended.
func (s *Shop) Ended() bool {
	select {
	case <-s.process.Ended:
		return true
	default:
		return false
	}
}

// AwaitRunning waits until the process that was started last serves.
func (s *Shop) AwaitRunning() {
	s.T.Helper()
	await.Until(s.T, "the shop serves", func() bool {
		if s.Ended() {
			s.T.Fatalf("the shop ended with %d before it served: %s", s.process.ProcessState.ExitCode(), s.process.Stderr.String())
		}
		return s.readRunning()
	})
}

// readRunning reads what the process that was started last says of itself; false where it says nothing yet.
func (s *Shop) readRunning() bool {
	var r Running
	text, err := os.ReadFile(filepath.Join(s.Folder, "running.json"))
	if err != nil || json.Unmarshal(text, &r) != nil || r.PID != s.process.Process.Pid {
		return false
	}
	s.at.Store(&r)
	return true
}

// Running returns what the process said of itself when it began to serve.
func (s *Shop) Running() Running { return *s.at.Load() }

// Process returns the process that was started last.
func (s *Shop) Process() *Process { return s.process }

// Kill ends the process at once, as kill -9 does, and waits until it is gone.
func (s *Shop) Kill() {
	s.T.Helper()
	s.Signal(os.Kill)
	s.process.Exit(s.T)
}

// Stop asks the process to end in order and waits for that. It must end well.
func (s *Shop) Stop() {
	s.T.Helper()
	s.Signal(syscall.SIGTERM)
	if code := s.process.Exit(s.T); code != 0 {
		s.T.Fatalf("after SIGTERM the shop ended with %d, not 0:\n%s", code, tail(s.process.Stderr.String()))
	}
}

// Signal sends a signal to the process; one that has ended by itself is no error.
func (s *Shop) Signal(sig os.Signal) {
	s.T.Helper()
	if err := s.process.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		s.T.Fatalf("%v cannot be sent: %v", sig, err)
	}
}

// Run runs a command on the shop's folder to its end.
func (s *Shop) Run(args ...string) (code int, stdout, stderr string) {
	s.T.Helper()
	p := s.Spawn(args...)
	code = p.Exit(s.T)
	return code, p.Stdout.String(), p.Stderr.String()
}
