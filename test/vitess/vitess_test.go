// Package vitess builds Vitess, starts it over a MariaDB of its own, and runs what MySQL passes through it: the conformance suite, a sale
// night, the drill of two processes, and one of two that is killed. It takes minutes to build and minutes to run: a long run alone does it,
// go run ./test/torture -part vitess.
package vitess

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tidegate/tidegate/test/engine"
	"github.com/tidegate/tidegate/test/share"
)

// version is Vitess 24.0.4.
const version = "v0.24.4"

// keyspaces are how many databases there are: vtcombo over MariaDB can make none. Each is taken once.
const keyspaces = 12

// serveMax bounds the wait until Vitess serves.
const serveMax = 2 * time.Minute

// priceZero is the one case that fails for the MariaDB behind Vitess: a migration loosens a CHECK in words that Vitess keeps from MariaDB.
const priceZero = "TestMySQL/suite/catalog/a_variant_becomes_free_where_it_is_allowed"

// TestVitess runs everything, a part after the other.
func TestVitess(t *testing.T) {
	if !share.Long() {
		t.Skip("a long run alone tries it: go run ./test/torture -part vitess")
	}
	if runtime.GOOS != "linux" {
		t.Skip("MariaDB and Vitess are started as on Linux")
	}
	address := serve(t, build(t))
	used := 0
	for i, c := range []struct {
		name, folder, run, skip string
		databases               int
	}{
		{"conformance", "./internal/store", "^TestMySQL$", "^" + strings.ReplaceAll(priceZero, "/", "$/^") + "$", 6},
		{"night", "./test/e2e", "^TestASaleNight$/^MySQL", "", 2},
		{"two processes", "./test/e2e", "^TestTheDrillOfTwoProcesses$/^MySQL", "", 2},
		{"one of two is killed", "./test/e2e", "^TestOneOfTwoProcessesIsKilled$/^MySQL", "", 2},
	} {
		mine := names(used, c.databases)
		used += c.databases
		if !t.Run(c.name, func(t *testing.T) {
			args := []string{"test", "-count=1", "-v", "-timeout=30m", "-parallel=2", "-run", c.run}
			if c.skip != "" {
				args = append(args, "-skip", c.skip)
			}
			run := exec.CommandContext(t.Context(), "go", append(args, c.folder)...)
			run.Dir = "../.."
			run.Env = append(os.Environ(), "TIDEGATE_TEST_MYSQL="+address, "TIDEGATE_TEST_MYSQL_DATABASES="+strings.Join(mine, ","),
				share.VariableCount+"=") // they are those of every day
			out, err := run.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out[max(0, len(out)-20_000):])
			}
			if !strings.Contains(string(out), "--- PASS") || strings.Contains(string(out), "--- SKIP: Test") {
				t.Fatalf("it was not run:\n%s", out[max(0, len(out)-2000):])
			}
		}) {
			return
		}
		share.Progress("parts through Vitess", i+1)
	}
}

// names are n keyspaces from one on.
func names(from, n int) (all []string) {
	for i := range n {
		all = append(all, fmt.Sprintf("shop%d", from+i))
	}
	return all
}

// build builds vtcombo from the module proxy, in a module of its own, and returns its path.
func build(t *testing.T) string {
	t.Helper()
	folder := lastingFolder(t)
	for _, args := range [][]string{
		{"mod", "init", "vitesshere"},
		{"get", "vitess.io/vitess/go/cmd/vtcombo@" + version},
		{"build", "-o", folder, "vitess.io/vitess/go/cmd/vtcombo"},
	} {
		c := exec.CommandContext(t.Context(), "go", args...)
		c.Dir = folder
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out[max(0, len(out)-3000):])
		}
	}
	return filepath.Join(folder, "vtcombo")
}

// lastingFolder returns a folder that a user of its own can reach, which a test's own folder does not let it.
func lastingFolder(t *testing.T) string {
	t.Helper()
	folder, err := os.MkdirTemp("", "tidegate-vitess-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	return folder
}

// serve starts MariaDB and Vitess before it, and returns where Vitess listens. Vitess over MariaDB cannot pass on the isolation of a session,
// whose name MariaDB does not know: the server has what the shop would set.
func serve(t *testing.T, program string) string {
	t.Helper()
	m := engine.StartMariaDB(t, "--log-bin=log", "--server-id=1", "--binlog-format=ROW", "--sync-binlog=1", "--transaction-isolation=READ-COMMITTED",
		"--sql-mode=STRICT_ALL_TABLES,STRICT_TRANS_TABLES,NO_ENGINE_SUBSTITUTION,ERROR_FOR_DIVISION_BY_ZERO", "--innodb-lock-wait-timeout=5",
		"--default-time-zone=+00:00", "--collation-server=utf8mb4_bin", "--max-allowed-packet=64M", "--max-connections=2000")
	topology := `cells:"test"`
	for _, name := range names(0, keyspaces) {
		m.Database(t, "vt_"+name+"_0")
		topology += fmt.Sprintf(` keyspaces:{name:%q shards:{name:"0"} replica_count:1 rdonly_count:-1}`, name)
	}
	host, port, err := net.SplitHostPort(m.Address)
	if err != nil {
		t.Fatal(err)
	}
	folder, at := lastingFolder(t), engine.FreeAddress(t)
	free := func() string { _, port, _ := net.SplitHostPort(engine.FreeAddress(t)); return port }
	_, listens, _ := net.SplitHostPort(at)
	args := []string{"--db-charset", "utf8mb4", "--db-host", host, "--db-port", port, "--proto-topo", topology, "--mycnf-server-id", "1"}
	for _, user := range []string{"app", "dba", "allprivs", "appdebug", "repl", "filtered"} {
		args = append(args, "--db-"+user+"-user", "root")
	}
	args = append(args, "--enable-system-settings=false", "--tablet-types-to-wait", "PRIMARY", "--queryserver-config-pool-size", "16",
		"--queryserver-config-transaction-cap", "40", "--queryserver-config-stream-pool-size", "4", "--transaction-mode", "SINGLE",
		"--port", free(), "--grpc-port", free(), "--mysql-auth-server-impl", "none", "--mysql-server-port", listens, "--mysql-server-bind-address", "127.0.0.1",
		// Older than the comment of a migration that MySQL carries out and MariaDB cannot.
		"--mysql-server-version", "8.0.15-Vitess")
	c := exec.CommandContext(context.Background(), program, args...)
	c.Dir, c.Env = folder, append(os.Environ(), "VTDATAROOT="+folder, "VTROOT="+folder, "VTTEST=endtoend")
	if os.Getuid() == 0 { // it refuses to be root
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	log, err := os.Create(filepath.Join(folder, "log"))
	if err != nil {
		t.Fatal(err)
	}
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		_ = c.Wait() // the test kills it
		close(ended)
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		<-ended
		_ = log.Close()
	})
	for deadline := time.Now().Add(serveMax); ; time.Sleep(100 * time.Millisecond) {
		if conn, err := net.DialTimeout("tcp", at, time.Second); err == nil {
			_ = conn.Close()
			return at
		}
		select {
		case <-ended:
			t.Fatalf("vtcombo ended: %s", lastLine(log.Name()))
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("vtcombo does not serve after %s: %s", serveMax, lastLine(log.Name()))
		}
	}
}

func lastLine(path string) (line string) {
	file, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = file.Close() }()
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line = lines.Text()
	}
	return line
}
