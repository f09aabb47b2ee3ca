package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/tidegate/tidegate/internal/await"
)

// small is a night that is over in a second.
var small = []string{"drill", "--shoppers", "300", "--units", "20", "--skus", "3", "--over", "300ms", "--connections", "16", "--readers", "2", "--reads-per-second", "100", "--pay-after", "50ms"}

// asTidegate makes child processes of this test behave as tidegate.
func asTidegate(t *testing.T) {
	t.Helper()
	t.Setenv(asProcess, "1")
}

func TestADrillOfAPrivateShop(t *testing.T) {
	asTidegate(t)
	dir := t.TempDir()
	file, page := filepath.Join(dir, "out.json"), filepath.Join(dir, "out.html")
	args := slices.Concat(small, []string{"--ceiling", "--measure", "200ms", "--viewers", "50", "--kill-after", "150ms", "--json", file, "--report", page})
	code, out, errs := runTool(t, nil, args...)
	if code != exitOK || !strings.Contains(out, "main lane: All is well: ") {
		t.Fatalf("exit %d:\n%s\n%s", code, out, errs)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var r map[string]any
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	golden(t, "drill-keys.txt", strings.Join(keysOf("", r), "\n")+"\n")
	for name, want := range map[string]any{"lane": "main", "load": "open", "shoppers": 300.0, "units": 60.0, "ok": true, "unanswered": 0.0, "killed": 1.0, "stopped_early": false} {
		if r[name] != want {
			t.Errorf("%s is %v, want %v", name, r[name], want)
		}
	}
	for _, name := range []string{"accepted", "in_database", "sold_out", "durable_orders_per_s", "sold_out_per_s", "product_reads_per_s", "sale_pages_per_s", "signed_in_pages_per_s", "viewers_told_per_s", "viewers", "p99_ms", "ceiling_per_s", "ratio", "commits_per_s", "server_rss_max_mib", "server_cpu_s", "generator_cpu_s", "paid"} {
		if n, ok := r[name].(float64); !ok || n <= 0 {
			t.Errorf("%s is %v", name, r[name])
		}
	}
	if r["accepted"] != r["in_database"] {
		t.Errorf("accepted %v, in the database %v", r["accepted"], r["in_database"])
	}
	html, err := os.ReadFile(page)
	if err != nil || !strings.Contains(string(html), "All is well: ") || strings.Count(string(html), "<svg") != 3 {
		t.Errorf("the page: %v, %d bytes", err, len(html))
	}
}

func TestADrillOfBothLanes(t *testing.T) {
	asTidegate(t)
	page := filepath.Join(t.TempDir(), "out.html")
	code, out, errs := runTool(t, nil, slices.Concat(small, []string{"--lane", "both", "--title", "Friday", "--kill-after", "150ms", "--json", "-", "--report", page})...)
	var r struct {
		Lane    string `json:"lane"`
		OK      bool   `json:"ok"`
		Express struct {
			Lane     string `json:"lane"`
			OK       bool   `json:"ok"`
			Accepted int    `json:"accepted"`
		} `json:"express"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK {
		t.Fatalf("exit %d, %v:\n%s\n%s", code, err, out, errs)
	}
	if r.Lane != "main" || !r.OK || r.Express.Lane != "express" || !r.Express.OK || r.Express.Accepted == 0 {
		t.Errorf("%+v", r)
	}
	html, err := os.ReadFile(page)
	if err != nil || strings.Count(string(html), "<svg") != 6 || !strings.Contains(string(html), "The express lane") {
		t.Errorf("the page: %v, %d bytes", err, len(html))
	}
}

// TestADrillOfACrowd: more come than there are units, some want more than the limit, and the shop is killed in the middle. Nothing is
// wrong afterwards; three planted bugs see to it that the drill would say so. The crowd is large enough that there is always a batch
// between its answers and its commit, if ever answers come first.
func TestADrillOfACrowd(t *testing.T) {
	asTidegate(t)
	code, out, errs := runTool(t, nil, "drill", "--load", "closed", "--connections", "256", "--shoppers", "20000", "--units", "15000", "--skus", "1",
		"--kill-after", "300ms", "--pay", "0", "--abandon", "1", "--readers", "0", "--reads-per-second", "0", "--json", "-")
	var r struct {
		Accepted   int `json:"accepted"`
		InDatabase int `json:"in_database"`
		SoldOut    int `json:"sold_out"`
		Killed     int `json:"killed"`
	}
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != exitOK {
		t.Fatalf("exit %d, %v:\n%s\n%s", code, err, out, errs)
	}
	if r.Accepted < 14000 || r.Accepted != r.InDatabase || r.SoldOut == 0 || r.Killed != 1 {
		t.Errorf("%+v", r)
	}
}

// keysOf lists the paths of a JSON object; the elements of a list count once.
func keysOf(path string, v any) []string {
	switch v := v.(type) {
	case map[string]any:
		if path == "orders_by_status" {
			return []string{path}
		}
		var all []string
		for name, one := range v {
			all = append(all, keysOf(strings.TrimPrefix(path+"."+name, "."), one)...)
		}
		slices.Sort(all)
		return slices.Compact(all)
	case []any:
		all := []string{path}
		for _, one := range v {
			if _, isObject := one.(map[string]any); isObject {
				all = append(all, keysOf(path+"[]", one)...)
			}
		}
		slices.Sort(all)
		return slices.Compact(all)
	}
	return []string{path}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", name, diff)
	}
}

func TestADrillOfARunningShop(t *testing.T) {
	t.Parallel()
	shop := start(t, filepath.Join(t.TempDir(), "shop"), "serve", "--http.address", "127.0.0.1:0")
	at := shop.running(t)
	target := []string{"--target", at.Public, "--admin-key", at.AdminKey, "--ops", at.Ops}
	code, out, errs := runTool(t, nil, slices.Concat(small, target, []string{"--title", "Friday", "--load", "closed"})...)
	if code != exitOK {
		t.Fatalf("exit %d:\n%s\n%s", code, out, errs)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"a sale that exists", slices.Concat(target, []string{"--title", "Friday"}), exitRun, `There is a rehearsal called "Friday" already`},
		{"a wrong key", []string{"--target", at.Public, "--admin-key", "tgk_1_x"}, exitRun, "does not know the admin key"},
		{"no key", []string{"--target", at.Public}, exitRun, "a target needs an admin key"},
		{"to be killed", slices.Concat(target, []string{"--kill-after", "1s"}), exitRun, "--kill-after works on a private shop only"},
		{"no express lane", slices.Concat(target, []string{"--lane", "express"}), exitUsage, "--lane express needs the address of the target's express lane"},
		{"nobody at the express lane", slices.Concat(target, []string{"--lane", "both", "--express", "http://127.0.0.1:1"}), exitRun, "http://127.0.0.1:1 does not answer: "},
		{"the ops listener as express lane", slices.Concat(target, []string{"--lane", "both", "--express", at.Ops}), exitRun, "is not an express lane"},
		{"a file that is not there", slices.Concat(target, []string{"--arrivals", "csv", "--arrivals-file", "nowhere.csv"}), exitRun, "arrivals.file nowhere.csv: no such file"},
		{"the ops listener as target", []string{"--target", at.Ops, "--admin-key", at.AdminKey}, exitRun, "this is not a Tidegate shop"},
	} {
		code, out, errs := runTool(t, nil, slices.Concat(small, c.args)...)
		if code != c.code || out != "" || !strings.Contains(errs, c.want) {
			t.Errorf("%s: exit %d, %q, %q", c.name, code, out, errs)
		}
	}
	// Nothing of the refused ones was left behind, and no list but their own knows of rehearsals.
	for path, want := range map[string]string{"/v1/admin/rehearsals": `"title":"Friday"`, "/v1/admin/sales": `{"items":[]}`, "/v1/admin/orders": `{"items":[]}`} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, at.Public+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+at.AdminKey)
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(answer.Body)
		if _ = answer.Body.Close(); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), want) || strings.Count(string(text), `"sale_id"`) > 1 {
			t.Errorf("%s: %s", path, text)
		}
	}
}

func TestBadInputOfADrill(t *testing.T) {
	t.Parallel()
	other := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(other.Close)
	file := filepath.Join(t.TempDir(), "night.yaml")
	if err := os.WriteFile(file, []byte("shoppers: 10\nunitz: 4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"an unknown field", []string{"--night", file}, exitUsage, "line 2: field unitz not found"},
		{"no night file", []string{"--night", "nowhere.yaml"}, exitUsage, "the night file cannot be read"},
		{"nobody", []string{"--shoppers", "0"}, exitUsage, "shoppers: 1 to 1000000, not 0"},
		{"another lane", []string{"--lane", "fast"}, exitUsage, "--lane: main, express or both"},
		{"no place for the result", []string{"--json", "nowhere/out.json"}, exitUsage, "no such file or directory"},
		{"not ours", []string{"--target", other.URL, "--admin-key", "x"}, exitRun, "this is not a Tidegate shop: it answered 404"},
		{"no address", []string{"--target", "shop", "--admin-key", "x"}, exitRun, `"shop" is not the address of a shop`},
		{"nobody there", []string{"--target", "http://127.0.0.1:1", "--admin-key", "x"}, exitRun, "http://127.0.0.1:1 does not answer: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := runTool(t, nil, append([]string{"drill"}, c.args...)...)
			if code != c.code || out != "" || !strings.Contains(errs, c.want) || strings.Count(errs, "\n") != 1 {
				t.Errorf("exit %d, %q, %q", code, out, errs)
			}
		})
	}
}

func TestCtrlCEndsTheNightEarlyAndSettles(t *testing.T) {
	t.Parallel()
	p := start(t, t.TempDir(), "drill", "--shoppers", "100000", "--units", "10", "--arrivals", "constant", "--over", "10m", "--connections", "8", "--readers", "0", "--reads-per-second", "0", "--json", "-")
	await.Until(t, "the night is under way", func() bool { return strings.Contains(p.log.String(), "accepted") })
	p.signal(t, os.Interrupt)
	if code := p.exit(t); code != exitOK {
		t.Errorf("exit %d", code)
	}
	var r struct {
		Accepted   int  `json:"accepted"`
		InDatabase int  `json:"in_database"`
		Early      bool `json:"stopped_early"`
		OK         bool `json:"ok"`
	}
	if err := json.Unmarshal([]byte(p.out.String()), &r); err != nil {
		t.Fatal(err)
	}
	if r.Accepted == 0 || r.Accepted != r.InDatabase || !r.Early || !r.OK {
		t.Errorf("%+v", r)
	}
}
