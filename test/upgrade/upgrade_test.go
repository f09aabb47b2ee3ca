// Package upgrade opens data folders that earlier releases have left. Each is in testdata: a database, packed, and what its
// shoppers were told. See make.sh for how one is made.
package upgrade

import (
	"compress/gzip"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite"

	"github.com/tidegate/tidegate/internal/await"
	"github.com/tidegate/tidegate/test/blackbox"
	"github.com/tidegate/tidegate/test/engine"
)

func TestMain(m *testing.M) { blackbox.Main(m) }

// told is an order that a shopper of an earlier release was given.
type told struct {
	Customer        int64
	Path, Key, Body string
	Answer          string
}

// folder is what a release has left.
type folder struct {
	SKU, Sale string
	Told      []told
}

// TestAnEarlierFolderIsOpenedUnderLoad starts the shop on every folder that a release has left, while a crowd is waiting at the
// door: what was accepted then is there, its keys are answered with the same bytes, and new orders are taken beside it.
func TestAnEarlierFolderIsOpenedUnderLoad(t *testing.T) {
	t.Parallel()
	all, err := filepath.Glob("testdata/*.db.gz")
	if err != nil || len(all) == 0 {
		t.Fatalf("there is no folder of an earlier release: %v", err)
	}
	for _, packed := range all {
		name := strings.TrimSuffix(filepath.Base(packed), ".db.gz")
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			shop := blackbox.New(t, "TIDEGATE_HTTP_ADDRESS="+engine.FreeAddress(t)) // the same before and after
			left := unpack(t, shop, packed)
			const customers = 100
			tokens := map[int64]string{}
			for i, token := range shop.Tokens(1_000_001, customers) {
				tokens[1_000_001+int64(i)] = token
			}
			book := blackbox.NewBook(nil)
			for _, o := range left.Told {
				p := blackbox.Purchase{Customer: o.Customer, Token: tokens[o.Customer], Path: o.Path, Key: o.Key, Body: o.Body}
				book.Note(p, blackbox.Answer{Status: 201, Body: []byte(o.Answer)})
			}
			var buying []blackbox.Purchase
			for customer, token := range tokens {
				buying = append(buying, blackbox.Buying("", 1, customer, token, fmt.Sprint("new-", customer), left.SKU))
			}
			fresh := blackbox.NewBook(nil)
			served := make(chan struct{})
			go func() {
				defer close(served)
				blackbox.Each(32, buying, func(p blackbox.Purchase) {
					a := shop.Buy(p)
					for end := time.Now().Add(await.Max); a.Err != nil && time.Now().Before(end); a = shop.Buy(p) {
						time.Sleep(2 * time.Millisecond) // the doors are shut while the database is migrated
					}
					fresh.Note(p, a)
				})
			}()
			shop.Start()
			<-served
			if len(fresh.Receipts) != customers {
				t.Errorf("of %d new orders: %s", customers, fresh)
			}
			shop.VerifyOrders(book)
			shop.VerifyOrders(fresh)
			shop.Audit("I1", "I2", "I3", "I4", "I9")
			shop.Reconciled()
			shop.Stop()
		})
	}
}

// unpack puts a folder of testdata where the shop looks for it.
func unpack(t *testing.T, shop *blackbox.Shop, packed string) (left folder) {
	t.Helper()
	// The keys of a new shop, and a new database in the place of its own.
	shop.Start()
	shop.Stop()
	for _, old := range []string{"tidegate.db", "tidegate.db-wal", "tidegate.db-shm"} {
		if err := os.Remove(filepath.Join(shop.Folder, old)); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
	}
	in, err := os.Open(packed)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	zip, err := gzip.NewReader(in)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(zip)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(shop.Folder, "tidegate.db"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(strings.TrimSuffix(packed, ".db.gz") + ".json")
	if err == nil {
		err = json.Unmarshal(said, &left)
	}
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// TestALaterFolderIsRefused: a folder that a later release has opened is refused by this one, and left as it is.
func TestALaterFolderIsRefused(t *testing.T) {
	t.Parallel()
	shop := blackbox.New(t)
	shop.Start()
	shop.Stop()
	file := filepath.Join(shop.Folder, "tidegate.db")
	db, err := sql.Open("sqlite", "file:"+file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("INSERT INTO goose_db_version (version_id, is_applied) VALUES (99999, 1)"); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	code, _, said := shop.Run("serve")
	if code == 0 || !strings.Contains(said, "newer") {
		t.Errorf("a folder of a later release: exit %d: %s", code, said)
	}
	after, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(before) != string(after) {
		t.Error("the folder was changed")
	}
}

// TestMake leaves a folder as a release does: with MAKE_FOLDER=name it is written to testdata. The binary is the one that
// BLACKBOX_BINARY names. See make.sh.
func TestMake(t *testing.T) {
	name := os.Getenv("MAKE_FOLDER")
	if name == "" {
		t.Skip("MAKE_FOLDER names no folder to make")
	}
	shop := blackbox.New(t)
	shop.Start()
	left := folder{SKU: shop.Stocked("MUG", 5000)}
	sale := shop.Open(blackbox.Terms{SKUs: []string{left.SKU}, Allocation: 200, Limit: 3, PaymentSeconds: 604800})
	left.Sale = sale.ID
	tokens := shop.Tokens(1_000_001, 60)
	book := blackbox.NewBook(nil)
	for i, token := range tokens {
		where := sale.ID
		if i%4 == 0 {
			where = ""
		}
		p := blackbox.Buying(where, 1+int64(i%2), 1_000_001+int64(i), token, fmt.Sprint("then-", i), left.SKU)
		book.Note(p, shop.Buy(p))
	}
	n := 0
	for id, r := range book.Receipts {
		left.Told = append(left.Told, told{r.Customer, r.Path, r.Key, r.Purchase.Body, string(r.Body)})
		switch n++; {
		case n%5 == 0:
			if a := shop.Ask("POST", "/v1/orders/"+id+"/cancel", r.Token, ""); a.Status != 200 {
				t.Fatal(a)
			}
		case n%3 == 0:
			p, _ := shop.StartPayment(r)
			shop.Pay(p.PayURL)
			await.Until(t, "it is paid", func() bool { return shop.Order(id).Status == "paid" })
			if n%2 == 0 {
				shop.Admin("POST", "/v1/admin/orders/"+id+"/refund", map[string]any{"reason": "asked for"}, nil)
			}
		}
	}
	shop.Stop()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(shop.Folder, "tidegate.db"))
	if err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(t.TempDir(), "whole.db")
	if _, err := db.Exec("VACUUM INTO ?", whole); err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	text, err := os.ReadFile(whole)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create("testdata/" + name + ".db.gz")
	if err != nil {
		t.Fatal(err)
	}
	zip, _ := gzip.NewWriterLevel(out, gzip.BestCompression)
	if _, err := zip.Write(text); err != nil {
		t.Fatal(err)
	}
	said, err := json.MarshalIndent(left, "", " ")
	if err == nil {
		err = os.WriteFile("testdata/"+name+".json", append(said, '\n'), 0o600)
	}
	for _, err := range []error{zip.Close(), out.Close(), err} {
		if err != nil {
			t.Fatal(err)
		}
	}
}
