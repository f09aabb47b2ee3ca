package main

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write the golden files")

// TestHelp holds the help of every command to its golden file: people and scripts read it.
func TestHelp(t *testing.T) {
	t.Parallel()
	var all []string
	var walk func(c *cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c.CommandPath())
		for _, sub := range c.Commands() {
			if sub.Name() != "help" && sub.Name() != "completion" {
				walk(sub)
			}
		}
	}
	walk(newRoot(&tool{}))
	for _, path := range all {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			code, out, errs := runTool(t, nil, append(strings.Fields(path)[1:], "--help")...)
			if code != exitOK || errs != "" {
				t.Fatalf("exit %d: %s", code, errs)
			}
			golden := filepath.Join("testdata", "help", strings.ReplaceAll(path, " ", "-")+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(golden), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(golden, []byte(out), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatalf("%v (go test ./cmd/tidegate -run TestHelp -update writes it)", err)
			}
			if diff := cmp.Diff(string(want), out); diff != "" {
				t.Errorf("the help has changed; where it should, run go test ./cmd/tidegate -run TestHelp -update\n%s", diff)
			}
		})
	}
}

// runTool runs one command line in this process.
func runTool(t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, env, strings.NewReader(""), &out, &errs)
	return code, out.String(), errs.String()
}

func TestWhatIsWrongWithACommandLineIsSaidInOneLine(t *testing.T) {
	t.Parallel()
	empty := t.TempDir()
	file := filepath.Join(t.TempDir(), "shop.yaml")
	if err := os.WriteFile(file, []byte("ops:\n  adress: x\nlog:\n  level: loud\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		env  []string
		args []string
		code int
		want string
	}{
		{"unknown command", nil, []string{"sevre"}, exitUsage, `unknown command "sevre" for "tidegate"`},
		{"help of an unknown command", nil, []string{"basket", "--help"}, exitUsage, `unknown command "basket" for "tidegate"`},
		{"help of an unknown command below another", nil, []string{"sale", "sell", "-h"}, exitUsage, `unknown command "sell" for "tidegate sale"`},
		{"the help command on an unknown command", nil, []string{"help", "basket"}, exitUsage, `unknown command "basket" for "tidegate"`},
		{"the help command below another", nil, []string{"help", "sale", "sell"}, exitUsage, `unknown command "sell" for "tidegate sale"`},
		{"unknown command below another", nil, []string{"migrate", "down"}, exitUsage, `unknown command "down" for "tidegate migrate"`},
		{"unknown flag", nil, []string{"serve", "--ops.adress", "x"}, exitUsage, "unknown flag: --ops.adress; did you mean --ops.address?"},
		{"an argument too many", nil, []string{"config", "x"}, exitUsage, `unknown command "x" for "tidegate config"`},
		{"a flag without value", nil, []string{"config", "--data"}, exitUsage, "flag needs an argument: --data"},
		{"bad flag", nil, []string{"config", "--process.node=x"}, exitUsage, `process.node (flag --process.node): "x" is not a whole number`},
		{"bad environment", []string{"TIDEGATE_OPS_ADRESS=:1"}, []string{"config"}, exitUsage, "did you mean TIDEGATE_OPS_ADDRESS?"},
		{"bad file", nil, []string{"config", "--config", file}, exitUsage, "ops.adress (" + file + " line 2): there is no such setting; did you mean ops.address?"},
		{"bad file named in the environment", []string{"TIDEGATE_CONFIG=" + file}, []string{"serve"}, exitUsage, "log.level (" + file + ` line 4): "loud" is not a level`},
		{"no file", nil, []string{"config", "--config", "nowhere.yaml"}, exitUsage, "the configuration file cannot be read: open nowhere.yaml"},
		{"no shop", nil, []string{"migrate", "status", "--data", empty}, exitRun, "there is no shop in the folder " + empty},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			code, out, errs := runTool(t, c.env, c.args...)
			if code != c.code || out != "" || !strings.Contains(errs, c.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want exit %d and %q", code, out, errs, c.code, c.want)
			}
			for line := range strings.Lines(errs) {
				if !strings.HasPrefix(line, "tidegate: ") {
					t.Errorf("a line that does not say whose it is: %q", line)
				}
			}
		})
	}
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "shop")
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"migrate", "up"}, exitOK, "was 0\n"},
		{[]string{"migrate", "status"}, exitOK, "newest known"},
		{[]string{"migrate", "status", "--json"}, exitOK, `{"version":`},
		{[]string{"migrate", "up"}, exitOK, "schema version"},
	} {
		code, out, errs := runTool(t, nil, append(c.args, "--data", folder)...)
		if code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("%v: exit %d, %q, %q", c.args, code, out, errs)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, out, _ := runTool(t, nil, "version")
	if code != exitOK || !strings.HasPrefix(out, "tidegate devel") || !strings.Contains(out, "(go1.") {
		t.Errorf("exit %d, %q", code, out)
	}
}
