package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestStockOnAFolderThatNobodyHolds(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	products := filepath.Join(t.TempDir(), "products.csv")
	if err := os.WriteFile(products, []byte("handle,title,status,sku,price\nmug,Mug,published,MUG=1,12.50\nbowl,Bowl,published,BOWL,9.00\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"migrate", "up"}, {"import", "products", products}} {
		if code, _, errs := runTool(t, nil, append(args, "--data", folder)...); code != exitOK {
			t.Fatalf("%v: %s", args, errs)
		}
	}
	receive := []string{"receive", "MUG=1=500", "BOWL=20", "--reason", "delivery 4711", "--key", "4711"}
	for _, c := range []struct {
		args []string
		code int
		out  string
		errs string
	}{
		{receive, exitOK, "MUG=1  +500    500      0         500", ""},
		{receive, exitOK, "BOWL   +20     20       0         20", ""}, // once for its key
		{[]string{"adjust", "BOWL=-5", "--reason", "broken"}, exitOK, "BOWL  -5      15       0         15", ""},
		{[]string{"show", "BOWL"}, exitOK, "general  15       0         15         0", ""},
		{[]string{"show", "MUG=1", "--json"}, exitOK, `"on_hand": 500`, ""},
		{[]string{"adjust", "BOWL=-16", "--reason", "broken"}, exitRun, "", "out_of_stock"},
		{[]string{"receive", "BOWL=-1", "--reason", "x"}, exitUsage, "", "quantity"},
		{[]string{"receive", "BOWL=1", "NONE=1", "--reason", "x", "--key", "k"}, exitRun, "BOWL  +1      16", "NONE: "},
		{[]string{"receive", "BOWL=1"}, exitUsage, "", "--reason"},
		{[]string{"receive", "BOWL", "--reason", "x"}, exitUsage, "", "85123A=500"},
		{[]string{"receive", "BOWL=0", "--reason", "x"}, exitUsage, "", "85123A=500"},
		{[]string{"receive", "=1", "--reason", "x"}, exitUsage, "", "85123A=500"},
		{[]string{"receive", "--reason", "x"}, exitUsage, "", "arg"},
		{[]string{"show", "NONE"}, exitRun, "", "not_found"},
	} {
		code, out, errs := runTool(t, nil, append(append([]string{"stock"}, c.args...), "--data", folder)...)
		if code != c.code || !strings.Contains(out, c.out) || !strings.Contains(errs, c.errs) {
			t.Errorf("stock %v: exit %d, %q, %q", c.args, code, out, errs)
		}
	}
}
