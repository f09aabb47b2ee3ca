package postgres

import (
	"context"
	"crypto/tls"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
)

// Limits of a connection.
const (
	dialMax = 5 * time.Second
	// answerMax bounds the wait for one reply, so that a vanished peer is noticed. It exceeds lockSecondsMax and every
	// statement of the shop; the audit reads in portions.
	answerMax = 30 * time.Second
	// lockSecondsMax is how long a statement waits for a row lock before its transaction is rolled back and repeated.
	lockSecondsMax = 5
	// silentSecondsMax is how long a writing transaction may be idle. Its statements normally follow each other within
	// milliseconds.
	silentSecondsMax = 3
	// idleMax is shorter than the time after which proxies and load balancers usually drop an idle connection.
	idleMax = 4 * time.Minute
)

// Address is a server's address and credentials.
type Address struct{ config *pgx.ConnConfig }

// IsAddress reports whether text has the form of a PostgreSQL address.
func IsAddress(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}

// ownModes lists driver parameters that the store sets itself.
var ownModes = []string{"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity"}

// Parse reads an address such as postgres://tidegate:secret@db.internal:5432/tidegate?sslmode=verify-full. Its error does not repeat
// the password.
func Parse(address string) (Address, error) {
	at, err := url.Parse(address)
	if err != nil || !IsAddress(address) {
		return Address{}, fmt.Errorf("an address such as postgres://user:password@host:5432/tidegate")
	}
	if strings.Trim(at.Path, "/") == "" {
		return Address{}, fmt.Errorf("an address that names a database, such as postgres://user:password@%s/tidegate", at.Host)
	}
	if strings.Contains(at.Host, ",") {
		return Address{}, fmt.Errorf("an address that names one server: a proxy or a virtual address leads to the primary, and store.replicas names the others")
	}
	for _, name := range ownModes {
		if at.Query().Has(name) {
			return Address{}, fmt.Errorf("an address without %s, which is the shop's own to choose", name)
		}
	}
	c, err := pgx.ParseConfig(address)
	if err != nil {
		return Address{}, fmt.Errorf("an address such as postgres://user:password@host:5432/tidegate, whose sslmode is disable, allow, prefer, require, verify-ca or verify-full, and whose files can be read")
	}
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = dialMax
	}
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "tidegate"
	}
	return Address{c}, nil
}

// String returns the server and the database, without user and password.
func (a Address) String() string {
	return net.JoinHostPort(a.config.Host, strconv.Itoa(int(a.config.Port))) + "/" + a.config.Database
}

// session lists the settings of every new connection, whatever the server's defaults are.
//
// READ COMMITTED: a statement sees what is committed when it runs, even after it waited for a row. Joins run in the
// written order, as on the other engines. Compiling plans does not pay for the shop's short statements.
var session = []string{
	"SET default_transaction_isolation = 'read committed'", "SET timezone = 'UTC'", "SET join_collapse_limit = 1", "SET jit = off",
	fmt.Sprintf("SET lock_timeout = '%ds'", lockSecondsMax),
}

// writing adds the settings of writing connections. They end an idle transaction, because a stopped process would
// otherwise hold a hot row.
var writing = append([]string{
	fmt.Sprintf("SET idle_in_transaction_session_timeout = '%ds'", silentSecondsMax),
	fmt.Sprintf("SET statement_timeout = '%ds'", int(answerMax.Seconds())),
}, session...)

// Open returns a pool of at most connectionsMax reading connections. It does not connect yet.
func (a Address) Open(connectionsMax int) (*sql.DB, error) {
	return a.open(connectionsMax, session, answerMax), nil
}

// OpenForWrites is Open for connections that write.
func (a Address) OpenForWrites(connectionsMax int) (*sql.DB, error) {
	return a.open(connectionsMax, writing, answerMax), nil
}

// migrationConnections is the size of the migration pool: one connection holds the lock, others work.
const migrationConnections = 4

// OpenForMigrations is Open for migrations, without a time limit: altering a large table takes long.
func (a Address) OpenForMigrations() *sql.DB {
	return a.open(migrationConnections, []string{"SET timezone = 'UTC'"}, 0)
}

func (a Address) open(connectionsMax int, told []string, answer time.Duration) *sql.DB {
	c := a.config.Copy()
	dial := c.DialFunc
	if answer > 0 {
		c.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &impatient{Conn: conn, answerMax: answer}, nil
		}
	}
	all := strings.Join(told, "; ")
	db := stdlib.OpenDB(*c, stdlib.OptionAfterConnect(func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.PgConn().Exec(ctx, all).ReadAll()
		return err
	}), stdlib.OptionResetSession(func(_ context.Context, conn *pgx.Conn) error {
		if !alive(socket(conn.PgConn().Conn())) { // for example, the server was restarted: the pool uses another connection
			return driver.ErrBadConn
		}
		return nil
	}))
	db.SetMaxOpenConns(connectionsMax)
	db.SetMaxIdleConns(connectionsMax)
	db.SetConnMaxIdleTime(idleMax)
	return db
}

// socket returns the network connection below the wrappers.
func socket(conn net.Conn) net.Conn {
	if encrypted, ok := conn.(*tls.Conn); ok {
		conn = encrypted.NetConn()
	}
	if waits, ok := conn.(*impatient); ok {
		conn = waits.Conn
	}
	return conn
}

// impatient is a connection whose reads time out after answerMax, unless the driver has set a deadline.
type impatient struct {
	net.Conn
	answerMax time.Duration

	mu    sync.Mutex
	owned bool // the driver has set a deadline
}

// Read implements net.Conn.
func (c *impatient) Read(b []byte) (int, error) {
	c.mu.Lock()
	if !c.owned {
		_ = c.Conn.SetReadDeadline(time.Now().Add(c.answerMax))
	}
	c.mu.Unlock()
	return c.Conn.Read(b)
}

// SetDeadline implements net.Conn.
func (c *impatient) SetDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owned = !t.IsZero()
	return c.Conn.SetDeadline(t)
}

// SetReadDeadline implements net.Conn.
func (c *impatient) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.owned = !t.IsZero()
	return c.Conn.SetReadDeadline(t)
}
