package mysql

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/go-sql-driver/mysql"

	"github.com/tidegate/tidegate/internal/store/engine"
)

func TestVersions(t *testing.T) {
	for _, c := range []struct {
		text, product string
		old           bool
	}{
		{"10.11.19-MariaDB-0+deb12u1", "MariaDB", false},
		{"5.5.5-10.4.8-MariaDB", "MariaDB", true},
		{"11.4.2-MariaDB-log", "MariaDB", false},
		{"8.0.36", "MySQL", false},
		{"8.0.15-commercial", "MySQL", true},
		{"5.7.44-log", "MySQL", true},
		{"8.4.0", "MySQL", false},
		{"8.0.11-TiDB-v7.5.1", "TiDB", false},
		{"5.7.25-TiDB-v5.4.0", "TiDB", true},
		{"8.0.30-Vitess", "Vitess", false},
		{"nonsense", "MySQL", true},
	} {
		if v := parseVersion(c.text); v.Product != c.product || v.tooOld() != c.old {
			t.Errorf("%s: %s, too old: %t", c.text, v.Product, v.tooOld())
		}
	}
}

func TestUnsafeSettings(t *testing.T) {
	safe := map[string]string{
		"innodb_flush_log_at_trx_commit": "1", "log_bin": "ON", "sync_binlog": "1", "sql_mode": "STRICT_ALL_TABLES", "transaction_isolation": "READ-COMMITTED",
		"max_allowed_packet": "16777216", "read_only": "OFF", "default_storage_engine": "InnoDB", "innodb_doublewrite": "ON",
		"tidb_enable_check_constraint": "ON",
	}
	if unsafe := unsafeSettings(Version{Product: "MySQL"}, safe); len(unsafe) != 0 {
		t.Errorf("a safe server: %q", unsafe)
	}
	for _, c := range []struct{ name, value, product, says string }{
		{"innodb_flush_log_at_trx_commit", "0", "MySQL", "set it to 1"},
		{"innodb_flush_log_at_trx_commit", "3", "MariaDB", ""},
		{"innodb_flush_log_at_trx_commit", "2", "TiDB", ""},
		{"sync_binlog", "1000", "MySQL", "set it to 1"},
		{"innodb_doublewrite", "OFF", "MySQL", "tear a page"},
		{"default_storage_engine", "Aria", "MariaDB", "no transactions"},
		{"sql_mode", "", "MySQL", "STRICT_ALL_TABLES"},
		{"transaction_isolation", "REPEATABLE-READ", "MySQL", "READ-COMMITTED"},
		{"max_allowed_packet", "1048576", "MySQL", "too small"},
		{"read_only", "ON", "MySQL", "no primary"},
		{"tidb_enable_check_constraint", "OFF", "TiDB", "drops the CHECKs"},
		{"tidb_enable_check_constraint", "", "MariaDB", ""},
	} {
		of := map[string]string{}
		for name, value := range safe {
			of[name] = value
		}
		of[c.name] = c.value
		unsafe := unsafeSettings(Version{Product: c.product}, of)
		if (len(unsafe) > 0) != (c.says != "") || c.says != "" && !strings.Contains(unsafe[0], c.says) {
			t.Errorf("%s=%q on %s: %q", c.name, c.value, c.product, unsafe)
		}
	}
}

func TestKindOf(t *testing.T) {
	number := func(n uint16) error { return fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: n}) }
	said := func(message string) error { return &mysql.MySQLError{Number: 1105, Message: message} }
	for _, c := range []struct {
		err  error
		want engine.Kind
	}{
		{said("pessimistic lock retry limit reached"), engine.Again}, {said("Lock wait timeout exceeded; try restarting transaction"), engine.Again}, {said("unknown column"), engine.Other},
		{nil, engine.Other}, {errors.New("something"), engine.Other}, {context.Canceled, engine.Other}, {context.DeadlineExceeded, engine.Other},
		{number(1062), engine.Unique}, {number(1048), engine.NotNull}, {number(4025), engine.Check}, {number(3819), engine.Check},
		{number(1213), engine.Deadlock}, {number(1205), engine.Again}, {number(9007), engine.Again},
		{number(1290), engine.Gone}, {number(1053), engine.Gone}, {number(1021), engine.Full}, {number(1146), engine.Other},
		{mysql.ErrInvalidConn, engine.Gone}, {driver.ErrBadConn, engine.Gone},
	} {
		if got := KindOf(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
	if !OnPrimary(&mysql.MySQLError{Number: 1062, Message: "Duplicate entry '7' for key 'orders.PRIMARY'"}) || OnPrimary(&mysql.MySQLError{Number: 1062, Message: "Duplicate entry 'x' for key 'orders_key'"}) {
		t.Error("the primary key is not told from another")
	}
}
