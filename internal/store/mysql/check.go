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
	// packetBytesMin fits the largest packet: a batch of orders with its stock update, or a product with its
	// description.
	packetBytesMin = 4 << 20
	// clockApartMax bounds the difference between the server's clock and this machine's: leases use the one, orders the
	// other.
	clockApartMax = 2 * time.Second
)

// Version is a server's product and version.
type Version struct {
	// Product is MySQL, MariaDB, TiDB or Vitess.
	Product string
	Text    string
	number  [3]int
}

// oldest is the first version of each product with all required features: enforced CHECKs, unique indexes on generated
// columns, common table expressions. The version of a Vitess is configured and says nothing about the server behind it,
// so CHECKs are also tested at the start.
var oldest = map[string][3]int{"MySQL": {8, 0, 16}, "MariaDB": {10, 5, 0}, "TiDB": {6, 5, 0}, "Vitess": {8, 0, 0}}

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)\.(\d+)`)

// parseVersion parses VERSION(), such as 10.11.6-MariaDB, 8.0.36, 8.0.11-TiDB-v7.5.1 or 8.0.30-Vitess.
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
			v.number[i], _ = strconv.Atoi(m[i+1]) // matched as digits
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

// Check implements engine.Address.
func (a Address) Check(ctx context.Context, db *sql.DB, setting string) (version string, unsafe []string, err error) {
	began := time.Now()
	var text string
	var now float64
	// Ask for it alone: together with another column, Vitess returns the version of the server behind it.
	if err = db.QueryRowContext(ctx, "SELECT VERSION()").Scan(&text); err == nil {
		began = time.Now()
		err = db.QueryRowContext(ctx, "SELECT UNIX_TIMESTAMP(NOW(3))").Scan(&now)
	}
	if err != nil {
		return "", nil, a.Explain(err, setting)
	}
	took := time.Since(began)
	v := parseVersion(text)
	if v.tooOld() {
		least := oldest[v.Product]
		return "", nil, fmt.Errorf("the server at %s (%s) is %s %s: the shop needs %d.%d.%d or newer", a.config.Addr, setting, v.Product, text, least[0], least[1], least[2])
	}
	of, err := variables(ctx, db)
	if err != nil {
		return "", nil, a.Explain(err, setting)
	}
	unsafe = unsafeSettings(v, of)
	server := time.UnixMilli(int64(now * 1000))
	if apart := server.Sub(began); apart < -clockApartMax || apart > took+clockApartMax {
		unsafe = append(unsafe, fmt.Sprintf("its clock is %s away from this machine's (synchronise both)", apart.Abs().Round(time.Millisecond)))
	}
	return v.Product + " " + v.Text, unsafe, nil
}

// variables reads the settings of the server and this session.
func variables(ctx context.Context, db *sql.DB) (map[string]string, error) {
	rows, err := db.QueryContext(ctx, `
		SHOW VARIABLES
		WHERE Variable_name IN ('innodb_flush_log_at_trx_commit', 'log_bin', 'sync_binlog', 'sql_mode', 'tx_isolation', 'transaction_isolation',
			'max_allowed_packet', 'read_only', 'default_storage_engine', 'innodb_doublewrite', 'tidb_enable_check_constraint')`)
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

// unsafeSettings returns settings that could lose a commit or accept an invalid one. It ignores settings that a server
// does not have; TiDB manages its own log.
func unsafeSettings(v Version, of map[string]string) (unsafe []string) {
	say := func(format string, args ...any) { unsafe = append(unsafe, fmt.Sprintf(format, args...)) }
	if v.Product != "TiDB" {
		// On MariaDB, 3 means 1 with the old group commit.
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
	if checks := of["tidb_enable_check_constraint"]; v.Product == "TiDB" && checks != "ON" && checks != "1" {
		say("tidb_enable_check_constraint is OFF, so that it drops the CHECKs behind stock and limits in silence (SET GLOBAL tidb_enable_check_constraint = ON before the first start)")
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

// Refuses implements engine.Address.
func (a Address) Refuses(err error) bool {
	_, said := errors.AsType[*mysql.MySQLError](err)
	return said
}

// Explain implements engine.Address.
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
