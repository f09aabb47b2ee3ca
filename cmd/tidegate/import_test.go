package main

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const productHeader = "handle,title,status,option1_name,option1_value,sku,price\n"

func TestImportAndExportOnAFolderThatNobodyHolds(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if code, _, errs := runTool(t, nil, "migrate", "up", "--data", folder); code != exitOK {
		t.Fatal(errs)
	}
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("good.csv", productHeader+"mug,Mug,published,Colour,Blue,M-B,12.50\nmug,,,,Red,M-R,13\ncup,Cup,,,,C,1\n")
	bad := file("bad.csv", productHeader+"mug,Mug,published,Colour,Blue,M-B,12.50\nmug,,,,Red,M-R,oops\nplate,Plate,,,,P,1\n")
	broken := file("broken.csv", productHeader+"a,A,,,,A,1\nb,\"B"+strings.Repeat("\nb", 700_000))
	orders, err := os.Create(filepath.Join(folder, "orders.csv.gz"))
	if err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(orders)
	if _, err := z.Write([]byte("InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country\n1,2,3,4,5,6,7,8\n")); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if err := orders.Close(); err != nil {
		t.Fatal(err)
	}
	exported := filepath.Join(folder, "out.csv")
	for _, c := range []struct {
		args      []string
		code      int
		out, errs string
	}{
		{[]string{"import", "products"}, exitUsage, "", "accepts 1 arg(s)"},
		{[]string{"import", "products", folder + "/none.csv"}, exitRun, "", "no such file"},
		{[]string{"import", "products", orders.Name()}, exitUsage, "", "a list of orders"},
		{[]string{"export", "products"}, exitOK, "handle,title,description,status,brand,categories,attributes,pictures,picture_alts,option1_name,option1_value,option2_name,option2_value,option3_name,option3_value,sku,price,currency\n", ""},
		{[]string{"import", "products", good, "--dry-run"}, exitOK, "Would import 3 rows: 2 products created, 0 updated, 0 unchanged; 0 rows refused.\n", ""},
		{[]string{"import", "products", good}, exitOK, "Imported 3 rows: 2 products created, 0 updated, 0 unchanged; 0 rows refused.\n", ""},
		{[]string{"import", "products", good}, exitOK, "Imported 3 rows: 0 products created, 0 updated, 2 unchanged; 0 rows refused.\n", ""},
		{[]string{"import", "products", bad}, exitFound, "Imported 3 rows: 1 products created, 0 updated, 0 unchanged; 2 rows refused.\n", "bad.refused.csv"},
		{[]string{"import", "products", broken}, exitRun, "", "not closed"},
		{[]string{"export", "products", "--out", exported}, exitOK, "", ""},
		{[]string{"import", "products", exported, "--json"}, exitOK, "{\n  \"created\": 0,\n  \"dry_run\": false,\n  \"refused\": 0,\n  \"rows\": 4,\n  \"unchanged\": 3,\n  \"updated\": 0\n}\n", ""},
	} {
		code, out, errs := runTool(t, nil, append(c.args, "--data", folder)...)
		if code != c.code || out != c.out || !strings.Contains(errs, c.errs) {
			t.Errorf("%v: exit %d, %q, %q", c.args, code, out, errs)
		}
	}
	refused, err := os.ReadFile(filepath.Join(folder, "bad.refused.csv"))
	const want = "refused_line,refused_reason,refused_text,handle,title,status,option1_name,option1_value,sku,price\n" +
		"2,The product was not taken because of line 3.,,mug,Mug,published,Colour,Blue,M-B,12.50\n" +
		"3,\"price: \"\"oops\"\" is not a price: digits with a decimal point and at most 2 decimals, such as 12.50.\",,mug,,,,Red,M-R,oops\n"
	if err != nil || string(refused) != want {
		t.Errorf("%v, %s", err, refused)
	}
}
