package postgres

import (
	"strings"
	"testing"
)

// TestCheck: the reasons to refuse a server's settings or to warn of them; none for good settings.
func TestCheck(t *testing.T) {
	good := settings{version: "PostgreSQL 15.18 (Debian)", number: "150018", fsync: "on", pages: "on", commit: "on", reads: "off", encoding: "UTF8"}
	for _, c := range []struct {
		name             string
		change           func(*settings)
		unusable, unsafe string
	}{
		{"good", func(*settings) {}, "", ""},
		{"newer", func(s *settings) { s.number = "180001" }, "", ""},
		{"commits that wait for standbys", func(s *settings) { s.commit = "remote_apply" }, "", ""},
		{"too old", func(s *settings) { s.number = "140019" }, "is version 140019: the shop needs 15 or newer", ""},
		{"no version", func(s *settings) { s.number = "" }, "the shop needs 15 or newer", ""},
		{"CockroachDB", func(s *settings) { s.version = "CockroachDB CCL v24.1.0" }, "is CockroachDB", ""},
		{"a standby", func(s *settings) { s.standby = true }, "is a standby", ""},
		{"another encoding", func(s *settings) { s.encoding = "SQL_ASCII" }, "keeps texts as SQL_ASCII", ""},
		{"fsync", func(s *settings) { s.fsync = "off" }, "", "fsync is off"},
		{"full_page_writes", func(s *settings) { s.pages = "off" }, "", "full_page_writes is off"},
		{"synchronous_commit", func(s *settings) { s.commit = "off" }, "", "synchronous_commit is off"},
		{"read only", func(s *settings) { s.reads = "on" }, "", "default_transaction_read_only is on"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := good
			c.change(&s)
			if why := s.unusable(); (why == "") != (c.unusable == "") || !strings.Contains(why, c.unusable) {
				t.Errorf("unusable: %q, want %q", why, c.unusable)
			}
			if why := strings.Join(s.unsafe(), "; "); (why == "") != (c.unsafe == "") || !strings.Contains(why, c.unsafe) {
				t.Errorf("unsafe: %q, want %q", why, c.unsafe)
			}
		})
	}
}

// TestParse: an address names the server and the user. It cannot change settings that the store relies on.
func TestParse(t *testing.T) {
	for _, c := range []struct{ address, is, why string }{
		{"postgres://tidegate:hidden@db1:5432/tidegate?sslmode=verify-full", "db1:5432/tidegate", ""},
		{"postgresql://tidegate@db1/tidegate", "db1:5432/tidegate", ""},
		{"postgres://tidegate@db1/tidegate?sslmode=require&application_name=shop", "db1:5432/tidegate", ""},
		{"postgres://tidegate@db1/tidegate?sslmode=sometimes", "", "an address such as postgres://"},
		{"postgres://tidegate@db1/tidegate?sslrootcert=/no/such/file&sslmode=verify-ca", "", "an address such as postgres://"},
		{"postgres://tidegate@db1", "", "names a database"},
		{"postgres://tidegate@db1/", "", "names a database"},
		{"mysql://tidegate@db1/tidegate", "", "an address such as postgres://"},
		{"postgres://hidden:%zz", "", "an address such as postgres://"},
		{"postgres://tidegate:hidden@db1,db2/tidegate", "", "one server"},
		{"postgres://tidegate:hidden@db1/tidegate?default_query_exec_mode=simple_protocol", "", "default_query_exec_mode"},
	} {
		at, err := Parse(c.address)
		switch {
		case err == nil && (c.why != "" || at.String() != c.is):
			t.Errorf("%s: %s, want %q %q", c.address, at, c.is, c.why)
		case err != nil && (c.why == "" || !strings.Contains(err.Error(), c.why) || strings.Contains(err.Error(), "hidden")):
			t.Errorf("%s: %v, want %q", c.address, err, c.why)
		}
	}
}
