package engine

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// PostgreSQLServer is a server of a test's own, which can be killed and started again. Its user postgres has no password.
type PostgreSQLServer struct {
	// Address is its host and port.
	Address string

	folder   string
	programs string
	options  []string
	running  *exec.Cmd
	ended    <-chan struct{} // closed when the process has ended
}

// StartPostgreSQL starts a server with an empty data folder, which is stopped when the test ends. options are settings, such as
// fsync=off.
func StartPostgreSQL(t testing.TB, options ...string) *PostgreSQLServer {
	t.Helper()
	p := newPostgreSQL(t, options)
	p.do(t, "initdb", "--pgdata="+p.data(), "--username=postgres", "--auth=trust", "--encoding=UTF8", "--no-locale", "--no-sync")
	p.Start(t)
	return p
}

// StandbyOf starts a server that follows another one.
func StandbyOf(t testing.TB, primary *PostgreSQLServer, options ...string) *PostgreSQLServer {
	t.Helper()
	p := newPostgreSQL(t, options)
	host, port, err := net.SplitHostPort(primary.Address)
	if err != nil {
		t.Fatal(err)
	}
	p.do(t, "pg_basebackup", "--pgdata="+p.data(), "--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--host="+host, "--port="+port, "--username=postgres")
	p.Start(t)
	return p
}

func newPostgreSQL(t testing.TB, options []string) *PostgreSQLServer {
	t.Helper()
	found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres") // the pattern is a good one
	if len(found) == 0 {
		Missing(t, "PostgreSQL is not installed: apt-get install postgresql")
	}
	slices.Sort(found)
	folder, err := os.MkdirTemp("", "tidegate-postgres-") // the server's user has to reach it, which a test's own folder does not let it
	if err != nil {
		t.Fatal(err)
	}
	p := &PostgreSQLServer{Address: lastingAddress(t), folder: folder, programs: filepath.Dir(found[len(found)-1]), options: options}
	if as := serverUser(t); as != nil {
		if err := os.Chown(folder, int(as.Uid), int(as.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	t.Cleanup(func() {
		p.Kill(t)
		_ = os.RemoveAll(folder)
	})
	return p
}

// serverUser is as whom the server runs: it refuses to be root.
func serverUser(t testing.TB) *syscall.Credential {
	t.Helper()
	if os.Getuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		Missing(t, "there is no user postgres, as whom a server could run: apt-get install postgresql")
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32) // digits
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
}

func (p *PostgreSQLServer) data() string { return filepath.Join(p.folder, "data") }

func (p *PostgreSQLServer) command(ctx context.Context, t testing.TB, program string, args ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(ctx, filepath.Join(p.programs, program), args...)
	c.Dir = p.folder
	c.SysProcAttr = &syscall.SysProcAttr{Credential: serverUser(t)}
	return c
}

func (p *PostgreSQLServer) do(t testing.TB, program string, args ...string) {
	t.Helper()
	if out, err := p.command(t.Context(), t, program, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", program, err, out)
	}
}

// Start starts the server and waits until it answers.
func (p *PostgreSQLServer) Start(t testing.TB) {
	t.Helper()
	_, port, err := net.SplitHostPort(p.Address)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{"-D", p.data(), "-c", "listen_addresses=127.0.0.1", "-c", "port=" + port, "-c", "unix_socket_directories=" + p.folder, "-c", "shared_buffers=32MB"}
	for _, o := range p.options {
		args = append(args, "-c", o)
	}
	log, err := os.OpenFile(filepath.Join(p.folder, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = log.Close() }()
	running, ended := p.command(context.Background(), t, "postgres", args...), make(chan struct{})
	running.Stdout, running.Stderr = log, log
	if err := running.Start(); err != nil {
		t.Fatal(err)
	}
	p.running, p.ended = running, ended
	go func() {
		_ = running.Wait()
		close(ended)
	}()
	db := openAddress(t, p.DSN("postgres"))
	defer func() { _ = db.Close() }()
	for deadline := time.Now().Add(startMax); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := db.PingContext(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			said, _ := os.ReadFile(log.Name())
			t.Fatalf("postgres does not answer after %s: %v\n%s", startMax, err, said[max(0, len(said)-3000):])
		}
	}
}

// Kill ends the server and its processes at once, so that it recovers when it is started again. One that is not running stays so.
func (p *PostgreSQLServer) Kill(t testing.TB) {
	t.Helper()
	if p.running == nil {
		return
	}
	_ = p.running.Process.Signal(syscall.SIGQUIT) // "immediate": nothing more is written; a SIGKILL would leave its children
	<-p.ended
	p.running = nil
}

// Pause stops the server's processes where they are, connections and all, as a machine does that hangs; Resume lets them go on.
func (p *PostgreSQLServer) Pause(t testing.TB) { p.signal(t, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (p *PostgreSQLServer) Resume(t testing.TB) { p.signal(t, syscall.SIGCONT) }

// signal sends a signal to the first process, which starts no others then, and to all that it has started.
func (p *PostgreSQLServer) signal(t testing.TB, how syscall.Signal) {
	t.Helper()
	first := p.running.Process.Pid
	err := syscall.Kill(first, how)
	started, unread := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", first, first))
	if err = errors.Join(err, unread); err != nil {
		t.Fatalf("postgres cannot be sent %v: %v", how, err)
	}
	for _, child := range strings.Fields(string(started)) {
		if pid, err := strconv.Atoi(child); err == nil {
			_ = syscall.Kill(pid, how) // one that has ended meanwhile
		}
	}
}

// Database makes a database and returns its address, as store.primary takes it. It lasts as long as the server's folder.
func (p *PostgreSQLServer) Database(t testing.TB, name string) string {
	t.Helper()
	Do(t, p.DSN("postgres"), "CREATE DATABASE "+name)
	return p.DSN(name)
}

// DSN returns the address of a database that is there, or will be.
func (p *PostgreSQLServer) DSN(name string) string {
	at := url.URL{Scheme: "postgres", User: url.User("postgres"), Host: p.Address, Path: "/" + name, RawQuery: "sslmode=disable"}
	return at.String()
}
