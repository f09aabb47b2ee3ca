package main

import (
	"regexp"
	"strings"
	"testing"
)

func TestWebhooksOnAFolderThatNobodyHolds(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if code, _, errs := runTool(t, nil, "migrate", "up", "--data", folder); code != exitOK {
		t.Fatal(errs)
	}
	hook := func(args ...string) (int, string, string) {
		return runTool(t, nil, append(append([]string{"webhook"}, args...), "--data", folder)...)
	}
	code, out, errs := hook("create", "https://warehouse.example/hooks", "--type", "order.paid.v1,order.refunded.v1", "--description", "Warehouse")
	made := regexp.MustCompile(`^id      (\d+)\nsecret  (whsec_\S{44})\n$`).FindStringSubmatch(out)
	if code != exitOK || made == nil {
		t.Fatalf("exit %d, %q, %q", code, out, errs)
	}
	for _, c := range []struct {
		args []string
		code int
		out  string
		errs string
	}{
		{[]string{"list"}, exitOK, made[1] + "  active  0        -          -              order.paid.v1 order.refunded.v1  https://warehouse.example/hooks\n", ""},
		{[]string{"list", "--json"}, exitOK, `"description": "Warehouse"`, ""},
		{[]string{"show", made[1]}, exitOK, "status         active\n", ""},
		{[]string{"show", made[1], "--json"}, exitOK, `"deliveries": []`, ""},
		{[]string{"resume", made[1]}, exitOK, "", ""},
		{[]string{"create", "https://x.example", "--json"}, exitOK, `"secret": "whsec_`, ""},
		{[]string{"create"}, exitUsage, "", "URL is missing"},
		{[]string{"create", "http://x.example"}, exitUsage, "", "url: It must be https"},
		{[]string{"create", "https://x.example", "--type", "order.lost.v1"}, exitUsage, "", `"order.lost.v1" is not an event type`},
		{[]string{"show", "nonsense"}, exitUsage, "", "id"},
		{[]string{"show", "7"}, exitRun, "", "not_found"},
		{[]string{"resume", "7"}, exitRun, "", "not_found"},
		{[]string{"listen"}, exitRun, "", "start tidegate serve first"},
		{[]string{"listen", "--count", "-1"}, exitUsage, "", "--count"},
		{[]string{"delete", made[1]}, exitOK, "", ""},
		{[]string{"delete", made[1]}, exitRun, "", "not_found"},
	} {
		code, out, errs := hook(c.args...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) || strings.Contains(out, made[2]) {
			t.Errorf("webhook %v: exit %d, %q, %q", c.args, code, out, errs)
		}
	}
	code, out, errs = runTool(t, nil, "__complete", "webhook", "show", "--data", folder, "")
	if code != exitOK || !strings.Contains(out, "\thttps://x.example\n") {
		t.Errorf("completion: exit %d, %q, %q", code, out, errs)
	}
}
