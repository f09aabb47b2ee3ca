package main

import (
	"strings"
	"testing"
)

func TestLiveSettingsOnAFolderThatNobodyHolds(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if code, _, errs := runTool(t, nil, "migrate", "up", "--data", folder); code != exitOK {
		t.Fatal(errs)
	}
	for _, c := range []struct {
		args []string
		code int
		out  string
		errs string
	}{
		{[]string{"history", "--json"}, exitOK, "[]", ""},
		{[]string{"set", "log.level=debug", "orders.unpaid_orders_max=7", "--reason", "bots"}, exitOK, "change 1: log.level=debug", ""},
		{[]string{"--running"}, exitOK, "debug", ""},
		{[]string{"history"}, exitOK, "bots", ""},
		{[]string{"history", "--json"}, exitOK, `"number": 1`, ""},
		{[]string{"set", "--unset", "log.level", "--reason", "found"}, exitOK, "log.level unset (was debug)", ""},
		{[]string{"undo", "--reason", "not found"}, exitOK, "undo of 2: log.level=debug", ""},
		{[]string{"undo", "2", "--reason", "twice"}, exitRun, "", "conflict"},
		{[]string{"set", "log.level=loud", "--reason", "x"}, exitUsage, "", "log.level"},
		{[]string{"set", "log.levl=debug", "--reason", "x"}, exitUsage, "", "log.level"},
		{[]string{"set", "http.address=127.0.0.1:1", "--reason", "x"}, exitUsage, "", "not live"},
		{[]string{"set", "log.level", "--reason", "x"}, exitUsage, "", "KEY=VALUE"},
		{[]string{"set", "log.level=info", "log.level=warn", "--reason", "x"}, exitUsage, "", "twice"},
		{[]string{"set", "log.level=info"}, exitUsage, "", "--reason"},
		{[]string{"set", "--reason", "x"}, exitUsage, "", "--unset KEY"},
		{[]string{"undo"}, exitUsage, "", "--reason"},
		{[]string{"undo", "x", "--reason", "x"}, exitUsage, "", `such as 7, not "x"`},
		{[]string{"history", "x"}, exitUsage, "", "unknown command"},
	} {
		code, out, errs := runTool(t, nil, append(append([]string{"config"}, c.args...), "--data", folder)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
			t.Errorf("config %v: exit %d, %q, %q", c.args, code, out, errs)
		}
	}
}
