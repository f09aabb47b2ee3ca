package main

import (
	"compress/gzip"
	"os"
	"path/filepath"
	"runtime"
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
	less := file("less.csv", productHeader+"mug,Mug,draft,Colour,Blue,M-B,12.50\n")
	plain := file("plain.csv", "Item;Net;Note\n\xc3\xab\xbd\xed\xbc\xdc;12,50;x\n")
	const wholeExport = "handle,title,description,status,brand,categories,attributes,pictures,picture_alts,option1_name,option1_value,option2_name,option2_value,option3_name,option3_value,sku,price,currency\n" +
		"mug,Mug,,published,,,,,,Colour,Blue,,,,,M-B,12.50,GBP\nmug,,,,,,,,,,Red,,,,,M-R,13.00,GBP\ncup,Cup,,draft,,,,,,,,,,,,C,1.00,GBP\nplate,Plate,,draft,,,,,,,,,,,,P,1.00,GBP\n"
	exported := filepath.Join(folder, "out.csv")
	for _, c := range []struct {
		args      []string
		code      int
		out, errs string
	}{
		{[]string{"import", "products"}, exitUsage, "", "FILE.csv is missing"},
		{[]string{"import", "products", folder + "/none.csv"}, exitRun, "", "no such file"},
		{[]string{"import", "products", orders.Name()}, exitUsage, "", "a list of orders"},
		{[]string{"export", "products"}, exitOK, "handle,title,description,status,brand,categories,attributes,pictures,picture_alts,option1_name,option1_value,option2_name,option2_value,option3_name,option3_value,sku,price,currency\n", ""},
		{[]string{"import", "products", good, "--dry-run"}, exitOK, "Would import 3 rows: 2 products created, 0 updated, 0 unchanged; 0 rows refused.\n", ""},
		{[]string{"import", "products", good}, exitOK, "Imported 3 rows: 2 products created, 0 updated, 0 unchanged; 0 rows refused.\n", ""},
		{[]string{"import", "products", good}, exitOK, "Imported 3 rows: 0 products created, 0 updated, 2 unchanged; 0 rows refused.\n", ""},
		{[]string{"import", "products", bad}, exitFound, "Imported 3 rows: 1 products created, 0 updated, 0 unchanged; 2 rows refused.\n", "bad.refused.csv"},
		{[]string{"import", "products", broken}, exitRun, "", "not closed"},
		{[]string{"export", "products", "--out", exported}, exitOK, "", ""},
		{[]string{"import", "products", exported, "--json"}, exitOK, "{\n  \"created\": 0,\n  \"dry_run\": false,\n  \"free_products\": 0,\n  \"rejected_rows\": 0,\n  \"removed_values\": 0,\n  \"rows\": 4,\n  \"unchanged\": 3,\n  \"updated\": 0\n}\n", ""},
		{[]string{"export", "products", "--excel"}, exitOK, "\ufeff" + wholeExport, ""},
		{[]string{"import", "products", less, "--dry-run"}, exitOK,
			"Would import 1 rows: 0 products created, 1 updated, 0 unchanged; 0 rows refused.\nWould remove line 2, mug: from sale, as a draft: Mug\nWould remove line 2, mug: variant M-R\n", ""},
		{[]string{"import", "products", plain, "--inspect"}, exitUsage, "", "say which column is what with --map"},
		{[]string{"import", "products", plain, "--inspect", "--map", "Item=title", "--map", "Net=price"}, exitOK,
			"Format: as mapped. Encoding: gb18030. Separated by: semicolon. 1 rows, 1 products.\nCOLUMN  IS        ROWS THAT HAVE IT\nItem    title     1\nNet     price     1\nNote    left out  1\n" +
				"The file does not say its encoding, and its letters look like gb18030: look at the names, and say another with --encoding where they are wrong.\n" +
				"The column Note is not imported: 1 row has it.\n", ""},
		{[]string{"import", "products", plain, "--encoding", "utf-8", "--map", "Item=title", "--map", "Net=price"}, exitUsage, "", "not UTF-8, as of line 2"},
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
	for _, written := range []string{exported, filepath.Join(folder, "bad.refused.csv")} { // whatever the umask
		if info, err := os.Stat(written); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v; want mode 0600", written, info, err)
		}
	}
}
