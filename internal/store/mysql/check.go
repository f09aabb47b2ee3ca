package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const (
	// packetBytesMin is room for the largest packet of the shop: a batch of orders with the update of its stock, or a product with
	// its description.
	packetBytesMin = 4 << 20
	// clockApartMax is how far the server's clock may be from this machine's: leases end by the one, orders by the other.
	clockApartMax = 2 * time.Second
)

// Version is what a server says it is.
type Version struct {
	// Product is MySQL, MariaDB, TiDB or Vitess.
	Product string
	Text    string
	number  [3]int
}

// oldest is the first version of each product that has what the schema is made of: enforced CHECKs, unique indexes on
// generated columns, common table expressions.
var oldest = map[string][3]int{"MySQL": {8, 0, 16}, "MariaDB": {10, 5, 0}, "TiDB": {6, 5, 0}, "Vitess": {8, 0, 16}}

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)`)

// parseVersion reads what VERSION() says, such as 10.11.6-MariaDB, 8.0.36, 8.0.11-TiDB-v7.5.1 or 8.0.30-Vitess.
func parseVersion(text string) Version {
	v := Version{Product: "MySQL", Text: text}
	number := text
	switch {
	case strings.Contains(text, "MariaDB"):
		v.Product = "MariaDB"
		number = strings.TrimPrefix(text, "5.5.5-")
	case strings.Contains(text, "TiDB"):
		v.Product = "TiDB"
		_, number, _ = strings.Cut(text, "TiDB-")
	case strings.Contains(text, "Vitess"):
		v.Product = "Vitess"
	}
	if m := versionNumber.FindStringSubmatch(number); m != nil {
		for i := range v.number {
			v.number[i], _ = strconv.Atoi(m[i+1]) // digits
		}
	}
	return v
}

func (v Version) tooOld() bool {
	least := oldest[v.Product]
	for i := range least {
		if v.number[i] != least[i] {
			return v.number[i] < least[i]
		}
	}
	return false
}

// Check asks a server, before the shop relies on it, whether it can keep what the shop accepts. setting is the name of the
// setting that holds the address. It returns what is unsafe, each in one clause, and an error, in one sentence that says
// what to do, where the server cannot be used at all.
func (a Address) Check(ctx context.Context, db *sql.DB, setting string) (Version, []string, error) {
	began := time.Now()
	var text, zone string
	var now float64
	err := db.QueryRowContext(ctx, "SELECT VERSION(), @@SESSION.time_zone, UNIX_TIMESTAMP(NOW(3))").Scan(&text, &zone, &now)
	if err != nil {
		return Version{}, nil, a.Explain(err, setting)
	}
	took := time.Since(began)
	v := parseVersion(text)
	if v.tooOld() {
		least := oldest[v.Product]
		return v, nil, fmt.Errorf("the server at %s (%s) is %s %s: the shop needs %d.%d.%d or newer", a.config.Addr, setting, v.Product, text, least[0], least[1], least[2])
	}
	of, err := variables(ctx, db)
	if err != nil {
		return v, nil, a.Explain(err, setting)
	}
	unsafe := unsafeSettings(v, of)
	server := time.UnixMilli(int64(now * 1000))
	if apart := server.Sub(began); apart < -clockApartMax || apart > took+clockApartMax {
		unsafe = append(unsafe, fmt.Sprintf("its clock is %s away from this machine's (synchronise both)", apart.Abs().Round(time.Millisecond)))
	}
	return v, unsafe, nil
}

// variables reads what the server and this session are set to.
func variables(ctx context.Context, db *sql.DB) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, `
		SHOW VARIABLES
		WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'sql_mode', 'tx_isolation', 'transaction_isolation',
			'max_allowed_packet', 'read_only', 'default_storage_engine', 'innodb_doublewrite')`)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	of := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		of[name] = value
	}
	return of, rows.Err()
}

// unsafeSettings says what could lose a commit, or let a wrong one in. What a server does not have it is not asked for: TiDB
// answers for its own log.
func unsafeSettings(v Version, of map[string]string) (unsafe []string) {
	say := func(format string, args ...any) { unsafe = append(unsafe, fmt.Sprintf(format, args...)) }
	if v.Product != "TiDB" {
		// MariaDB's 3 is 1 with the group commit of old.
		if flush := of["innodb_flush_log_at_trx_commit"]; flush != "1" && flush != "3" && flush != "" {
			say("innodb_flush_log_at_trx_commit is %s, so that a power loss takes commits of the last second (set it to 1)", flush)
		}
		if of["log_bin"] == "ON" && of["sync_binlog"] != "1" {
			say("sync_binlog is %s, so that a power loss leaves replicas and the primary different (set it to 1)", of["sync_binlog"])
		}
		if of["innodb_doublewrite"] == "OFF" {
			say("innodb_doublewrite is OFF, so that a power loss can tear a page (set it to ON, unless the file system writes pages whole)")
		}
		if engine := of["default_storage_engine"]; engine != "InnoDB" && engine != "" {
			say("default_storage_engine is %s, which has no transactions (set it to InnoDB)", engine)
		}
	}
	if mode := of["sql_mode"]; !strings.Contains(mode, "STRICT_ALL_TABLES") {
		say("sql_mode is %q for this connection, so that values are cut instead of refused (a proxy must let the session set STRICT_ALL_TABLES)", mode)
	}
	level := of["transaction_isolation"]
	if level == "" {
		level = of["tx_isolation"]
	}
	if level != "READ-COMMITTED" {
		say("the isolation of this connection is %s, not READ-COMMITTED (a proxy must let the session set it)", level)
	}
	if bytes, err := strconv.ParseInt(of["max_allowed_packet"], 10, 64); err == nil && bytes < packetBytesMin {
		say("max_allowed_packet is %d, too small for a batch of orders (set it to %d or more)", bytes, packetBytesMin)
	}
	if of["read_only"] != "OFF" && of["read_only"] != "" && of["read_only"] != "0" {
		say("it is read_only, so it is no primary (name the primary)")
	}
	return unsafe
}

// Explain says in one sentence what is wrong where a server cannot be reached or refuses to serve, and what to do.
func (a Address) Explain(err error, setting string) error {
	c := a.config
	if e, ok := errors.AsType[*mysql.MySQLError](err); ok {
		switch e.Number {
		case 1045, 1698:
			return fmt.Errorf("MySQL at %s refuses the user %q: correct the name or the password in %s", c.Addr, c.User, setting)
		case 1044, 1142:
			return fmt.Errorf("MySQL at %s does not let the user %q use the database %s: GRANT ALL ON %s.* TO that user, or name another in %s", c.Addr, c.User, c.DBName, c.DBName, setting)
		case 1049:
			return fmt.Errorf("MySQL at %s has no database %s: CREATE DATABASE %s there, or name another in %s", c.Addr, c.DBName, c.DBName, setting)
		case 1130, 1129:
			return fmt.Errorf("MySQL at %s does not let this machine in: %s", c.Addr, e.Message)
		}
		return fmt.Errorf("MySQL at %s (%s) cannot be used: %w", c.Addr, setting, err)
	}
	if errors.Is(err, context.Canceled) {
		return err
	}
	return fmt.Errorf("MySQL at %s does not answer: start it, or correct the address in %s: %w", c.Addr, setting, err)
}
