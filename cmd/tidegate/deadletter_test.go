package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tidegate/tidegate/internal/delivery"
	"github.com/tidegate/tidegate/internal/store"
)

func TestDeadLetters(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if code, _, errs := runTool(t, nil, "migrate", "up", "--data", folder); code != exitOK {
		t.Fatal(errs)
	}
	c := store.DefaultConfig()
	c.Path = filepath.Join(folder, c.Path)
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	var all []delivery.DeadLetter
	for i := range int64(5) {
		all = append(all, delivery.DeadLetter{
			Topic: "events", Group: []string{"webhook", "notify"}[i%2], Tries: 10, Reason: "it broke\nhere", DiedAt: time.Unix(1_800_000_000, 0),
			Message: delivery.Message{ID: 100 + i, Key: "77", Type: "order.paid.v1", Payload: []byte(`{"id":"77"}`), At: time.Unix(1_700_000_000, 0)},
		})
	}
	if err := s.AddDeadLetters(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args []string
		code int
		out  string
		errs string
	}{
		{[]string{"list"}, exitOK, "2       notify   order.paid.v1  77     10     2027-01-15 08:00:00  it broke\n", ""},
		{[]string{"list", "--group", "notify", "--json"}, exitOK, `"message_id": 101`, ""},
		{[]string{"list", "--group", "Not A Group"}, exitUsage, "", "consumer_group"},
		{[]string{"list", "x"}, exitUsage, "", "unknown command"},
		{[]string{"show", "1"}, exitOK, "reason    it broke\n          here\n", ""},
		{[]string{"show", "1", "--json"}, exitOK, `"payload": {`, ""},
		{[]string{"show", "99"}, exitRun, "", "not_found: There is no dead letter 99."},
		{[]string{"show", "x"}, exitUsage, "", `such as 7, not "x"`},
		{[]string{"show", "0"}, exitUsage, "", `such as 7, not "0"`},
		{[]string{"drop"}, exitUsage, "", "--group and --all"},
		{[]string{"drop", "--all"}, exitUsage, "", "--group and --all"},
		{[]string{"drop", "--group", "notify"}, exitUsage, "", "--group and --all"},
		{[]string{"drop", "1", "--group", "notify", "--all"}, exitUsage, "", "--group and --all"},
		{[]string{"drop", "1", "-3"}, exitUsage, "", "unknown shorthand flag"},
		{[]string{"drop", "1", "99"}, exitRun, "", "dead letter 99: not_found: There is no dead letter 99. (1 of 2 were dropped)"},
		{[]string{"drop", "3", "--json"}, exitOK, `"dropped"`, ""},
		{[]string{"drop", "--group", "notify", "--all"}, exitOK, "2 dropped\n", ""},
	} {
		code, out, errs := runTool(t, nil, append(append([]string{"deadletter"}, c.args...), "--data", folder)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
			t.Errorf("deadletter %v: exit %d, %q, %q", c.args, code, out, errs)
		}
	}
	code, out, errs := runTool(t, nil, "__complete", "deadletter", "replay", "--data", folder, "")
	if code != exitOK || !strings.HasPrefix(out, "5\twebhook order.paid.v1\n") {
		t.Errorf("completion: exit %d, %q, %q", code, out, errs)
	}
}
