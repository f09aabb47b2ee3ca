package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/tidegate/tidegate/internal/app/folder"
	"github.com/tidegate/tidegate/internal/await"
)

// asProcess makes the test binary behave as tidegate itself, so that the tests meet the real process without a build.
const asProcess = "RUN_AS_TIDEGATE"

func TestMain(m *testing.M) {
	if os.Getenv(asProcess) != "" {
		main()
	}
	os.Exit(m.Run())
}

// process is a running tidegate.
type process struct {
	*exec.Cmd
	folder string
	out    lockedBuffer // stdout
	log    lockedBuffer // stderr
	ended  chan struct{}
}

// lockedBuffer is a buffer that a process writes while a test reads.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// start runs tidegate on a folder with listeners on free ports.
func start(t *testing.T, folder string, args ...string) *process {
	t.Helper()
	return startWith(t, nil, folder, args...)
}

// startWith is start with additions to the environment.
func startWith(t *testing.T, env []string, folder string, args ...string) *process {
	t.Helper()
	p := &process{folder: folder, ended: make(chan struct{})}
	p.Cmd = exec.Command(os.Args[0], args...)
	p.Env = append(os.Environ(), asProcess+"=1", "TIDEGATE_DATA="+folder, "TIDEGATE_HTTP_ADDRESS=127.0.0.1:0", "TIDEGATE_OPS_ADDRESS=127.0.0.1:0")
	p.Env = append(p.Env, env...)
	p.Stdout, p.Stderr = &p.out, &p.log
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.Wait() // the tests ask for the exit code
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.Process.Kill()
		<-p.ended
		if t.Failed() {
			t.Logf("%v:\n%s%s", args, p.out.String(), p.log.String())
		}
	})
	return p
}

// running waits until the process serves and returns what it says of itself.
func (p *process) running(t *testing.T) folder.Running {
	t.Helper()
	var r folder.Running
	await.Until(t, "the process serves", func() bool {
		select {
		case <-p.ended:
			t.Fatalf("it ended with %d: %s", p.ProcessState.ExitCode(), p.log.String())
		default:
		}
		text, err := os.ReadFile(filepath.Join(p.folder, "running.json"))
		return err == nil && json.Unmarshal(text, &r) == nil && r.PID == p.Process.Pid
	})
	return r
}

// exit waits for the process's end and returns its exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	await.Closed(t, "the process ends", p.ended)
	return p.ProcessState.ExitCode()
}

func (p *process) signal(t *testing.T, s os.Signal) {
	t.Helper()
	if err := p.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// get returns the status and the body of a GET; zero where nobody answers.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), await.Max)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, err.Error()
	}
	return answer.StatusCode, string(body)
}

func TestAProcessOwnsItsFolderAndStopsInOrder(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "shop")
	first := start(t, folder, "serve")
	at := first.running(t)
	if status, body := get(t, at.Ops+"/readyz"); status != 200 || body != `{"ready":true}`+"\n" {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, body := get(t, at.Ops+"/metrics"); status != 200 || !strings.Contains(body, "go_goroutines") {
		t.Errorf("metrics: %d", status)
	}

	second := start(t, folder, "serve")
	if code := second.exit(t); code != exitRun {
		t.Errorf("the second process on the folder ended with %d, want %d", code, exitRun)
	}
	said := second.log.String()
	if strings.Count(said, "\n") != 1 || !strings.Contains(said, folder) || !strings.Contains(said, "process "+strconv.Itoa(first.Process.Pid)) {
		t.Errorf("the second process did not say in one sentence what is wrong: %q", said)
	}

	first.signal(t, syscall.SIGTERM)
	if code := first.exit(t); code != exitOK {
		t.Errorf("after SIGTERM it ended with %d", code)
	}
	if _, err := os.Stat(filepath.Join(folder, "running.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("running.json is still there: %v", err)
	}

	third := start(t, folder, "serve")
	third.running(t)
	third.signal(t, syscall.SIGKILL)
	third.exit(t)
	fourth := start(t, folder, "serve")
	if r := fourth.running(t); r.AdminKey == at.AdminKey {
		t.Error("the local admin key outlives its process")
	}
	fourth.signal(t, os.Interrupt)
	if code := fourth.exit(t); code != exitOK {
		t.Errorf("after Ctrl-C it ended with %d", code)
	}
}

func TestASecondSignalEndsItAtOnce(t *testing.T) {
	t.Parallel()
	p := startWith(t, []string{"TIDEGATE_PROCESS_SHUTDOWN_GRACE=10m"}, t.TempDir(), "serve")
	at := p.running(t)
	profiled := make(chan struct{})
	go func() {
		defer close(profiled)
		get(t, at.Ops+"/debug/pprof/profile?seconds=600") // a request that is under way until the process ends
	}()
	await.Until(t, "the profile is under way", func() bool {
		_, body := get(t, at.Ops+"/debug/pprof/goroutine?debug=1")
		return strings.Contains(body, "pprof.Profile")
	})
	p.signal(t, syscall.SIGTERM)
	await.Until(t, "it says that it stops", func() bool { return strings.Contains(p.log.String(), "stopping") })
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t); code != exitRun { // nothing else ends it before the bound of the wait
		t.Errorf("it ended with %d, want %d", code, exitRun)
	}
	<-profiled
}

func TestAnEmptyShopSaysHowToMakeItsFirstKey(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "serve")
	at := p.running(t)
	await.Until(t, "it prints what a newcomer needs", func() bool { return strings.Contains(p.out.String(), "Ctrl-C") })
	for _, want := range []string{at.Public + "/docs", at.Ops, "tidegate key create --name console --role all --data " + p.folder} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("it does not say %s:\n%s", want, p.out.String())
		}
	}
	if strings.Contains(p.out.String(), "curl") {
		t.Error("an empty shop has nothing to buy")
	}
	if code, key, errs := runTool(t, nil, "key", "create", "--name", "console", "--role", "all", "--data", p.folder); code != exitOK || !strings.HasPrefix(key, "tgk_") {
		t.Fatalf("the printed command: exit %d, %q, %q", code, key, errs)
	}
	p.signal(t, syscall.SIGTERM)
	if code := p.exit(t); code != exitOK {
		t.Errorf("it ended with %d", code)
	}
	again := start(t, p.folder, "serve")
	again.running(t)
	await.Until(t, "it prints what a newcomer needs", func() bool { return strings.Contains(again.out.String(), "Ctrl-C") })
	if strings.Contains(again.out.String(), "no admin key") {
		t.Error("it asks for a first key though there is one")
	}
}
