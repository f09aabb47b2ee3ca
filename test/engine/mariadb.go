package engine

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// startMax bounds how long a server of a test's own may take to start; a loaded machine takes seconds.
const startMax = 2 * time.Minute

// installTriesMax bounds the tries to make an empty data folder.
const installTriesMax = 3

// MariaDB is a server of a test's own, which can be killed and started again. Its root has no password.
type MariaDB struct {
	// Address is its host and port.
	Address string

	folder  string
	program string
	options []string
	running *exec.Cmd
	ended   <-chan struct{} // closed when the process has ended
}

// StartMariaDB starts a server with an empty data folder, which is stopped when the test ends. options are further options
// of mariadbd, such as --log-bin.
func StartMariaDB(t testing.TB, options ...string) *MariaDB {
	t.Helper()
	install := Binary(t, "mariadb-install-db", "mariadb-server")
	m := &MariaDB{Address: lastingAddress(t), folder: t.TempDir(), program: Binary(t, "mariadbd", "mariadb-server"), options: options}
	for try := 1; ; try++ {
		out, err := exec.CommandContext(t.Context(), install, "--no-defaults", "--user=root", "--auth-root-authentication-method=normal", "--skip-test-db",
			"--datadir="+m.data(), m.tmpdir(), "--innodb-log-file-size=16M", "--innodb-use-native-aio=0").CombinedOutput()
		if err == nil {
			break
		}
		if try == installTriesMax { // several at once on a loaded machine can starve one
			t.Fatalf("mariadb-install-db: %v\n%s", err, out)
		}
		_ = os.RemoveAll(m.data())
	}
	m.Start(t)
	t.Cleanup(func() { m.Kill(t) })
	return m
}

// lastingAddress returns a loopback address whose port the system gives to nobody by itself, so that it is still free when
// the server is started again.
func lastingAddress(t testing.TB) string {
	t.Helper()
	for range 100 {
		address := net.JoinHostPort("127.0.0.1", strconv.Itoa(21000+rand.IntN(11000)))
		if l, err := net.Listen("tcp", address); err == nil {
			_ = l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

func (m *MariaDB) data() string { return filepath.Join(m.folder, "data") }

// Start starts the server and waits until it answers.
func (m *MariaDB) Start(t testing.TB) {
	t.Helper()
	_, port, err := net.SplitHostPort(m.Address)
	if err != nil {
		t.Fatal(err)
	}
	m.run(t, port)
	deadline := time.Now().Add(startMax)
	db := m.Open(t, "")
	defer func() { _ = db.Close() }()
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := db.PingContext(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(m.folder, "log"))
			t.Fatalf("mariadbd does not answer after %s: %v\n%s", startMax, err, log[max(0, len(log)-3000):])
		}
		select {
		case <-m.ended: // somebody else had the port, say
			m.run(t, port)
		default:
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// tmpdir gives the server a folder of its own for temporary tables: at its start it deletes those that it finds, and in /tmp they may be
// another server's.
func (m *MariaDB) tmpdir() string { return "--tmpdir=" + m.folder }

func (m *MariaDB) run(t testing.TB, port string) {
	t.Helper()
	m.running = exec.Command(m.program, append([]string{
		"--no-defaults", "--user=root", "--datadir=" + m.data(), m.tmpdir(), "--bind-address=127.0.0.1", "--port=" + port,
		"--socket=" + filepath.Join(m.folder, "socket"), "--pid-file=" + filepath.Join(m.folder, "pid"), "--log-error=" + filepath.Join(m.folder, "log"),
		"--innodb-buffer-pool-size=64M", "--innodb-log-file-size=16M", "--innodb-use-native-aio=0", "--skip-name-resolve", "--character-set-server=utf8mb4",
	}, m.options...)...)
	if err := m.running.Start(); err != nil {
		t.Fatal(err)
	}
	ended, running := make(chan struct{}), m.running
	m.ended = ended
	go func() {
		_ = running.Wait()
		close(ended)
	}()
}

// Kill ends the server at once, as a power loss would. One that is not running stays so.
func (m *MariaDB) Kill(t testing.TB) { m.end(t, syscall.SIGKILL) }

// Stop ends the server in order.
func (m *MariaDB) Stop(t testing.TB) { m.end(t, syscall.SIGTERM) }

// Pause stops the server where it is, connections and all, as a machine does that hangs; Resume lets it go on.
func (m *MariaDB) Pause(t testing.TB) { m.signal(t, syscall.SIGSTOP) }

// Resume lets a paused server go on.
func (m *MariaDB) Resume(t testing.TB) { m.signal(t, syscall.SIGCONT) }

func (m *MariaDB) signal(t testing.TB, how syscall.Signal) {
	t.Helper()
	if err := m.running.Process.Signal(how); err != nil {
		t.Fatalf("mariadbd cannot be sent %v: %v", how, err)
	}
}

func (m *MariaDB) end(t testing.TB, how syscall.Signal) {
	t.Helper()
	if m.running == nil {
		return
	}
	_ = m.running.Process.Signal(how)
	<-m.ended
	m.running = nil
}

// Database makes a database and returns its address, as store.primary takes it. It lasts as long as the server's folder.
func (m *MariaDB) Database(t testing.TB, name string) string {
	t.Helper()
	m.Do(t, "CREATE DATABASE IF NOT EXISTS "+name)
	return m.DSN(name)
}

// DSN returns the address of a database that is there, or will be.
func (m *MariaDB) DSN(name string) string {
	c := mysql.NewConfig()
	c.Net, c.Addr, c.User, c.DBName = "tcp", m.Address, "root", name
	return c.FormatDSN()
}

// Open opens a pool as root; the database may be empty.
func (m *MariaDB) Open(t testing.TB, name string) *sql.DB {
	t.Helper()
	c, err := mysql.ParseDSN(m.DSN(name))
	if err != nil {
		t.Fatal(err)
	}
	c.Logger = silent{}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		t.Fatal(err)
	}
	return sql.OpenDB(connector)
}

// silent drops what the driver says of a server that is not up yet.
type silent struct{}

func (silent) Print(...any) {}

// Do carries out statements as root.
func (m *MariaDB) Do(t testing.TB, statements ...string) {
	t.Helper()
	db := m.Open(t, "")
	defer func() { _ = db.Close() }()
	for _, text := range statements {
		if _, err := db.ExecContext(context.Background(), text); err != nil {
			t.Fatal(fmt.Errorf("%s: %w", text, err))
		}
	}
}
