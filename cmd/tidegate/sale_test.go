package main

import (
	"strings"
	"testing"
	"time"
)

func TestSaleTermsAreReadFromFlags(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 27, 19, 0, 0, 0, time.UTC)
	good := saleTerms{title: "Drop", starts: "+30s", lasts: time.Hour, limit: 2, payment: 5 * time.Minute, items: []string{"a=b=1.99x5", "MAXx=0x1"}}
	terms, items, err := good.read(now)
	if err != nil {
		t.Fatal(err)
	}
	if !terms.StartsAt.Equal(now.Add(30*time.Second)) || !terms.EndsAt.Equal(now.Add(30*time.Second+time.Hour)) || terms.PaymentWindowSeconds != 300 || terms.LimitPerCustomer != 2 {
		t.Errorf("terms: %+v", terms)
	}
	if items[0] != (saleItem{"a=b", "1.99", 5}) || items[1] != (saleItem{"MAXx", "0", 1}) {
		t.Errorf("items: %+v", items)
	}
	for name, c := range map[string]struct {
		change func(*saleTerms)
		want   string
	}{
		"no start":        {func(in *saleTerms) { in.starts = "" }, "--starts: a time such as"},
		"a start gone by": {func(in *saleTerms) { in.starts = "+-5s" }, "--starts: a time such as"},
		"no end":          {func(in *saleTerms) { in.lasts = 0 }, "either --ends or --for"},
		"two ends":        {func(in *saleTerms) { in.ends = "+2h" }, "either --ends or --for"},
		"a bad end":       {func(in *saleTerms) { in.lasts, in.ends = 0, "tomorrow" }, "--ends: a time such as"},
		"no items":        {func(in *saleTerms) { in.items = nil }, "at least one --item"},
		"no price":        {func(in *saleTerms) { in.items = []string{"85123A"} }, "CODE=PRICExUNITS"},
		"no units":        {func(in *saleTerms) { in.items = []string{"85123A=1.99"} }, "CODE=PRICExUNITS"},
		"no units at all": {func(in *saleTerms) { in.items = []string{"85123A=1.99x0"} }, "CODE=PRICExUNITS"},
		"no code":         {func(in *saleTerms) { in.items = []string{"=1.99x5"} }, "CODE=PRICExUNITS"},
	} {
		in := good
		c.change(&in)
		if _, _, err := in.read(now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestSalesOnAFolderThatNobodyHolds(t *testing.T) {
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
		{[]string{"list"}, exitOK, "ID  STATUS", ""},
		{[]string{"list", "--json"}, exitOK, "[]\n", ""},
		{[]string{"show", "7"}, exitRun, "", "not_found"},
		{[]string{"show", "x"}, exitUsage, "", "tidegate: "},
		{[]string{"pause", "7", "--reason", "r", "--yes"}, exitRun, "", "not_found"},
		{[]string{"pause", "7", "--reason", "r"}, exitUsage, "", "Say --yes"},
		{[]string{"end", "7", "--yes"}, exitUsage, "", "say why, with --reason"},
		{[]string{"show", "7", "8"}, exitUsage, "", `"8" is one argument too many: tidegate sale show SALE`},
		{[]string{"show"}, exitUsage, "", "SALE is missing: tidegate sale show SALE"},
		{[]string{"create", "--title", "x"}, exitUsage, "", "--starts"},
		{[]string{"create", "--title", "x", "--starts", "+1h", "--for", "1h", "--item", "A=1x1"}, exitRun, "", "item A: "},
		{[]string{"list", "--target", "nowhere"}, exitRun, "", "http://127.0.0.1:8080"},
		{[]string{"list", "--target", "http://127.0.0.1:1"}, exitRun, "", "needs an admin key"},
		{[]string{"list", "--target", "http://127.0.0.1:1", "--admin-key", "x"}, exitRun, "", "does not answer"},
	} {
		code, out, errs := runTool(t, nil, append(append([]string{"sale"}, c.args...), "--data", folder)...)
		if code != c.code || !strings.HasPrefix(out, c.out) || !strings.Contains(errs, c.errs) {
			t.Errorf("sale %v: exit %d, %q, %q", c.args, code, out, errs)
		}
	}
}
